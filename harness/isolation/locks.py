"""Python's own locks, for threads whose turns a scheduler decides.

A thread that blocks in a real lock would be invisible to whoever hands out turns, so what a writer
makes of ``threading`` (`harness.intercept.sync`) is made of a lock that asks the scheduler.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from harness.intercept import real, sync

__all__ = ["SimulatedLock", "Turns", "scheduled"]


class Turns(Protocol):
    """Who decides which thread runs."""

    def lock_made(self) -> str:
        """Name a new lock, the same in every run."""

    def lock_wanted(self, lock: SimulatedLock) -> None:
        """Let others run before this thread tries to get a lock."""

    def lock_awaited(self, lock: SimulatedLock, *, patient: bool) -> bool:
        """Let others run until a lock may be free; False if waiting is over without it."""

    def lock_changed(self, lock: SimulatedLock) -> None:
        """Hear that this thread has got or left a lock."""


class _Here(threading.local):
    """Who decides about the calling thread, and what it is called."""

    turns: Turns | None = None
    me: int = -1


_here: Final = _Here()


class _Scheduled:
    """Makes locks for one thread."""

    def __init__(self, turns: Turns, me: int) -> None:
        self._turns, self._me = turns, me

    def lock(self) -> Any:
        return SimulatedLock(self._turns, reentrant=False)

    def rlock(self) -> Any:
        return SimulatedLock(self._turns, reentrant=True)

    def ident(self) -> int:
        return 1_000 + self._me

    def spawn(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def join(self, thread: threading.Thread, timeout: float | None) -> bool:
        del thread, timeout
        return True


@contextmanager
def scheduled(turns: Turns, me: int) -> Iterator[None]:
    """Let somebody decide about this thread inside a block.

    Args:
        turns: Who.
        me: The thread's number there.
    """
    ident = real.thread.get_ident()
    _here.turns, _here.me = turns, me
    sync.SCHEDULED[ident] = _Scheduled(turns, me)
    try:
        yield
    finally:
        sync.SCHEDULED.pop(ident, None)
        _here.turns, _here.me = None, -1


class SimulatedLock:
    """A lock whose waiters are known.

    Args:
        turns: Who decides.
        reentrant: Whether its owner may take it again.

    Attributes:
        name: What to call it.
        owner: Number of the thread that has it, or None.
    """

    def __init__(self, turns: Turns, *, reentrant: bool) -> None:
        self._reentrant = reentrant
        self._count = 0
        self.owner: int | None = None
        self.name = turns.lock_made()

    def _taken(self) -> bool:
        return self.owner is not None and not (self._reentrant and self.owner == _here.me)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - the signature of threading.Lock
        turns = _here.turns
        if turns is not None:
            turns.lock_wanted(self)
        while self._taken():
            # Where nobody hands out turns this is the only thread that runs: waiting is no use.
            if not blocking or turns is None:
                return False
            if not turns.lock_awaited(self, patient=timeout < 0):
                return False
        self.owner = _here.me
        self._count += 1
        if turns is not None:
            turns.lock_changed(self)
        return True

    def release(self) -> None:
        if self.owner is None:
            raise RuntimeError("release unlocked lock")
        if self._reentrant and self.owner != _here.me:
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self.owner = None
        if _here.turns is not None:
            _here.turns.lock_changed(self)

    def locked(self) -> bool:
        return self.owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    # What threading.Condition asks of an RLock.

    def _is_owned(self) -> bool:
        return self.owner is not None and self.owner == _here.me

    def _release_save(self) -> tuple[int, int | None]:
        saved = self._count, self.owner
        self._count = 1
        self.release()
        return saved

    def _acquire_restore(self, saved: tuple[int, int | None]) -> None:
        self.acquire()
        self._count, self.owner = saved
