"""One unit of work: one workload, run once, judged under every profile asked for.

Units are independent of each other and return plain data, so that any number of processes can share
them out and the merged result does not depend on who did what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness import __version__
from harness.diagnose import diagnose
from harness.errors import SimulationError
from harness.examine import Coverage, Sightings, examine
from harness.finding import Candidate, candidate, merge
from harness.history import record
from harness.injecting import inject
from harness.intercept import rerouted
from harness.ops import Workload
from harness.oracle import INJECTED
from harness.persistence import Model
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.subjects import Subject

__all__ = ["Depth", "UnitResult", "merge", "run_unit"]


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep to look.

    Attributes:
        budget: Sets of effects visited for one trace under one profile before sampling.
        mixed: Whether to judge power cuts after a kill as well.
        faults: How many of the other faults to inject; see `harness.injecting.inject`.
    """

    budget: int
    mixed: bool
    faults: int = 1500


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
    """

    coverage: dict[str, Coverage] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    executed: int = 0
    reused: int = 0
    notes: set[str] = field(default_factory=set)
    judged: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    injected: dict[str, Coverage] = field(default_factory=dict)


def run_unit(
    subject: Subject,
    workload: Workload,
    models: tuple[Model, ...],
    guarantees: frozenset[str],
    depth: Depth,
    *,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> UnitResult:
    """Run one workload and judge it.

    Args:
        subject: The store.
        workload: What to do with it.
        models: The persistence models.
        guarantees: Which promises to judge.
        depth: How deep to look.
        seed: Of the simulated machines and of any sampling.
        progress: Called after each profile with the crash states judged in it.

    Raises:
        BaselineError: The store misbehaves without any fault.
    """
    result = UnitResult()
    with rerouted(), quiet():
        recording = record(subject, workload, seed=seed)
        prober = Prober(
            subject,
            workload.keys,
            seed=seed,
            follow="recovery" in guarantees,
            writes=follow_values(subject, workload),
        )
        for model in models if guarantees - set(INJECTED) else ():
            try:
                coverage, sightings = examine(
                    recording,
                    model,
                    prober,
                    budget=depth.budget,
                    mixed=depth.mixed,
                )
                found = _diagnose_all(sightings, guarantees)
                result.candidates = merge(result.candidates, found)
            except SimulationError as error:
                result.errors[model.name] = " ".join(str(error).split())
                continue
            result.coverage[model.name] = coverage
            result.judged += coverage.judged
            if progress is not None:
                progress(coverage.judged)
        result.executed, result.reused = prober.executed, prober.reused
        if guarantees & set(INJECTED):
            injected = inject(recording, models, guarantees, depth.faults)
            result.candidates = merge(result.candidates, injected.candidates)
            result.injected, result.executed = (
                injected.coverage,
                prober.executed + injected.executed,
            )
            result.errors |= injected.errors
        if prober.distrust is not None:
            result.notes.add(prober.distrust)
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
