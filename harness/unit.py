"""One unit of work: one workload, run once, judged under every profile asked for.

Units are independent of each other and return plain data, so that any number of processes can share
them out and the merged result does not depend on who did what.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from harness import __version__
from harness.diagnose import diagnose
from harness.errors import SimulationError
from harness.examine import Coverage, Sighting, examine
from harness.explore import ImageKey
from harness.finding import Candidate, candidate
from harness.history import record
from harness.intercept import rerouted
from harness.ops import Workload
from harness.persistence import Model
from harness.quiet import quiet
from harness.recovery import Observation, Prober
from harness.subjects import Subject

__all__ = ["Depth", "UnitResult", "merge", "run_unit"]

_DIAGNOSED_MAX: Final = 3
"""Crash states diagnosed among those that break one promise about one key in one way."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep to look.

    Attributes:
        budget: Sets of effects visited for one trace under one profile before sampling.
        mixed: Whether to judge power cuts after a kill as well.
    """

    budget: int
    mixed: bool


@dataclass(slots=True)
class UnitResult:
    """What one unit found.

    Attributes:
        coverage: For each profile.
        candidates: Causes, each once.
        executed: Recoveries run.
        judged: Crash states judged.
        errors: For each profile that could not be judged, why.
    """

    coverage: dict[str, Coverage] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    executed: int = 0
    judged: int = 0
    errors: dict[str, str] = field(default_factory=dict)


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
        prober = Prober(subject, workload.keys, seed=seed, follow="recovery" in guarantees)
        observations: dict[ImageKey, Observation] = {}
        for model in models:
            try:
                coverage, sightings = examine(
                    recording,
                    model,
                    prober,
                    observations,
                    budget=depth.budget,
                    mixed=depth.mixed,
                )
                judged = [s for s in sightings if s.violation.guarantee in guarantees]
                result.candidates = merge(result.candidates, _diagnose_all(judged))
            except SimulationError as error:
                result.errors[model.name] = " ".join(str(error).split())
                continue
            result.coverage[model.name] = coverage
            result.judged += coverage.judged
            if progress is not None:
                progress(coverage.judged)
        result.executed = prober.executed
    return result


def _diagnose_all(sightings: list[Sighting]) -> list[Candidate]:
    """Sort violations by what they look like, and diagnose the simplest of each sort."""
    groups: dict[tuple[object, ...], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        violation = sighting.violation
        groups[
            violation.guarantee,
            violation.kind,
            violation.key,
            violation.concerns,
            violation.destroyed_by,
            sighting.nested is None,
            sighting.examination.kill_at is None,
        ].append(sighting)
    found: list[Candidate] = []
    for group in groups.values():
        group.sort(key=_losses)
        for number, sighting in enumerate(group[:_DIAGNOSED_MAX]):
            one = candidate(sighting, diagnose(sighting), __version__)
            # The whole group is counted once, for its simplest case; the others count themselves.
            count = len(group) - min(len(group), _DIAGNOSED_MAX) + 1 if number == 0 else 1
            one.profiles = dict.fromkeys(one.profiles, count)
            found = merge(found, [one])
    return found


def _losses(sighting: Sighting) -> tuple[int, int]:
    state = sighting.state
    return state.issued - state.offset - state.taken.bit_count(), state.first


def merge(found: list[Candidate], more: list[Candidate]) -> list[Candidate]:
    """Join two lists of causes; of equal ones keep the simplest case and add the counts up."""
    by_identity = {one.identity: one for one in found}
    for one in more:
        known = by_identity.get(one.identity)
        if known is None:
            by_identity[one.identity] = one
            continue
        kept, other = (one, known) if one.weight < known.weight else (known, one)
        for name, count in other.profiles.items():
            kept.profiles[name] = kept.profiles.get(name, 0) + count
        by_identity[one.identity] = kept
    return list(by_identity.values())
