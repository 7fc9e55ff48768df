"""Proving a fix: edit the trace as the change would, and judge every crash state again.

The changes tried are those a person would think of, the smallest first (`harness.proposals`). Where
a store lacks several syncs, no single one leaves nothing broken: each is proven together with the
others (`harness.together`). What the store reads from an image does not change, so recoveries
already run are reused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.diagnose import Site
from harness.edits import Change, edited
from harness.errors import HarnessError
from harness.examine import Sighting, examine
from harness.finding import Candidate
from harness.history import Recording, record
from harness.intercept import rerouted
from harness.meter import Meter
from harness.persistence import Model
from harness.proposals import changes, relying, whole
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.report import Fix
from harness.subjects import Subject
from harness.together import in_company
from harness.trace import Call
from harness.trials import KillTrial, NestedTrial, Trial

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
        The proven change; None where none of those tried mends it, or the case takes another fault
        than crashes and kills.
    """
    crash, meter = found.reproduction, meter or Meter()
    if crash.fault is not None or crash.rot is not None or crash.chain is not None:
        return None
    if found.culprit is None or crash.race is not None:
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
        if crash.kill_at is not None or crash.second is not None:
            kind = KillTrial if crash.second is None else NestedTrial
            trial = kind(recording, chosen, prober, found.guarantee, budget, meter)
            return _in_several(found, found.culprit, trial, meter)
        sampled = False

        def seen(run: Recording, *, at_once: bool = False) -> tuple[int, list[Sighting]]:
            nonlocal sampled
            count, simplest = 0, list[Sighting]()
            for model in chosen:
                coverage, sightings = examine(
                    run, model, prober, budget=budget, mixed=False, meter=meter
                )
                sampled = sampled or not coverage.exhaustive
                count += sightings.count(found.guarantee)
                simplest += [group[0] for _, group in sightings.sorts({found.guarantee})]
                if count and at_once:
                    break
            return count, simplest

        violations, _ = seen(recording)
        if not violations:
            return None

        def mends(change: Change) -> bool:
            nonlocal sampled
            sampled = False
            try:
                run = edited(recording, change)
                mended = run is not None and not seen(run, at_once=True)[0]
            except HarnessError:
                return False
            # Where time ran out, what was judged is not all there is.
            return mended and meter.where is None

        def proven(text: str) -> Fix:
            return Fix(
                change=text,
                verified="trace",
                violations_before=violations,
                violations_after=0,
                sampled=sampled,
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
                sampled=sampled,
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


_PROPOSED_MAX: Final = 40


def _in_several(found: Candidate, culprit: Site, trial: Trial, meter: Meter) -> Fix | None:
    """Look for a change of what several processes do, one after the other."""
    violations = trial.broken(None)
    if not violations:
        return None
    for text, change in _proposed(found, culprit, trial):
        trial.sampled = False
        try:
            left = trial.broken(change, at_once=True)
        except HarnessError:
            continue
        # Where time ran out, what was judged is not all there is.
        if left == 0 and meter.where is None:
            return Fix(
                change=text,
                verified="trace",
                violations_before=violations,
                violations_after=0,
                sampled=trial.sampled,
            )
    return None


def _proposed(found: Candidate, culprit: Site, trial: Trial) -> Iterator[tuple[str, Change]]:
    """Propose changes from every trace in which the culprit acts, each once."""
    seen = set[str]()
    for recording in trial.traces():
        acts = any(
            (f, n) == (culprit.file, culprit.line)
            for one in recording.records
            if isinstance(one, Call)
            for f, n, _ in one.at
        )
        if not acts:
            continue
        for text, change in (*changes(found, culprit, recording), *relying(found, culprit)):
            if text not in seen and len(seen) < _PROPOSED_MAX:
                seen.add(text)
                yield text, change
        if found.reproduction.second is not None:
            break  # one recovery has the line: the others have it in the same place
    if found.cause == "exposed" and not found.lost:
        yield whole(culprit)
