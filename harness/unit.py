"""One unit of work: one workload, run once, judged under every profile asked for.

Units are independent of each other and return plain data, so that any number of processes can share
them out and the merged result does not depend on who did what.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness import __version__
from harness.coverage import Coverage
from harness.diagnose import diagnose
from harness.errors import SimulationError
from harness.examine import examine
from harness.finding import Candidate, candidate, merge
from harness.guarantees import INJECTED, RACED, place_of
from harness.history import record
from harness.injected import Amount
from harness.injecting import inject, inject_in_recovery
from harness.intercept import rerouted
from harness.isolation.races import Race, is_drawn
from harness.isolation.racing import HELD, Bounds, judge_race, of_drawn
from harness.meter import Meter
from harness.ops import Workload
from harness.persistence import Model
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.schedule.fresh import fresh
from harness.sightings import Sightings
from harness.subjects import Subject

__all__ = ["Depth", "UnitResult", "merge", "run_unit"]


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep to look.

    Attributes:
        budget: Sets of effects visited for one trace under one profile before sampling.
        mixed: Whether to judge power cuts after a kill as well.
        faults: How many of the other faults to inject; see `harness.injected.Amount`.
        compound: How many crash states to look at where a fault comes with a crash; see there.
        only: Faults to inject, as text, and nothing else; none means all.
        preemptions: Interruptions of a writer in a race; see `harness.isolation.racing.Bounds`.
        cut: The same where the power is cut.
        struck: The same where a writer is killed or a call fails; None for neither.
        samples: Schedules of a race drawn beyond that.
    """

    budget: int
    mixed: bool
    faults: int = 1500
    compound: int = 0
    only: tuple[str, ...] = ()
    preemptions: int = 2
    cut: int = 1
    struck: int | None = 0
    samples: int = 0


@dataclass(slots=True)
class UnitResult:
    """What one unit found.

    Attributes:
        coverage: For each profile.
        candidates: Causes, each once.
        executed: Recoveries run.
        reused: Recoveries that an earlier one stood for.
        notes: What a reader of the report should know.
        judged: Crash states judged.
        errors: For each profile that could not be judged, or guarantee, why.
        injected: Coverage by faults other than crashes, for each guarantee that is about them.
        stopped: Where it was when its time was up, in words; None if it came to its end.
        unfinished: Profiles, and guarantees about other faults than crashes, that were not judged
            to the end because of it.
    """

    coverage: dict[str, Coverage] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    executed: int = 0
    reused: int = 0
    notes: set[str] = field(default_factory=set)
    judged: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    injected: dict[str, Coverage] = field(default_factory=dict)
    stopped: str | None = None
    unfinished: list[str] = field(default_factory=list)


