"""A writer as the scheduler knows it: what it is about to do, and what it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.disk import Process
from harness.intercept import real
from harness.intercept.modulelocks import ModuleLock, module_lock
from harness.schedule.carriers import Baton
from harness.schedule.footprint import Footprint
from harness.schedule.locks import SimulatedLock, SimulatedRLock, made_here
from harness.schedule.schedule import writer_name
from harness.trace import Frame

if TYPE_CHECKING:
    from harness.schedule.engine import Engine

__all__ = ["Point", "Writer"]


@dataclass(slots=True)
class Point:
    """What a writer is about to do.

    Attributes:
        call: Name of the system call, or ``invoke``, ``acquire``, ``release``, ``start``, ``exit``.
        paths: What it is about.
        ino: The descriptor's inode.
        changes: Whether others may notice.
        details: For a system call, what `Hooks.before` was told.
        touches: For anything else, what it touches.
        extra: What else tells it from others for the order of operations.
        at: The subject's frames, where they are kept.
    """

    call: str
    paths: tuple[str, ...] = ()
    ino: int | None = None
    changes: bool = False
    details: dict[str, Any] | None = None
    touches: Footprint = ()
    extra: Callable[[], tuple[int, ...]] | None = None
    at: tuple[Frame, ...] = ()


class Writer:
    """One thread of execution under the scheduler.

    Attributes:
        index: Its number; `writer_name` gives the letter.
        process: Whose calls it makes.
        pending: What it is about to do.
        ready: Tells whether what it waits for is there; None if it does not wait.
        waiting: Says what it waits for.
        wake: Virtual time at which it stops sleeping, in nanoseconds; None if it does not sleep.
        polls: Sleeps in a row with nothing changed by anybody.
        begun: Whether it has run at all.
        finished: Whether it has ended.
        stop: Whether it has to unwind: whatever it tries raises Killed.
        ends_run: Whether the run lasts until it has ended; a store's own threads do not.
        joins: Whether it only waits for the end of the others: no part of a cycle.
        locks: The locks of ``threading`` that it holds.
        family: Number of the workload's writer that it is, or was started for.
    """

    def __init__(
        self,
        engine: Engine,
        index: int,
        process: Process,
        body: Callable[[Writer], None] | None,
        pending: Point,
    ) -> None:
        self.engine = engine
        self.index = self.family = index
        self.process = process
        self.body = body
        self.pending = pending
        self.ready: Callable[[], bool] | None = None
        self.waiting: Callable[[], str] = lambda: "nothing"
        self.wake: int | None = None
        self.polls = 0
        self.begun = self.finished = self.stop = False
        self.ends_run = True
        self.joins = False
        self.baton = Baton()
        self.reply: Baton | None = None
        self.looks: dict[Any, int] = {}
        self.looked_at = -1
        self.locks: list[SimulatedLock] = []
        self.thread: threading.Thread | None = None
        self.real_ident = 0

    @property
    def name(self) -> str:
        return writer_name(self.index)

    # -- what `harness.intercept.sync` asks ------------------------------------------------------

    def lock(self) -> Any:
        # One that an import makes outlives this run, and other processes will meet it.
        lock = module_lock(real.thread.allocate_lock)
        return lock if isinstance(lock, ModuleLock) else made_here(SimulatedLock)

    def rlock(self) -> Any:
        lock = module_lock(real.thread.RLock)
        return lock if isinstance(lock, ModuleLock) else made_here(SimulatedRLock)

    def own(self, lock: ModuleLock) -> SimulatedLock:
        return self.engine.own_lock(self.process, lock)

    def select(self, look: Callable[[], list[Any]], timeout: float | None) -> list[Any]:
        found = look()
        if found or (timeout is not None and timeout <= 0):
            return found
        self.engine.wait(
            self,
            Point("select"),
            lambda: bool(look()),
            lambda: "what its selector watches",
            timeout,
        )
        return look()

    def ident(self) -> int:
        return (self.process.pid << 16) + self.index

    def spawn(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.engine.spawn(self, function)

    def join(self, thread: threading.Thread, timeout: float | None) -> bool:
        other = self.engine.thread_of(thread)
        if other is None or other is self:
            return True
        point = Point("join", (f"thread {other.name}",), touches=((("thread", other.index), "r"),))
        return self.engine.wait(
            self,
            point,
            lambda: other.finished,
            lambda: f"the end of thread {other.name}",
            None if timeout is None else max(timeout, 0),
        )

    # -- what the simulated locks ask ------------------------------------------------------------

    def wait_for_lock(self, lock: SimulatedLock, *, blocking: bool, timeout: float) -> bool:
        point = Point(
            "acquire", (lock.made,), None, changes=True, touches=((("lock", id(lock)), "w"),)
        )
        if not blocking:
            self.engine.point(self, point)
            return not lock.depth
        return self.engine.wait(
            self,
            point,
            lambda: not lock.depth,
            lambda: f"{lock}, held by {lock.holder.name if lock.holder else 'nobody known'}",
            None if timeout < 0 else timeout,
        )

    def before_release(self, lock: SimulatedLock) -> None:
        point = Point(
            "release", (lock.made,), None, changes=True, touches=((("lock", id(lock)), "w"),)
        )
        self.engine.point(self, point)
