"""Random orders of a race too large to try them all: who goes on, who is killed, when power goes.

Each order is drawn from a text of its own, so one of them can be drawn again without the others:
half of them by probabilistic concurrency testing, which finds what takes few switches at the right
places, half evenly among those who can go on. What breaks is judged, and told, as of a race whose
orders were all tried (`harness.isolation.racing`); so is what is not held against isolation: what a
crash breaks though nobody was interrupted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.errors import BaselineError
from harness.finding import Candidate, merge
from harness.history import Recording
from harness.isolation.crashing import cut_power
from harness.isolation.races import Race
from harness.isolation.racing import lock_left, prepared, violations_of
from harness.isolation.runs import Run
from harness.isolation.staging import Stage
from harness.isolation.telling import race_candidate
from harness.persistence import Model
from harness.schedule import PCT, Follow, Kill, Policy, Schedule, Uniform
from harness.schedule import Run as Turns
from harness.schedule.policy import Choice, Moment
from harness.subjects import Subject
from harness.violation import Violation
from harness.workloads import SeededChooser

__all__ = ["Sampled", "sample_race"]

_DEPTH_MAX: Final = 6
_KILLED_ONE_IN: Final = 3
_CUT_MAX: Final = 4
"""Orders of one race in which the power goes at every point."""


@dataclass(slots=True)
class Sampled:
    """What random orders of one race came to.

    Attributes:
        candidates: Causes.
        orders: Orders in which somebody was interrupted.
        kills: Writers killed in them.
        cuts: Points at which the power went.
        judged: Crash states judged.
        executed: Recoveries run, and orders.
        reused: Recoveries that another one stood for.
        signs: What each order saw, in words, by its number.
        found: Ids of the causes that each order showed.
        unknown: Keys whose history was too long to judge.
        doubt: What a crash breaks with nobody interrupted, and is not held against the rest.
    """

    candidates: list[Candidate] = field(default_factory=list)
    orders: int = 0
    kills: int = 0
    cuts: int = 0
    judged: int = 0
    executed: int = 0
    reused: int = 0
    signs: dict[int, set[str]] = field(default_factory=dict)
    found: dict[int, set[str]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    doubt: str | None = None


class _Killing:
    """A policy in which one writer dies once it has had so many turns."""

    def __init__(self, inner: Policy, writer: int, turns: int) -> None:
        self._inner, self._writer, self._left = inner, writer, turns

    def choose(self, moment: Moment) -> Choice:
        if self._left == 0 and moment.engine.is_alive(self._writer):
            self._left = -1
            return Kill(self._writer)
        chosen = self._inner.choose(moment)
        self._left -= chosen == self._writer and self._left > 0
        return chosen


def sample_race(
    subject: Subject,
    race: Race,
    models: Sequence[Model],
    numbers: Sequence[int],
    *,
    draw: str,
    seed: int,
    budget: int,
    claims: Collection[str] | None = None,
    profiles: Sequence[str] = (),
) -> Sampled:
    """Run a race in random orders, and judge them.

    Args:
        subject: The store.
        race: Who does what.
        models: Persistence models to cut the power under.
        numbers: Of the orders.
        draw: What each order is drawn from, with its number.
        seed: Of the simulated machines.
        budget: Sets of effects visited for one trace under one model before sampling.
        claims: What the store promises; None for all. See `harness.isolation.racing.judge_race`.
        profiles: All persistence models of the run: what takes no power cut shows under each.

    Raises:
        BaselineError: The store misbehaves with each writer finishing before the next begins.
        SimulationError: It does what the simulated machine cannot represent.
    """
    return _Sampling(subject, race, seed, profiles or [one.name for one in models], claims).run(
        numbers, draw, models, budget
    )


class _Sampling:
    def __init__(
        self,
        subject: Subject,
        race: Race,
        seed: int,
        profiles: Sequence[str],
        claims: Collection[str] | None,
    ) -> None:
        self.subject, self.race, self.seed, self.profiles = subject, race, seed, profiles
        self.base, self.initial = prepared(subject, race, seed=seed)
        self.stage = Stage(subject, race, self.base, seed=seed)
        self.result = Sampled()
        self.known: set[tuple[str, str | None]] = set()
        self.crashes = claims is None or "atomicity" in claims
        self.durable = subject.sync is None and (claims is None or "durability" in claims)

    def run(
        self, numbers: Sequence[int], draw: str, models: Sequence[Model], budget: int
    ) -> Sampled:
        result = self.result
        serial = [self._serial(writer) for writer in range(len(self.race.writers))]
        cut: list[Run] = []
        for number in numbers:
            chooser = SeededChooser(f"{draw}/order/{number}")
            policy, dying = self._policy(chooser, f"{draw}/order/{number}/turns", serial)
            run = self.stage.draw(policy)
            result.executed += 1
            result.orders += not run.serial
            result.kills += len(run.killed)
            signs = result.signs[number] = _signs(run)
            broken = self._violations(run)
            if broken and dying is not None and run.killed and not self._raced(run, broken):
                continue
            for violation in broken:
                name = self._found(run, violation)
                if name is not None:
                    result.found.setdefault(number, set()).add(name)
                signs.add(f"race:{violation.kind}")
            if not broken and not run.killed and not run.serial and len(cut) < _CUT_MAX:
                cut.append(run)
        if cut and self.crashes and not result.candidates and models:
            self._cut(serial, cut, models, budget)
        return result

    def _serial(self, writer: int) -> Run:
        """Let each writer finish before the next begins, beginning with one of them."""
        main = (Turns(len(self.race.writers)),) if self.race.mode == "threads" else ()
        run = self.stage.draw(Follow(Schedule((*main, Turns(writer)))))
        broken = self._violations(run)
        if broken and run.serial:
            raise BaselineError(
                f"subject {self.subject.name}: several writers ({self.race.mode}): with each "
                f"finishing before the next begins, {broken[0].observed}; no verdict on "
                "concurrent writers is possible before that works"
            )
        return run

    def _policy(
        self, chooser: SeededChooser, text: str, serial: Sequence[Run]
    ) -> tuple[Policy, int | None]:
        turns = max(len(run.order) for run in serial)
        policy: Policy = (
            PCT(text, turns, chooser.integer(2, _DEPTH_MAX))
            if chooser.integer(0, 1)
            else Uniform(text)
        )
        processes = self.race.mode == "processes"
        if not (processes and self.crashes and chooser.integer(1, _KILLED_ONE_IN) == 1):
            return policy, None
        dying = chooser.integer(0, len(self.race.writers) - 1)
        own = serial[dying].order.count(dying)
        return _Killing(policy, dying, chooser.integer(1, max(own - 1, 1))), dying

    def _violations(self, run: Run) -> list[Violation]:
        found, unknown = violations_of(run, self.initial)
        self.result.unknown.update(unknown)
        return found

    def _raced(self, run: Run, broken: Sequence[Violation]) -> bool:
        """Tell whether what a dead writer left breaks more where it was interrupted before."""
        if run.cycle is not None or any(lock_left(run, one) for one in broken):
            return True
        for dead in run.killed:
            # The same death, with that writer first, and with it last.
            own = run.order.count(dead)
            others = [one for one in range(len(self.race.writers)) if one != dead]
            for schedule in (
                Schedule((Turns(dead, own), Kill(dead))) if own else Schedule((Kill(dead),)),
                Schedule((*map(Turns, others), *((Turns(dead, own),) * bool(own)), Kill(dead))),
            ):
                alone = self._violations(self.stage.draw(Follow(schedule)))
                if alone:
                    self.result.doubt = (
                        f"a killed writer leaves {alone[0].observed}, without any race"
                    )
                    return False
        return True

    def _found(self, run: Run, violation: Violation) -> str | None:
        about = violation.kind, violation.key
        if about in self.known:
            return None
        self.known.add(about)
        one = race_candidate(
            self.subject, self.race, run, violation, profiles=self.profiles, seed=self.seed
        )
        self.result.candidates = merge(self.result.candidates, [one])
        return one.id

    def _cut(
        self, serial: Sequence[Run], raced: Sequence[Run], models: Sequence[Model], budget: int
    ) -> None:
        recording = Recording(self.subject, self.race, self.base, self.initial, [], [], self.seed)
        runs = [run for run in serial if run.serial]
        found = cut_power(
            recording, [*runs, *raced], tuple(models), budget=budget, durable=self.durable
        )
        result = self.result
        for cut in found.values():
            result.cuts += cut.coverage.faults
            result.judged += cut.coverage.judged
            result.executed += cut.executed
            result.reused += cut.reused
            result.doubt = result.doubt or cut.coverage.doubt
            result.candidates = merge(result.candidates, cut.candidates)


def _signs(run: Run) -> set[str]:
    """Say what kinds of call met each other in an order, and how it ended."""
    signs = set()
    last = None
    for record in run.records:
        kind = type(record).__name__
        if last is not None and last[0] != record.process:
            signs.add(f"switch:{last[1]}>{kind}")
        last = record.process, kind
    if run.killed:
        signs.add(f"race:killed:{run.stuck or 'on'}")
    return signs