def run_unit(
    subject: Subject,
    workload: Workload,
    models: tuple[Model, ...],
    guarantees: frozenset[str],
    depth: Depth,
    *,
    seed: int,
    meter: Meter | None = None,
) -> UnitResult:
    """Run one workload and judge it.

    Args:
        subject: The store.
        workload: What to do with it.
        models: The persistence models.
        guarantees: Which promises to judge.
        depth: How deep to look.
        seed: Of the simulated machines and of any sampling.
        meter: Says when to stop; what was found by then is in the result.

    Raises:
        BaselineError: The store misbehaves without any fault.
    """
    if isinstance(workload, Race):
        return _raced(
            subject, workload, models, guarantees, depth, seed=seed, meter=meter or Meter()
        )
    guarantees -= {RACED}
    result, meter = UnitResult(), meter or Meter()
    # What is left to do, by the name that its coverage has.
    crashing = guarantees - set(INJECTED) and not depth.only
    crashes = [model.name for model in models] if crashing else []
    injections = [name for name in INJECTED if name in guarantees]
    parts = max(len(crashes) + len(injections), 1)
    with rerouted(), quiet(workload.stored_bytes), fresh(subject):
        recording = record(subject, workload, seed=seed)
        prober = Prober(
            subject,
            workload.keys,
            seed=seed,
            follow="recovery" in guarantees,
            writes=follow_values(subject, workload),
        )
        amount = Amount(depth.faults, depth.compound, depth.only)
        for number, model in enumerate(models if crashes else ()):
            meter.begin(f"under {model.name}", number / parts, (number + 1) / parts)
            if meter.over():
                break
            try:
                coverage, sightings = examine(
                    recording,
                    model,
                    prober,
                    budget=depth.budget,
                    mixed=depth.mixed,
                    meter=meter,
                )
                found = _diagnose_all(sightings, guarantees)
                result.candidates = merge(result.candidates, found)
            except SimulationError as error:
                result.errors[model.name] = " ".join(str(error).split())
                continue
            result.coverage[model.name] = coverage
            result.judged += coverage.judged
            meter.found(len(result.candidates))
            if meter.where is None:
                crashes.remove(model.name)
        result.executed, result.reused = prober.executed, prober.reused
        if depth.only:
            result.coverage = {model.name: Coverage(workloads=1) for model in models}
        crashed = [name for name in result.coverage if name not in crashes]
        if "recovery" in guarantees:
            meter.begin("at faults during recovery", len(crashed) / parts, len(crashed) / parts)
            judged = tuple(model for model in models if model.name in result.coverage)
            try:
                more = inject_in_recovery(recording, judged, amount, result.coverage, meter)
                result.candidates = merge(result.candidates, more.candidates)
                prober.executed += more.executed
                result.executed = prober.executed
            except SimulationError as error:
                result.errors |= dict.fromkeys(result.coverage, " ".join(str(error).split()))
            if meter.where is not None:
                crashes += crashed
        for number, guarantee in enumerate(tuple(injections), parts - len(injections)):
            meter.begin(f"at faults for {guarantee}", number / parts, (number + 1) / parts)
            if meter.over():
                break
            injected = inject(recording, models, frozenset({guarantee}), amount, meter)
            result.candidates = merge(result.candidates, injected.candidates)
            result.injected |= injected.coverage
            result.executed += injected.executed
            result.errors |= injected.errors
            meter.found(len(result.candidates))
            if meter.where is None:
                injections.remove(guarantee)
        result.notes.update(recording.unmodelled)
        if prober.distrust is not None:
            result.notes.add(prober.distrust)
    meter.found(len(result.candidates))
    meter.end()
    if meter.where is not None:
        late = [model.name for model in models if model.name in crashes]
        result.stopped, result.unfinished = meter.where, [*late, *injections]
    return result


def _raced(
    subject: Subject,
    race: Race,
    models: tuple[Model, ...],
    guarantees: frozenset[str],
    depth: Depth,
    *,
    seed: int,
    meter: Meter,
) -> UnitResult:
    """Judge a race."""
    result = UnitResult()
    bounds = Bounds(depth.preemptions, depth.cut, depth.struck, depth.budget, samples=depth.samples)
    if is_drawn(race):
        bounds = of_drawn(bounds)
    meter.begin("in turns", 0, 1)
    with rerouted(), quiet(race.stored_bytes):
        found = judge_race(
            subject,
            race,
            models,
            bounds,
            seed=seed,
            claims=subject.guarantees,
            over=meter.over,
            judged=guarantees,
        )
    places = {model.name: place_of(RACED, model.name) for model in models}
    result.coverage = {places[name]: part for name, part in found.coverage.items()}
    result.candidates = found.candidates
    counted = {} if found.counted is None else {HELD: found.counted}
    result.injected = counted
    result.executed, result.reused, result.judged = found.executed, found.reused, found.judged
    if found.error is not None:
        result.errors = dict.fromkeys(places.values(), found.error)
    meter.found(len(result.candidates))
    meter.end()
    if meter.where is not None:
        result.stopped, result.unfinished = meter.where, [*places.values(), *counted]
    return result


def _diagnose_all(sightings: Sightings, guarantees: frozenset[str]) -> list[Candidate]:
    """Diagnose the simplest violations of each sort."""
    found: list[Candidate] = []
    for total, group in sightings.sorts(guarantees):
        for number, sighting in enumerate(group):
            one = candidate(sighting, diagnose(sighting), __version__)
            # All that were seen are counted once, for the simplest; the others count themselves.
            count = total - len(group) + 1 if number == 0 else 1
            one.profiles = dict.fromkeys(one.profiles, count)
            found = merge(found, [one])
    return found
