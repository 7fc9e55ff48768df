"""Shrinking a finding of one process: what crashes, other faults and rot show.

Each proposal of a simpler workload is judged like the workload that the cause was found with: every
crash state, every crash in a recovery, every fault of the kind concerned. The simplest case of the
cause among all of them is taken, so that faults and losses shrink along with operations and values.
Last come the other filesystems that show it, from the one that loses least.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

from harness.finding import Candidate
from harness.guarantees import INJECTED
from harness.meter import Meter
from harness.ops import Workload
from harness.persistence import Model
from harness.smallest import simpler_workloads, smallest
from harness.subjects import Subject
from harness.unit import Depth, run_unit

__all__ = ["Shrinking", "shrink"]


@dataclass(frozen=True)
class Shrinking:
    """How a case of one process is made simpler.

    Attributes:
        subject: The store.
        models: The persistence models, by name.
        depth: How deep to look in each try.
        meter: Says when to stop.
    """

    subject: Subject
    models: dict[str, Model]
    depth: Depth
    meter: Meter

    def simpler(self, best: Candidate) -> Iterator[tuple[Workload, str]]:
        """Propose simpler workloads, then the same one on disks that lose less."""
        crash = best.reproduction
        workload = crash.workload()
        for one in simpler_workloads(workload):
            yield one, crash.profile
        if best.guarantee in INJECTED:
            return  # what those depend on the filesystem for, one case has of all of them
        for name in self.models:
            if name == crash.profile:
                break
            if name in best.profiles:
                yield replace(workload, name="shrunk"), name

    def key(self, step: tuple[Workload, str]) -> Hashable:
        """Equal workloads on equal disks are equal."""
        return step

    def attempt(self, step: tuple[Workload, str], best: Candidate) -> Candidate | None:
        """Judge a workload for the same cause."""
        workload, profile = step
        crash = best.reproduction
        # What a simple crash shows needs no search among those that come after a kill.
        depth = replace(self.depth, mixed=crash.kill_at is not None)
        result = run_unit(
            self.subject,
            workload,
            (self.models[profile],),
            frozenset({best.guarantee}),
            depth,
            seed=crash.seed,
            meter=Meter(until=self.meter.until),
        )
        same = [one for one in result.candidates if one.identity == best.identity]
        return min(same, key=lambda one: one.weight, default=None)


def shrink(
    subject: Subject,
    found: Candidate,
    models: dict[str, Model],
    depth: Depth,
    meter: Meter | None = None,
) -> Candidate:
    """Look for the simplest case of the same cause.

    Args:
        subject: The store.
        found: The cause, with its case.
        models: The persistence models, by name.
        depth: How deep to look in each try.
        meter: Says when to stop.

    Returns:
        The simplest case found, with the counts of the original.
    """
    meter = meter or Meter()
    return smallest(found, Shrinking(subject, models, depth, meter), meter.over)
