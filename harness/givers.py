"""Who gave the bytes of a write: the line that handed them over, not the one that flushed them.

A buffered file keeps what ``file.write(value)`` was given until it is flushed or closed, so the
system call is often made by the end of a ``with`` block. A person would name the line with
``file.write``. CPython's buffered layers are C: the interpreter's profiling hook is what tells
which line calls them (`sys.setprofile`, events ``c_call`` and ``c_return``).
"""

from __future__ import annotations

import io
import sys
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
        self._giving: tuple[int, tuple[Frame, ...]] | None = None
        self._writing: Any = None

    def record(self, record: Record) -> None:
        super().record(record)
        if isinstance(record, Write) and self._writing is not None:
            known = self._pending.get(id(self._writing))
            if known is not None:
                self.given[record.i] = known[1]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to who writes, inside the block."""
        if sys.getprofile() is not None:
            yield  # a profiler runs, and one like cProfile could not be put back
            return
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(None)
            self._writing = self._giving = None

    def _event(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            if getattr(argument, "__name__", "") in _GIVING:
                self._given_by(frame, getattr(argument, "__self__", None))
        elif event in ("c_return", "c_exception"):
            if self._giving is not None and getattr(argument, "__name__", "") in _GIVING:
                self._giving = None
        elif frame.f_code is _RAW_WRITE:
            if event == "call":
                self._writing = frame.f_locals.get("self")
            elif event == "return":
                self._written()

    def _given_by(self, frame: FrameType, layer: Any) -> None:
        raw = _raw_of(layer)
        if raw is None:
            return
        at = self.at(frame)
        if at:
            self._giving = id(raw), at
            self._pending.setdefault(id(raw), (raw, at))

    def _written(self) -> None:
        """Forget who gave what is written now; the rest is of whoever is giving at the moment."""
        raw, self._writing = self._writing, None
        if self._giving is not None and self._giving[0] == id(raw):
            self._pending[id(raw)] = raw, self._giving[1]
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
