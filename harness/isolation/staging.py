"""Races on the scheduler's stage: one run of one, all of them within a bound, and a last look.

`harness.schedule` runs writers and explores their schedules; here a race is put on, and what comes
is told in the terms that races are judged in. Judging needs the history and the trace only. What a
diagnosis wants besides (the lines, the locks held) costs much more, so it is noted when a run is
done again: the same schedule gives the same bytes.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from typing import Any, Final, cast

from harness.disk import Hooks, Machine, Process, Verdict
from harness.disk.calls import CALLS
from harness.errors import SimulationError
from harness.history import DIRECTORY
from harness.image import BootSource
from harness.intercept import active, real, rerouted
from harness.intercept.sync import SCHEDULED
from harness.isolation.races import Race
from harness.isolation.runs import LATER, Detail, Failing, Run, Step
from harness.linear import ABSENT_SAID, Done
from harness.live import attempt, perform_on
from harness.ops import Operation, read
from harness.schedule import ConcurrentWorkload, Exploration, Follow, Interleaving, Policy, Schedule
from harness.schedule.carriers import Carriers
from harness.schedule.interleaving import Taken
from harness.schedule.locks import SimulatedLock
from harness.schedule.run import Look, run_policy
from harness.schedule.writer import Writer
from harness.subjects import MISSING, Raised, Session, Subject
from harness.trace import Record

__all__ = ["Stage", "calls_that_can_fail", "run_race"]

_HUNG: Final = (
    "a writer never gets on, and makes no call that could be seen: it computes, or waits for a "
    "lock that was made when a module was imported, which processes on a real machine would not "
    "share"
)

_FAILS: Final = frozenset({
    "write", "pwrite", "writev", "pwritev", "mkdir", "rename", "link", "fsync", "fdatasync",
})  # fmt: skip


class Stage:
    """Where one race is run, in one order or in all.

    Args:
        subject: The store.
        race: Who does what.
        base: The disk before.
        seed: Of the simulated machine.
        failing: A call that fails.
        look: Whether a new process opens the store at the end, and reads and lists everything.
    """

    def __init__(
        self,
        subject: Subject,
        race: Race,
        base: BootSource,
        *,
        seed: int = 0,
        failing: Failing | None = None,
        look: bool = True,
    ) -> None:
        self.subject, self.race, self.base, self.seed = subject, race, base, seed
        self.failing = failing
        ending = tuple(map(read, race.keys)) if look and race.mode == "threads" else ()
        self._workload = ConcurrentWorkload(
            race.name, race.writers, race.setup, race.mode, ending=ending
        )
        self._look: Look | None = self._look_at if look else None
        self._notes: Notes | None = None

    def run(self, policy: Schedule | Policy) -> Run:
        """Run once.

        Args:
            policy: The schedule, or what decides.

        Raises:
            SimulationError: The store did something the simulated machine cannot stand in for.
            HarnessError: The harness failed.
        """
        found, notes = self._perform(policy)
        run = self._told(found, notes)
        run.again = lambda: self._detail(found, notes)
        return run

    def draw(self, policy: Policy) -> Run:
        """Run once, and note no more than a judge needs: what else is asked, a second run tells.

        Args:
            policy: What decides.
        """
        return self._told(self._let(policy, None), None)

    def explore(
        self,
        preemptions: int,
        *,
        kills: int = 0,
        crashes: bool = False,
        budget: int,
        samples: int = 0,
    ) -> tuple[Exploration, Iterator[Run]]:
        """Run every schedule within a bound; see `Exploration`.

        Args:
            preemptions: Interruptions of a writer that could go on, at most.
            kills: Writers that die, at most.
            crashes: Whether crash states on the way will be looked at.
            budget: Runs, at most.
            samples: Runs drawn beyond the bound or the budget.

        Returns:
            What tells how far it came, and the runs, those with the fewest preemptions first.
        """
        search = Exploration(
            self.subject,
            self._workload,
            base=self.base,
            seed=self.seed,
            preemptions=preemptions,
            kills=kills,
            budget=budget,
            samples=samples,
            crashes=crashes,
            look=self._look,
            hooks=None if self.failing is None else self._noting,
        )
        return search, (self._told(found, self._notes) for found in search)

    def _noting(self) -> Notes:
        self._notes = Notes(self.failing)
        return self._notes

    # -- one run -------------------------------------------------------------------------------

    def _perform(self, schedule: Schedule | Policy) -> tuple[Interleaving, Notes]:
        notes = Notes(self.failing)
        policy = Follow(schedule) if isinstance(schedule, Schedule) else schedule
        found = self._let(policy, notes)
        if isinstance(policy, Follow):
            found.diverged = policy.diverged
        return found, notes

    def _let(self, policy: Policy, notes: Notes | None) -> Interleaving:
        """Let a policy decide; with notes, everything that a person may ask is noted."""
        with rerouted(), Carriers() as carriers:
            found, _ = run_policy(
                self.subject,
                self._workload,
                policy,
                carriers,
                base=self.base,
                seed=self.seed,
                hooks=notes,
                frames=notes is not None,
                turned=None if notes is None else notes.turned,
                look=self._look,
            )
        return found

    def _again(self, taken: Schedule) -> Detail:
        found, notes = self._perform(taken)
        return self._detail(found, notes)

    def _detail(self, found: Interleaving, notes: Notes) -> Detail:
        _place(notes.steps, found)
        waiting = () if found.stuck is None else tuple(map(notes.pending, found.stuck.pending))
        _place(waiting, found)
        return Detail(notes.steps, waiting, found.records, found.shortest)

    def _told(self, found: Interleaving, notes: Notes | None) -> Run:
        if found.stuck is not None and found.stuck.kind == "hung":
            raise SimulationError(_HUNG)
        main = len(self.race.writers) if self.race.mode == "threads" else None
        history = [_done(event, main) for event in found.events]
        if found.after is not None:
            history += cast("list[Done]", found.after)
        run = Run(
            found.taken,
            history,
            found.records,
            _ticks(found),
            tuple(step.writer for step in found.steps),
            stuck=None if found.stuck is None else found.stuck.kind,
            cycle=None if found.stuck is None else "; ".join(found.stuck.waits),
            killed=frozenset(found.killed),
            main=main,
            complete=found.complete,
            held=tuple(event.held for event in found.events),
            again=lambda: self._again(found.taken),
        )
        if notes is not None and notes.struck is not None:
            run.struck = frozenset(_operation(found, *notes.struck))
        return run

    # -- the last look -------------------------------------------------------------------------

    def _look_at(self, machine: Machine, subject: Subject, found: Interleaving) -> list[Done]:
        """Let a new process open the store, read every key, and list."""
        told: list[Done] = []
        first, tick = len(found.events), len(found.steps) + 1

        def ask(session: Session | None, operation: Operation) -> object:
            number = len(told)
            answer = attempt(subject, lambda: _do(subject, session, operation))
            kept = None if operation.kind == "open" and not isinstance(answer, Raised) else answer
            begun = tick + 2 * number
            told.append(
                Done(first + number, LATER, operation, begun, begun + 1, _said(operation, kept))
            )
            return answer

        process = machine.process()
        with active(process):
            opened = ask(None, Operation("open"))
            if not isinstance(opened, Raised):
                session = cast("Session", opened)
                for key in self.race.keys:
                    ask(session, Operation("read", key))
                if self.race.lists:
                    ask(session, Operation("list"))
                del session
            process.kill()
            del opened
        return told


def _do(subject: Subject, session: Session | None, operation: Operation) -> object:
    if operation.kind == "open":
        return subject.open(DIRECTORY)
    assert session is not None
    return perform_on(subject, session, operation)


def _said(operation: Operation, answer: object) -> object:
    return ABSENT_SAID if operation.kind == "delete" and answer is MISSING else answer


def _done(event: Any, main: int | None) -> Done:
    operation = event.operation
    # What the main thread reads when all others have ended is a later reader's.
    later = event.writer == main and operation.kind != "open"
    return Done(
        event.number,
        LATER if later else event.writer,
        operation,
        event.invoked,
        event.returned,
        _said(operation, event.answer),
    )


def _ticks(found: Interleaving) -> list[int]:
    """Give, for each call of the trace, the turn that made it."""
    ticks: list[int] = []
    for turn, step in enumerate(found.steps):
        ticks += [turn] * (step.records - len(ticks))
    return ticks + [len(found.steps)] * (len(found.records) - len(ticks))


def _place(steps: Any, found: Interleaving) -> None:
    """Say of each step which operation it is part of."""
    for step in steps:
        step.operation = next(_operation(found, step.writer, step.number), -1)


def _operation(found: Interleaving, writer: int, turn: int) -> Iterator[int]:
    """Give the operation that a writer was in at a turn, if it was in one."""
    return (
        event.number
        for event in found.events
        if event.writer == writer
        and event.invoked <= turn
        and (event.returned is None or turn <= event.returned)
    )


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


def run_race(
    subject: Subject,
    race: Race,
    base: BootSource,
    schedule: Schedule | Policy,
    *,
    seed: int = 0,
    failing: Failing | None = None,
    look: bool = True,
) -> Run:
    """Run a race in one order, then look at what it left; see `Stage`."""
    return Stage(subject, race, base, seed=seed, failing=failing, look=look).run(schedule)
