"""Judging one race: every schedule within a bound, and crashes and failing calls in them.

In this order, each only where the ones before it did not break the same already:

1. every schedule with at most so many preemptions; nothing fails;
2. a power cut at every point of each of them, under each persistence model; where the recovery from
   it changes the disk, two processes recover at once, too;
3. a kill of one writer after each of its steps that left something behind, while the others go on;
4. one failing call of one writer, while another runs right before, or right after it.

In the first of these the descriptors are counted, too, that a process has left when all its
operations have returned: that is hygiene's (`harness.isolation.holding`), and stands by itself.

A store that cannot stand a crash, or a failing call, with nobody else about breaks another promise
(atomicity, durability, recovery, clean-failure). That is not held against its isolation: it is
tried without interleaving first, and what breaks then is left out of 2, 3 and 4, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from harness.coverage import Coverage
from harness.errors import BaselineError, SimulationError
from harness.finding import Candidate, merge
from harness.guarantees import RACED
from harness.history import Recording, record
from harness.image import Image
from harness.isolation.blame import Blame
from harness.isolation.crashing import CutResult, cut_power
from harness.isolation.holding import Holding, blamed
from harness.isolation.judging import judge_history
from harness.isolation.notes import calls_that_can_fail
from harness.isolation.races import Race
from harness.isolation.runs import Failing, Run
from harness.isolation.staging import Stage, run_race
from harness.isolation.telling import race_candidate
from harness.ops import Workload
from harness.persistence import Model
from harness.schedule import Run as Turns
from harness.schedule import Schedule
from harness.subjects import Raised, Subject
from harness.violation import Violation

__all__ = [
    "HELD",
    "Bounds",
    "RaceResult",
    "judge_race",
    "lock_left",
    "of_drawn",
    "prepared",
    "violations_of",
]


HELD: Final = "hygiene"
"""What descriptors that a race leaves open break."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far to look.

    Attributes:
        preemptions: Interruptions of a writer, in schedules in which nothing else goes wrong.
        cut: The same in schedules in which the power is cut, at every point.
        struck: The same in schedules with a kill or a failing call; None leaves those out.
        budget: Sets of effects visited for one trace under one model before sampling.
        schedules: Schedules of one race after which to stop.
        samples: Schedules drawn besides, with any number of preemptions.
        scope: Which races they are for, where not for all, as the beginning of a sentence.
    """

    preemptions: int
    cut: int
    struck: int | None
    budget: int
    schedules: int = 20_000
    samples: int = 0
    scope: str = ""

    def __str__(self) -> str:
        kills = (
            "no kills or failing calls"
            if self.struck is None
            else f"kills and failing calls in those with at most {self.struck}"
        )
        most = f"{self.preemptions} preemption{'s' * (self.preemptions != 1)}"
        return (
            f"{self.scope}every schedule with at most {most}; "
            f"power cuts in those with at most {self.cut}; {kills}"
            f"{f'; {self.samples} drawn with more' * (self.samples > 0)}"
        )


def of_drawn(bounds: Bounds) -> Bounds:
    """Give how far to look in a race that was drawn, which may have three writers or longer ones.

    What it costs grows with a power of its calls, the exponent being the preemptions: each of these
    would take minutes where a standing one takes seconds.
    """
    cut = min(bounds.cut, 1)
    struck = None if bounds.struck is None else 0
    if (cut, struck) == (bounds.cut, bounds.struck):
        return bounds
    return replace(bounds, cut=cut, struck=struck, scope="of drawn races ")


@dataclass(slots=True)
class RaceResult:
    """What judging one race came to.

    Attributes:
        coverage: For each model.
        candidates: Causes, each once.
        judged: Crash states judged.
        executed: Recoveries run, and schedules.
        reused: Recoveries that another one stood for.
        errors: Why the race could not be judged, if it could not.
        notes: What a reader of the report should know.
        counted: What was looked at for descriptors left open, where that was asked for.
    """

    coverage: dict[str, Coverage] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    judged: int = 0
    executed: int = 0
    reused: int = 0
    error: str | None = None
    notes: set[str] = field(default_factory=set)
    counted: Coverage | None = None


def prepared(subject: Subject, race: Race, *, seed: int) -> tuple[Image, dict[str, bytes]]:
    """Do what is done before a race; give the disk, and what the store holds then.

    Raises:
        BaselineError: The store cannot even do that, or not what each writer does, alone.
    """
    recording = record(subject, Workload(race.name, (), race.setup), seed=seed)
    return recording.base, recording.initial


class _Race:
    """One race on one store."""

    def __init__(
        self,
        subject: Subject,
        race: Race,
        models: tuple[Model, ...],
        bounds: Bounds,
        seed: int,
        over: Callable[[], bool],
        judged: Collection[str],
    ) -> None:
        self.judged = judged
        self.subject, self.race, self.models = subject, race, models
        self.bounds, self.seed, self.over = bounds, seed, over
        self.base, self.initial = prepared(subject, race, seed=seed)
        self.result = RaceResult()
        self.runs: list[Run] = []
        self.faults = 0
        self.exhaustive = True
        self.unknown: set[str] = set()
        self.holding = Holding(subject, race, self.base, seed)

    def perform(self, schedule: Schedule, failing: Failing | None = None) -> Run:
        self.result.executed += 1
        return run_race(
            self.subject, self.race, self.base, schedule, seed=self.seed, failing=failing
        )

    def explore(
        self,
        preemptions: int,
        *,
        kills: int = 0,
        crashes: bool = False,
        failing: Failing | None = None,
    ) -> Iterator[Run]:
        """Run every schedule within a bound, counting, until time is up."""
        stage = Stage(self.subject, self.race, self.base, seed=self.seed, failing=failing)
        search, runs = stage.explore(
            preemptions,
            kills=kills,
            crashes=crashes,
            budget=self.bounds.schedules,
            samples=0 if kills or crashes or failing else self.bounds.samples,
        )
        for run in runs:
            if self.over():
                self.exhaustive = False
                return
            self.result.executed += 1
            self.faults += run.complete
            yield run
        self.exhaustive = self.exhaustive and search.exhaustive

    def violations(self, run: Run) -> list[Violation]:
        found, unknown = violations_of(run, self.initial)
        self.unknown.update(unknown)
        return found

    def found(
        self,
        run: Run,
        violation: Violation,
        failing: Failing | None = None,
        blamed: Blame | None = None,
    ) -> None:
        one = race_candidate(
            self.subject,
            self.race,
            run,
            violation,
            profiles=[model.name for model in self.models],
            seed=self.seed,
            failing=failing,
            blamed=blamed,
        )
        self.result.candidates = merge(self.result.candidates, [one])

    # -- 1 -------------------------------------------------------------------------------------

    def plain(self, *, cuts: bool) -> bool:
        """Try every schedule; tell whether all is well.

        Args:
            cuts: Whether the power will be cut in them, too.
        """
        bounds, raced = self.bounds, RACED in self.judged
        well = True
        together = cuts and bounds.cut >= bounds.preemptions
        for run in self.explore(bounds.preemptions, crashes=together):
            broken = self.violations(run) if run.complete and raced else []
            if HELD in self.judged and run.complete:
                for leak in self.holding.suspected(run):
                    self.found(run, leak.violation, blamed=blamed(run))
            if broken and run.serial:
                raise BaselineError(
                    f"subject {self.subject.name}: race {self.race.name!r}: with each writer "
                    f"finishing before the next begins, {broken[0].observed}; no verdict on "
                    "concurrent writers is possible before that works"
                )
            for violation in broken:
                self.found(run, violation)
                well = False
            if together:
                self.runs.append(run)
        if HELD in self.judged:
            self.result.counted = Coverage(
                workloads=1,
                faults=self.faults,
                exhaustive=self.exhaustive,
                sampled=int(not self.exhaustive),
            )
        if cuts and not together and well:
            self.runs += self.explore(bounds.cut, crashes=True)
        return well

    # -- 3 -------------------------------------------------------------------------------------

    def kills(self, preemptions: int) -> str | None:
        """Kill a writer after each step that others can notice; say what cannot be told."""
        alone = stuck = 0
        doubt = None
        for killed in self.explore(preemptions, kills=1):
            if not killed.killed or not killed.complete:
                continue
            for violation in self.violations(killed):
                if killed.cycle is not None or lock_left(killed, violation):
                    self.found(killed, violation)
                    stuck += 1
                    if stuck >= _STUCK_MAX:
                        return doubt  # the point is made, and each takes long
                elif killed.serial:
                    alone += 1
                    doubt = f"a killed writer leaves {violation.observed}, without any race"
                elif not alone:
                    self.found(killed, violation)
        return doubt

    # -- 4 -------------------------------------------------------------------------------------

    def failures(self, preemptions: int) -> None:
        """Let one call of one writer fail while another runs next to it.

        Where preemptions are allowed, in every schedule with so many; else the other runs right
        before the call, or right after it.
        """
        for writer in range(len(self.race.writers)):
            first = _first(self.race, writer)
            sound = self.perform(first)
            for call in range(1, calls_that_can_fail(sound, writer) + 1):
                failing = Failing(writer, call)
                alone = self.perform(first, failing)
                if not alone.struck or self.over():
                    break
                self.faults += 1
                if alone.cycle is not None or self.violations(alone):
                    continue  # clean-failure's business
                for run in self._failing(alone, writer, failing, preemptions):
                    for violation in self.violations(run) if run.struck else ():
                        self.found(run, violation, failing)

    def _failing(
        self, alone: Run, writer: int, failing: Failing, preemptions: int
    ) -> Iterator[Run]:
        if preemptions:
            yield from (one for one in self.explore(preemptions, failing=failing) if one.complete)
            return
        place = next(step.number for step in alone.steps if step.writer == writer and step.struck)
        others = [one for one in range(len(self.race.writers)) if one != writer]
        for cut in (place - 1, place):
            for other in others:
                self.faults += 1
                yield self.perform(_cut(alone.order, cut, other), failing)


def _first(race: Race, writer: int) -> Schedule:
    """Let one writer do all it has to before the others."""
    main = (Turns(len(race.writers)),) if race.mode == "threads" else ()
    return Schedule((*main, Turns(writer)))


def _cut(order: Sequence[int], turns: int, other: int) -> Schedule:
    """Follow a schedule for so many turns; then let another writer go on."""
    return Schedule((*(Turns(one, 1) for one in order[:turns]), Turns(other, 1)))


def judge_race(
    subject: Subject,
    race: Race,
    models: tuple[Model, ...],
    bounds: Bounds,
    *,
    seed: int,
    claims: Collection[str] | None = None,
    over: Callable[[], bool] | None = None,
    judged: Collection[str] = (RACED,),
) -> RaceResult:
    """Judge one race.

    Args:
        subject: The store.
        race: Who does what.
        models: The persistence models.
        bounds: How far to look.
        seed: Of the simulated machines and of any sampling.
        claims: What the store promises about crashes; None for all. One that promises no atomicity
            is not crashed, and one that promises no durability may lose what it acknowledged.
        over: Says when to stop; what was found by then is in the result.
        judged: Guarantees: isolation; hygiene, as far as descriptors go, which takes the first
            step only.

    Raises:
        BaselineError: The store misbehaves without any interleaving.
    """
    one = _Race(subject, race, models, bounds, seed, over or _never, judged)
    result = one.result
    try:
        crashes = RACED in judged and (claims is None or "atomicity" in claims)
        well = one.plain(cuts=crashes)
        cuts: dict[str, CutResult] = {}
        doubt = None
        if well and crashes and not one.over():
            recording = Recording(subject, race, one.base, one.initial, [], [], seed)
            cuts = cut_power(
                recording,
                [run for run in one.runs if run.preemptions <= bounds.cut],
                models,
                budget=bounds.budget,
                durable=subject.sync is None and (claims is None or "durability" in claims),
            )
            for cut in cuts.values():
                result.candidates = merge(result.candidates, cut.candidates)
        if well and bounds.struck is not None and RACED in judged:
            if crashes and race.mode == "processes":
                doubt = one.kills(bounds.struck)
            if claims is None or "clean-failure" in claims:
                one.failures(bounds.struck)
    except SimulationError as error:
        result.error = " ".join(str(error).split())
        return result
    for model in models if RACED in judged else ():
        coverage = result.coverage[model.name] = Coverage(
            workloads=1, faults=one.faults, exhaustive=one.exhaustive, bound=str(bounds)
        )
        known = cuts.get(model.name)
        if known is not None:
            coverage.add(known.coverage)
            result.judged += known.coverage.judged
            result.executed += known.executed
            result.reused += known.reused
        if doubt is not None:
            coverage.doubt = coverage.doubt or doubt
        if one.unknown:
            names = ", ".join(map(repr, sorted(one.unknown)))
            coverage.doubt = f"the history of key {names} was too long to judge"
        coverage.sampled = int(not coverage.exhaustive)
    return result


def _never() -> bool:
    return False


def violations_of(run: Run, initial: dict[str, bytes]) -> tuple[list[Violation], list[str]]:
    """Judge one run without a power cut.

    Returns:
        What it breaks, and the keys for which the search gave up.
    """
    if run.cycle is not None:
        waits = run.stuck or "deadlock"
        return [
            Violation("isolation", waits, "unavailable", None, run.cycle, ("everybody gets on",), 0)
        ], []
    return judge_history(run.history, initial, excused=_excused(run))


def _excused(run: Run) -> set[int]:
    """Whom a fault struck may raise, then and later."""
    struck = {done.writer: done.number for done in run.history if done.number in run.struck}
    return {
        done.number
        for done in run.history
        if done.writer in struck and done.number >= struck[done.writer]
    }


_STUCK_MAX: Final = 3
"""Runs in which a dead writer keeps the living out, after which no more are tried."""


def lock_left(run: Run, violation: Violation) -> bool:
    """Tell whether an operation gave up at a lock file that a dead writer had made."""
    done = next((one for one in run.history if one.number == violation.concerns), None)
    if done is None or not isinstance(done.answer, Raised):
        return False
    made = {
        name
        for step in run.steps
        if step.writer in run.killed and step.exclusive and step.changes
        for name in step.names
    }
    return any(
        step.exclusive and not step.changes and made.intersection(step.names)
        for step in run.steps
        if step.operation == done.number
    )
