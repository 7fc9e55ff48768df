"""Syncs that nothing needs: each is taken out of every trace, and every crash state judged again.

The reverse of a fix. A line that syncs is called removable only if, without its calls, no workload
of the plan breaks a judged guarantee under any of its profiles, also in a power cut after a kill,
where what the successor syncs at that line is taken out as well. A line that acts while the store
is being opened is left alone: recovery relies on it in ways that one trace does not show.

The lines are judged one at a time: of two that stand for each other, either can go, not both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.diagnose import Site, site_at
from harness.edits import Change, dropped, edited
from harness.examine import examine
from harness.guarantees import INJECTED
from harness.history import Recording, record
from harness.intercept import rerouted
from harness.plan import Plan
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.schedule.fresh import fresh
from harness.script import format_call
from harness.trace import Call, Fdatasync, Fsync, Sync, is_call
from harness.trials import after_kills

__all__ = ["Advice", "advise"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What became of the syncs.

    Attributes:
        removable: Lines whose syncs nothing judged needs.
        needed: Lines whose syncs something needs.
        left: Lines that act while the store is opened; not judged.
        workloads: Workloads they were judged on.
        profiles: Persistence models they were judged under.
        guarantees: Promises they were judged by.
        broken: Whether the store breaks a promise as it is: then nothing is proven.
        sampled: Pairs of a workload and a profile whose crash states were too many to judge all.
    """

    removable: tuple[Site, ...]
    needed: tuple[Site, ...]
    left: tuple[Site, ...]
    workloads: int
    profiles: tuple[str, ...]
    guarantees: tuple[str, ...]
    broken: bool = False
    sampled: int = 0


def advise(plan: Plan) -> Advice:
    """Look for syncs that no judged guarantee needs under any profile of a plan.

    Args:
        plan: What to judge: its workloads, profiles and guarantees.

    Raises:
        BaselineError: The subject misbehaves without any fault.
    """
    guarantees = tuple(name for name in plan.judged if name not in (*INJECTED, "isolation"))
    with rerouted(), quiet(), fresh(plan.loaded):
        runs = [
            (recording, _prober(plan, recording, guarantees))
            for recording in (
                record(plan.loaded, workload, seed=plan.seed) for workload in plan.workloads
            )
        ]
        places = _places([recording for recording, _ in runs])
        sampled = set[tuple[str, str]]()
        broken = any(_breaks(plan, *run, guarantees, sampled, None) for run in runs)
        removable, needed, left = [], [], []
        for site, opening in places.values():
            if opening:
                left.append(site)
                continue
            change = dropped(site, syncs=True)
            if broken or any(_breaks(plan, *run, guarantees, sampled, change) for run in runs):
                needed.append(site)
            else:
                removable.append(site)
    return Advice(
        tuple(removable),
        () if broken else tuple(needed),
        tuple(left),
        len(runs),
        tuple(model.name for model in plan.models),
        guarantees,
        broken,
        len(sampled),
    )


def _prober(plan: Plan, recording: Recording, guarantees: tuple[str, ...]) -> Prober:
    return Prober(
        plan.loaded,
        recording.workload.keys,
        seed=plan.seed,
        follow="recovery" in guarantees,
        writes=follow_values(plan.loaded, recording.workload),
    )


def _places(recordings: list[Recording]) -> dict[tuple[str, int], tuple[Site, bool]]:
    """Find the lines that sync, the innermost frame of each, and whether opening does it too."""
    found: dict[tuple[str, int], tuple[Site, bool]] = {}
    for recording in recordings:
        opens = [e for e in recording.events if e.operation.kind == "open"]
        number = 0
        for one in recording.records:
            if not is_call(one):
                continue
            number += 1
            if not isinstance(one, Fsync | Fdatasync | Sync) or not one.at:
                continue
            opening = any(event.invoked < number <= event.returned for event in opens)
            for frame in _telling(one):
                site = site_at((frame,), format_call(one, numbered=False))
                assert site is not None
                known = found.get(frame[:2])
                found[frame[:2]] = site, opening or (known is not None and known[1])
    return found


def _telling(one: Call) -> Iterator[tuple[str, int, str]]:
    """Give the line that a person would remove: the call of a helper that only syncs."""
    helper = len(one.at) > 1 and "sync" in one.at[0][2]
    yield one.at[1] if helper else one.at[0]


def _breaks(
    plan: Plan,
    recording: Recording,
    prober: Prober,
    guarantees: tuple[str, ...],
    sampled: set[tuple[str, str]],
    change: Change | None,
) -> bool:
    """Tell whether a run breaks a guarantee under any profile, with a change made in it."""
    run: Recording | None = recording
    if change is not None:
        acts = change(recording) is not None
        run = edited(recording, change) if acts else None
        if acts and run is None:
            return True  # it cannot be taken out alone
    for model in plan.models:
        if run is not None:
            coverage, seen = examine(run, model, prober, budget=plan.depth.budget, mixed=False)
            if not coverage.exhaustive:
                sampled.add((recording.workload.name, model.name))
            if any(seen.count(name) for name in guarantees):
                return True
        # However little was asked for: some syncs are there for nothing else.
        if model.order != "returned":
            edits = () if change is None else (change,)
            for _, part in after_kills(run or recording, model, prober, edits, plan.depth.budget):
                if part is None:
                    return True
                if not part.exhaustive:
                    sampled.add((recording.workload.name, model.name))
                if any(part.sightings.count(name) for name in guarantees):
                    return True
    return False
