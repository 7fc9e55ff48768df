"""Who gave the bytes of a write: the line that handed them over, not the one that flushed them.

A buffered file keeps what ``file.write(value)`` was given until it is flushed or closed, so the
system call is often made by the end of a ``with`` block. A person would name the line with
``file.write``. CPython's buffered layers are C: the interpreter's profiling hook is what tells
which line calls them (`sys.setprofile`, events ``c_call`` and ``c_return``).
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from harness.intercept.rawfile import SimulatedFile
from harness.record import Recorder
from harness.trace import Frame, Record, Write

__all__ = ["GivingRecorder"]

_GIVING: Final = frozenset({"write", "writelines"})
_LAYERS: Final = (io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)
_RAW_WRITE: Final = SimulatedFile.write.__code__


class _Now(threading.local):
    """What a thread is doing: giving bytes to a buffered file, writing those of one."""

    giving: tuple[int, tuple[Frame, ...]] | None = None
    writing: Any = None


class GivingRecorder(Recorder):
    """A recorder that also notes where a buffered file was given what it writes later.

    Attributes:
        given: For each write that passed through a buffer, by its number: the subject's frames at
            the first call that gave it bytes of that write, innermost first.
    """

    def __init__(self, user_files: Any = ()) -> None:
        super().__init__(user_files)
        self.given: dict[int, tuple[Frame, ...]] = {}
        # Files are kept alive here: an id is good as a key only as long as its object lives.
        self._pending: dict[int, tuple[Any, tuple[Frame, ...]]] = {}
        self._now = _Now()
        self._listens = False

    def record(self, record: Record) -> None:
        super().record(record)
        writing = self._now.writing
        if isinstance(record, Write) and writing is not None:
            known = self._pending.get(id(writing))
            if known is not None:
                self.given[record.i] = known[1]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to who writes, inside the block: this thread, and those started in it."""
        if sys.getprofile() is not None or threading.getprofile() is not None:
            yield  # a profiler runs, and one like cProfile could not be put back
            return
        self._listens = True
        threading.setprofile(self._event)
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            self._listens = False
            self._now = _Now()

    def _event(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self._listens:
            sys.setprofile(None)  # in a thread that went on
        elif event == "c_call":
            if getattr(argument, "__name__", "") in _GIVING:
                self._given_by(frame, getattr(argument, "__self__", None))
        elif event in ("c_return", "c_exception"):
            if self._now.giving is not None and getattr(argument, "__name__", "") in _GIVING:
                self._now.giving = None
        elif frame.f_code is _RAW_WRITE:
            if event == "call":
                self._now.writing = frame.f_locals.get("self")
            elif event == "return":
                self._written()

    def _given_by(self, frame: FrameType, layer: Any) -> None:
        raw = _raw_of(layer)
        if raw is None:
            return
        at = self.at(frame)
        if at:
            self._now.giving = id(raw), at
            self._pending.setdefault(id(raw), (raw, at))

    def _written(self) -> None:
        """Forget who gave what is written now; the rest is of whoever is giving at the moment."""
        now = self._now
        raw, now.writing = now.writing, None
        if now.giving is not None and now.giving[0] == id(raw):
            self._pending[id(raw)] = raw, now.giving[1]
        else:
            self._pending.pop(id(raw), None)


def _raw_of(layer: Any) -> Any:
    """Give the simulated file under a buffered one, if there is one."""
    if not isinstance(layer, _LAYERS):
        return None
    try:
        buffer = layer.buffer if isinstance(layer, io.TextIOWrapper) else layer
        raw = getattr(buffer, "raw", None)
    except ValueError:  # detached
        return None
    return raw if isinstance(raw, SimulatedFile) else None
