"""What is noted of a run beside its history and trace: steps, locks held, and a call made to fail.

Judging needs none of it; a diagnosis does. See `harness.isolation.staging` for when it is noted.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any, Final

from harness.disk import Hooks, Process, Verdict
from harness.disk.calls import CALLS
from harness.intercept import real
from harness.intercept.sync import SCHEDULED
from harness.isolation.runs import Failing, Run, Step
from harness.schedule.interleaving import Taken
from harness.schedule.locks import SimulatedLock
from harness.schedule.writer import Writer
from harness.trace import Record

__all__ = ["Notes", "calls_that_can_fail"]

_FAILS: Final = frozenset({
    "write", "pwrite", "writev", "pwritev", "mkdir", "rename", "link", "fsync", "fdatasync",
})  # fmt: skip


class Notes(Hooks):
    """Notes what a diagnosis asks for, and lets a call fail.

    Args:
        failing: The call that fails.

    Attributes:
        steps: System calls and locks taken, in order.
        struck: The writer whose call has failed, and the turn in which it did.
    """

    def __init__(self, failing: Failing | None = None) -> None:
        self.steps: list[Step] = []
        self.struck: tuple[int, int] | None = None
        self._failing = failing
        self._calls = 0
        self._turns = 0
        self._held: dict[int, dict[object, str]] = {}
        self._last: dict[int, tuple[Process, str, dict[str, Any]]] = {}
        self._locks: dict[SimulatedLock, str] = {}
        self._opening: tuple[Step, Process, set[int]] | None = None

    # -- what the scheduler and the disk tell ----------------------------------------------------

    def turned(self, writer: Writer, taken: Taken) -> None:
        """Note a turn; see `harness.schedule.engine.Engine`."""
        self._turns += 1
        self._settle(writer.index)
        self._opened()
        point = writer.pending
        if taken.call != "acquire" and taken.call not in CALLS:
            return
        step = self._step(taken, self._turns)
        step.held = frozenset((
            *self._held.get(writer.index, {}).values(), *map(self._name, writer.locks)
        ))  # fmt: skip
        details = point.details
        if details is not None:
            step.exclusive = taken.call == "open" and bool(details["flags"] & os.O_EXCL)
            step.fails = _can_fail(taken.call, details)
            self._last[writer.index] = writer.process, taken.call, details
            if taken.call == "open":
                self._opening = step, writer.process, set(writer.process.fds)
        self.steps.append(step)

    @staticmethod
    def pending(taken: Taken) -> Step:
        """Make a step of a turn that is never taken, or taken for ever."""
        return Notes._step(taken, 1 << 30)

    @staticmethod
    def _step(taken: Taken, number: int) -> Step:
        text = f"{taken.call}({', '.join(map(repr, taken.paths))})"
        return Step(number, taken.writer, taken.call, taken.paths, taken.ino, taken.at, text=text)

    def before(self, process: Process, call: str, **details: Any) -> Verdict | None:
        del process
        failing = self._failing
        writer = SCHEDULED.get(real.thread.get_ident())
        if (
            failing is None
            or not isinstance(writer, Writer)
            or writer.index != failing.writer
            or not _can_fail(call, details)
        ):
            return None
        self._calls += 1
        if self._calls != failing.call:
            return None
        self.struck = writer.index, len(writer.engine.transcript.steps)
        if self.steps:
            self.steps[-1].struck = True
        code = errno.EIO if call in ("fsync", "fdatasync", "close") else errno.ENOSPC
        raise OSError(code, os.strerror(code))

    def record(self, record: Record) -> None:
        del record
        if self.steps and self.steps[-1].number == self._turns:
            self.steps[-1].changes = True

    # -- locks -----------------------------------------------------------------------------------

    def _name(self, lock: SimulatedLock) -> str:
        """Name a lock: two that one line makes are two."""
        return self._locks.setdefault(lock, f"{lock}, number {len(self._locks) + 1}")

    def _opened(self) -> None:
        """Note which descriptor the turn before opened, if it did."""
        if self._opening is not None:
            step, process, before = self._opening
            step.opened = min(process.fds.keys() - before, default=None)
            self._opening = None

    def _settle(self, writer: int) -> None:
        """Note which locks a writer's last call got or left."""
        last = self._last.pop(writer, None)
        if last is None:
            return
        process, call, details = last
        held = self._held.setdefault(writer, {})
        if call == "flock":
            description = process.fds.get(details["fd"])
            table = None if description is None else description.node.locks
            if table is not None and description in table.flocks:
                held[details["fd"]] = f"{details['paths'][0]}#{details['ino']}"
            else:
                held.pop(details["fd"], None)
        elif call == "posix_lock":
            if details["kind"] == fcntl.F_UNLCK:
                held.pop(details["fd"], None)
            else:
                held[details["fd"]] = f"{details['paths'][0]}#{details['ino']} (record)"
        elif call == "close":
            held.pop(details["fd"], None)


def _can_fail(call: str, details: dict[str, Any]) -> bool:
    return call in _FAILS or (call == "open" and bool(details["flags"] & os.O_CREAT))


def calls_that_can_fail(run: Run, writer: int) -> int:
    """Count the calls of a writer that can be made to fail."""
    return sum(step.fails for step in run.steps if step.writer == writer)
