"""Which simulated process the calls of this thread belong to.

Kept by thread, so that pytest's, rich's and the harness's own threads stay real while a subject
runs beside them. A plain dictionary, because it is read by every rerouted call: a look-up by thread
identifier costs less than a context variable and a scheduler may set another thread's entry.
"""

from __future__ import annotations

from _thread import get_ident
from types import TracebackType
from typing import Final

from harness.disk import Process

__all__ = ["ACTIVE", "FIRST_DESCRIPTOR", "active", "current", "suspended"]

ACTIVE: Final[dict[int, Process]] = {}
"""Thread identifier to the process whose calls that thread makes; absent means real."""

FIRST_DESCRIPTOR: Final = 1 << 20
"""Simulated descriptors start here (DESIGN 5), so a real call with one fails with EBADF."""


def current() -> Process | None:
    """Return the process that this thread's calls go to, or None when they are real."""
    return ACTIVE.get(get_ident())


class active:  # noqa: N801 - reads as the statement it is: with active(process)
    """Send this thread's file calls to a simulated process; nests.

    A class and not a generator, because entering and leaving it is part of every recovery.

    Args:
        process: Where the calls go until the block ends.
    """

    __slots__ = ("_before", "_ident", "_process")

    def __init__(self, process: Process) -> None:
        self._process = process

    def __enter__(self) -> Process:
        self._ident = ident = get_ident()
        self._before = ACTIVE.get(ident)
        ACTIVE[ident] = self._process
        return self._process

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is None:
            ACTIVE.pop(self._ident, None)
        else:
            ACTIVE[self._ident] = self._before


class suspended:  # noqa: N801 - reads as the statement it is: with suspended()
    """Make this thread's calls real inside a block, whatever process is active around it."""

    __slots__ = ("_before", "_ident")

    def __enter__(self) -> None:
        self._ident = get_ident()
        self._before = ACTIVE.pop(self._ident, None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is not None:
            ACTIVE[self._ident] = self._before
