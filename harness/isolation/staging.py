"""Races on the scheduler's stage: one run of one, all of them within a bound, and a last look.

`harness.schedule` runs writers and explores their schedules; here a race is put on, and what comes
is told in the terms that races are judged in. Judging needs the history and the trace only. What a
diagnosis wants besides (the lines, the locks held) costs much more, so it is noted when a run is
done again: the same schedule gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from harness.disk import Machine
from harness.errors import SimulationError
from harness.history import DIRECTORY
from harness.image import BootSource
from harness.intercept import active, rerouted
from harness.isolation.notes import Notes
from harness.isolation.races import Race
from harness.isolation.runs import LATER, Detail, Failing, Run
from harness.linear import ABSENT_SAID, Done
from harness.live import attempt, perform_on
from harness.ops import Operation, read
from harness.schedule import ConcurrentWorkload, Exploration, Follow, Interleaving, Policy, Schedule
from harness.schedule.carriers import Carriers
from harness.schedule.run import Look, run_policy
from harness.subjects import MISSING, Raised, Session, Subject

__all__ = ["Stage", "run_race"]

_HUNG: Final = (
    "a writer never gets on, and makes no call that could be seen: it computes, or waits for a "
    "lock that was made when a module was imported, which processes on a real machine would not "
    "share"
)


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
