"""The operating-system threads that writers run on, one at a time.

A writer that is switched to gets the *baton*: a lock that it waits on is released. Decisions are
made by whoever holds it, in its own thread, so going on costs no switch of threads at all; only a
real change of writers does, and a schedule has few of those.

Measured against greenlets (``python -m tests.benchmarks.schedules``): switching is cheaper there,
but it is a small part of a schedule, and one thread for all writers would share thread identities,
``threading.local`` and re-entrant locks between them. So threads it is, and no dependency.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Self

from harness.intercept import real

__all__ = ["Baton", "Carriers"]


class Baton:
    """What a thread waits for until it is its turn."""

    __slots__ = ("give", "take")

    def __init__(self) -> None:
        lock: Any = real.thread.allocate_lock()
        lock.acquire()
        self.give: Callable[[], None] = lock.release
        self.take: Callable[[], object] = lock.acquire


class _Carrier:
    def __init__(self) -> None:
        self.work: Callable[[], None] | None = None
        self.baton = Baton()
        self.idle = Baton()
        self.idle.give()
        self.thread = threading.Thread(target=self._loop, name="writer", daemon=True)
        self.thread.start()

    def _loop(self) -> None:
        while True:
            self.baton.take()
            work, self.work = self.work, None
            if work is None:
                return
            try:
                work()
            finally:
                self.idle.give()


class Carriers:
    """Threads kept for the next run: starting one costs more than many a schedule.

    A context manager: at its end the threads end, and are waited for.
    """

    def __init__(self) -> None:
        self._all: list[_Carrier] = []

    def provide(self, count: int) -> None:
        """Have so many threads. Not called by a writer: threads that it starts are its own."""
        while len(self._all) < count:
            self._all.append(_Carrier())

    def start(self, number: int, work: Callable[[], None]) -> None:
        """Let a thread begin.

        Args:
            number: Which one; it must have ended what it did before.
            work: What it does.
        """
        carrier = self._all[number]
        carrier.idle.take()
        carrier.work = work
        carrier.baton.give()

    def abandon(self) -> None:
        """Give up threads that never end: they are daemons, and no later run meets them."""
        self._all.clear()

    def close(self) -> None:
        """End the threads."""
        for carrier in self._all:
            carrier.baton.give()
        for carrier in self._all:
            carrier.thread.join()
        self._all.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
