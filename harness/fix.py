"""Proving a fix: edit the trace as the change would, and judge every crash state again.

The changes tried are those a person would think of, the smallest first (`harness.proposals`). Where
a store lacks several syncs, no single one leaves nothing broken: each is proven together with the
others (`harness.together`). What the store reads from an image does not change, so recoveries
already run are reused.
"""

from __future__ import annotations

from harness.edits import Change, edited
from harness.errors import HarnessError
from harness.examine import Sighting, examine
from harness.finding import Candidate
from harness.history import Recording, record
from harness.intercept import rerouted
from harness.meter import Meter
from harness.persistence import Model
from harness.proposals import changes, whole
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.report import Fix
from harness.subjects import Subject
from harness.together import in_company

__all__ = ["prove"]


def prove(
    subject: Subject,
    found: Candidate,
    models: dict[str, Model],
    budget: int,
    meter: Meter | None = None,
) -> Fix | None:
    """Look for the smallest change that mends a finding, and prove it on the trace.

    Args:
        subject: The store.
        found: The finding, with its smallest case.
        models: The persistence models, by name.
        budget: Sets of effects visited for one trace under one profile.
        meter: Says when to stop; nothing is proven then.

    Returns:
        The proven change; None where none of those tried mends it, or the case is not one of a
        single trace.
    """
    crash, meter = found.reproduction, meter or Meter()
    if crash.fault is not None or crash.rot is not None or crash.chain is not None:
        return None
    if found.culprit is None or crash.kill_at is not None or crash.second is not None:
        return None
    workload = crash.workload()
    chosen = [models[name] for name in models if name in found.profiles]
    with rerouted(), quiet():
        recording = record(subject, workload, seed=crash.seed)
        prober = Prober(
            subject,
            workload.keys,
            seed=crash.seed,
            follow=found.guarantee == "recovery",
            writes=follow_values(subject, workload),
        )

        def seen(run: Recording, *, at_once: bool = False) -> tuple[int, list[Sighting]]:
            count, simplest = 0, list[Sighting]()
            for model in chosen:
                _, sightings = examine(run, model, prober, budget=budget, mixed=False, meter=meter)
                count += sightings.count(found.guarantee)
                simplest += [group[0] for _, group in sightings.sorts({found.guarantee})]
                if count and at_once:
                    break
            return count, simplest

        violations, _ = seen(recording)
        if not violations:
            return None

        def mends(change: Change) -> bool:
            try:
                run = edited(recording, change)
                mended = run is not None and not seen(run, at_once=True)[0]
            except HarnessError:
                return False
            # Where time ran out, what was judged is not all there is.
            return mended and meter.where is None

        def proven(text: str) -> Fix:
            return Fix(
                change=text, verified="trace", violations_before=violations, violations_after=0
            )

        for text, change in changes(found, found.culprit, recording):
            if mends(change):
                return proven(text)
        company = in_company(found, found.culprit, recording, seen)
        if company is not None and meter.where is None:
            return Fix(
                change=company.change,
                verified="trace",
                violations_before=company.before,
                violations_after=0,
                together=list(company.others),
            )
        text, change = whole(found.culprit)
        if mends(change):
            found.whole = found.culprit.file, found.culprit.function
            found.whole_before = violations
            # Where something has to be lost first, a checksum does it as well: that is no proof
            # that the smallest change is this one.
            if found.cause == "exposed" and not found.lost:
                return proven(text)
    return None
