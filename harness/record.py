"""Recording what a subject asks the disk to do, and which of its lines asked.

The recorder is a set of kernel hooks; put it on a `harness.disk.Machine` and read ``records``.
"""

from __future__ import annotations

import sys
import sysconfig
from _thread import get_ident
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

from harness.disk import Hooks
from harness.intercept import suspended
from harness.intercept.handing import HANDED
from harness.trace import Frame, Mark, Record

__all__ = ["SOURCE_ROOTS", "Recorder"]

_HARNESS: Final = str(Path(__file__).parent) + "/"
_REFERENCE: Final = _HARNESS + "reference/"
_BELOW: Final = tuple(
    _HARNESS + name
    for name in (
        "intercept/",
        "disk/",
        "record.py",
        "givers.py",
        "fault_hooks.py",
        "faults.py",
        "rot.py",
        "hygiene.py",
        "repeating.py",
        "isolation/notes.py",
        "chain.py",
        "chainlife.py",
        "schedule/engine.py",
        "schedule/relay.py",
        "schedule/polling.py",
        "schedule/transcript.py",
        "schedule/writer.py",
        "schedule/locks.py",
    )
)
_STANDARD_LIBRARY: Final = tuple(
    sorted({sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib")})
)
SOURCE_ROOTS: Final = tuple(
    sorted(
        {sysconfig.get_path(name) + "/" for name in ("purelib", "platlib", "stdlib", "platstdlib")}
        | {str(Path(__file__).parent.parent) + "/"},
        key=len,
        reverse=True,
    )
)
"""Where installed modules lie: their files are named relative to these."""

_INSTALLED: Final = ("/site-packages/", "/dist-packages/")
_MACHINERY: Final = tuple(
    f"/{name}/"
    for name in (
        *("pyfakefs", "_pytest", "pytest", "pluggy", "hypothesis", "xdist", "execnet"),
        # They hand the calls of files to a thread: which, and when, is up to who calls them.
        *("aiofiles", "anyio"),
    )
)

_ENGINE: Final = ("", "")
"""Place of the engine's own code: what called it is a test or a tool, not the subject."""


def _is_user(filename: str) -> bool:
    """Tell whether a code file is the subject's own: not ours, not the infrastructure it uses."""
    if filename.startswith(_HARNESS):
        return filename.startswith(_REFERENCE)
    if filename.startswith("<"):
        return not filename.startswith("<frozen ")
    if any(part in filename for part in _INSTALLED):
        return not any(part in filename for part in _MACHINERY)
    return not filename.startswith(_STANDARD_LIBRARY)


class Recorder(Hooks):
    """Collects the trace.

    Args:
        user_files: Files whose frames count as the subject's although they are in the standard
            library: for a store that is such a module (``dbm.dumb``, ``shelve``, ``mailbox``).
        depth_max: Frames that a record keeps at most, innermost first.

    Attributes:
        records: The trace so far.
    """

    def __init__(self, user_files: Iterable[str] = (), *, depth_max: int = 16) -> None:
        self.records: list[Record] = []
        self._user_files = frozenset(user_files)
        self._depth_max = depth_max
        # Bytecode decides once for all its calls; most walks then only look things up.
        self._places: dict[CodeType, tuple[str, str] | None] = {}
        with suspended():  # the real current directory, whoever makes the recorder
            self._here = str(Path.cwd()) + "/"

    def _place(self, code: CodeType) -> tuple[str, str] | None:
        filename = code.co_filename
        if filename in self._user_files or _is_user(filename):
            place = self._shown(filename), code.co_name
        elif filename.startswith(_HARNESS) and not filename.startswith(_BELOW):
            place = _ENGINE
        else:
            place = None
        self._places[code] = place
        return place

    def _shown(self, filename: str) -> str:
        """Name a file the same on every machine: as seen from here, or as installed."""
        installed = any(part in filename for part in _INSTALLED)
        if filename.startswith(self._here) and not installed:
            return filename.removeprefix(self._here)
        for root in SOURCE_ROOTS:
            if filename.startswith(root):
                return filename.removeprefix(root)
        return filename

    def place(self, code: CodeType) -> tuple[str, str] | None:
        """Give file and function of the subject's own code; None for any other."""
        place = self._places[code] if code in self._places else self._place(code)
        return None if place is _ENGINE else place

    def at(self, frame: FrameType | None = None) -> tuple[Frame, ...]:
        """Give the subject's frames of the call being made, innermost first.

        Args:
            frame: Where to begin; the caller by default.
        """
        frames: list[Frame] = []
        places = self._places
        if frame is None:
            frame = sys._getframe(1)  # noqa: SLF001 - the documented way to see one's callers
        while frame is not None:
            code = frame.f_code
            place = places[code] if code in places else self._place(code)
            if place is not None:
                if place is _ENGINE:
                    return tuple(frames)
                frames.append((place[0], frame.f_lineno or 0, place[1]))
                if len(frames) == self._depth_max:
                    return tuple(frames)
            frame = frame.f_back
        # A thread's stack ends where it began: what it runs was handed to it by another.
        for code, line in HANDED.get(get_ident(), ()):
            place = places[code] if code in places else self._place(code)
            if place is _ENGINE or len(frames) == self._depth_max:
                break
            if place is not None:
                frames.append((place[0], line, place[1]))
        return tuple(frames)

    def record(self, record: Record) -> None:
        record.i = len(self.records) + 1
        record.at = self.at()
        self.records.append(record)

    def mark(
        self,
        event: str,
        *,
        process: int | None = None,
        number: int | None = None,
        operation: str | None = None,
        key: str | None = None,
        detail: str | None = None,
    ) -> Mark:
        """Append a mark: something that is no system call, at its place in the order.

        Args:
            event: invoke, return, raise, kill, restart, or a name of the caller's own.
            process: Number of the simulated process it is about.
            number: Which operation of the history.
            operation: write, read, delete, list, sync.
            key: The operation's key.
            detail: Anything else, in words.
        """
        mark = Mark(
            i=len(self.records) + 1,
            process=process,
            event=event,
            number=number,
            operation=operation,
            key=key,
            detail=detail,
        )
        self.records.append(mark)
        return mark
