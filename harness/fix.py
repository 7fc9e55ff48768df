"""Proving a fix: edit the trace as the change would, and judge every crash state again.

The changes tried are those a person would think of, the smallest first (`harness.proposals`). Where
a store lacks several syncs, no single one leaves nothing broken: each is proven together with the
others (`harness.together`). What the store reads from an image does not change, so recoveries
already run are reused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

from harness.diagnose import Site
from harness.edits import SYNCED_THROUGHOUT, Change, edited
from harness.errors import HarnessError
from harness.finding import Candidate, Unmended
from harness.halves import overwrites
from harness.history import Recording, record
from harness.intercept import rerouted
from harness.meter import Meter
from harness.persistence import Model
from harness.proposals import changes, relying, whole
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.report import Fix
from harness.schedule.fresh import fresh
from harness.subjects import Session, Subject
from harness.together import Judged, in_company
from harness.trace import Call, Create, Link, Rename
from harness.trials import CrashTrial, KillTrial, NestedTrial, Trial

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
        The proven change; None where the case takes another fault than crashes and kills, or none
        of those tried mends it: what that says is in ``found.unmended`` then.
    """
    crash, meter = found.reproduction, meter or Meter()
    if crash.fault is not None or crash.rot is not None or crash.chain is not None:
        return None
    if found.culprit is None or crash.race is not None:
        return None
    workload = crash.workload()
    chosen = [models[name] for name in models if name in found.profiles]
    with rerouted(), quiet(), fresh(subject):
        recording = record(subject, workload, seed=crash.seed)
        prober = _prober(subject, found, recording)
        kind = CrashTrial
        if crash.second is not None:
            kind = NestedTrial
        elif crash.kill_at is not None:
            kind = KillTrial
        trial = kind(recording, chosen, prober, found.guarantee, budget, meter, site=found.culprit)
        if kind is CrashTrial:
            return _in_one(found, found.culprit, trial, subject)
        return _in_several(found, found.culprit, trial)


def _prober(subject: Subject, found: Candidate, recording: Recording) -> Prober:
    return Prober(
        subject,
        recording.workload.keys,
        seed=recording.seed,
        follow=found.guarantee == "recovery",
        writes=follow_values(subject, recording.workload),
    )


def _proven(
    found: Candidate,
    proposal: tuple[str, Change],
    before: int,
    *,
    sampled: bool,
    together: tuple[str, ...] = (),
) -> Fix:
    text, change = proposal
    found.edit = change.identity
    return Fix(
        change=text,
        verified="trace",
        violations_before=before,
        violations_after=0,
        together=list(together),
        sampled=sampled,
    )


def _in_one(found: Candidate, culprit: Site, trial: CrashTrial, subject: Subject) -> Fix | None:
    """Look for a change of the one process that there is."""
    recording, meter = trial.recording, trial.meter
    first = trial.judged(recording)
    if not first.broken:
        return None

    def mended(change: Change) -> Judged | None:
        try:
            run = edited(recording, change)
            judged = None if run is None else trial.judged(run, at_once=True)
        except HarnessError:
            return None
        # Where time ran out, what was judged is not all there is.
        if judged is None or judged.broken or meter.where is not None:
            return None
        return judged

    for proposal in changes(found, culprit, recording):
        proof = mended(proposal[1])
        # One that mends this and breaks what held is none.
        if proof is not None and proof.others <= first.others:
            return _proven(found, proposal, first.broken, sampled=proof.sampled)
    company = in_company(found, culprit, recording, trial.judged)
    if company is not None and meter.where is None:
        return _proven(
            found,
            company.change,
            company.before,
            sampled=company.sampled,
            together=company.others,
        )
    tried = trial.tried
    halves = first.halves == first.broken and not overwrites(recording, culprit)
    # Of the whole protocol nothing more is asked: its temporary file has a name that only this
    # store's list could know to leave out.
    proposal = whole(culprit)
    proof = mended(proposal[1])
    if proof is not None:
        found.whole = culprit.file, culprit.function
        found.whole_before = first.broken
        # Where half a write has to be on disk, a checksum does it as well: that is no proof that
        # the smallest change is this one.
        if not halves:
            return _proven(found, proposal, first.broken, sampled=proof.sampled)
    run = edited(recording, SYNCED_THROUGHOUT)
    synced = None if run is None else trial.judged(run).broken
    if meter.where is None:
        unlisted = _unlisted(found, culprit, trial, subject)
        found.unmended = Unmended(
            first.broken, tried, synced, halves, unlisted, sampled=first.sampled
        )
    return None


@dataclass(frozen=True)
class _Unlisting(Subject):
    """A store whose list leaves names out.

    Attributes:
        names: The names.
    """

    names: frozenset[str] = frozenset()

    def open(self, directory: str) -> Session:
        session = Subject.open(self, directory)
        given = session.list
        session.list = lambda: [name for name in given() if name not in self.names]  # type: ignore[method-assign]
        return session


def _unlisted(
    found: Candidate, culprit: Site, trial: CrashTrial, subject: Subject
) -> tuple[str, ...]:
    """Give the names that a line makes, if a list without them would mend the finding."""
    if found.guarantee != "listing":
        return ()
    names = dict.fromkeys(
        posixpath.basename(one.dst if isinstance(one, Link | Rename) else one.path)
        for one in trial.recording.records
        if isinstance(one, Create | Link | Rename)
        and any((f, n) == (culprit.file, culprit.line) for f, n, _ in one.at)
    )
    same = {one.name: getattr(subject, one.name) for one in fields(subject)}
    other = _Unlisting(**same, names=frozenset(names))
    judged = replace(trial, prober=_prober(other, found, trial.recording)).judged(trial.recording)
    return () if judged.broken else tuple(names)


_PROPOSED_MAX: Final = 40


def _in_several(found: Candidate, culprit: Site, trial: Trial) -> Fix | None:
    """Look for a change of what several processes do, one after the other."""
    meter, tried = trial.meter, 0
    violations = trial.broken(None)
    if not violations:
        return None

    def left_by(change: Change, *, at_once: bool) -> int | None:
        trial.sampled = False
        try:
            return trial.broken(change, at_once=at_once)
        except HarnessError:
            return None

    for proposal in _proposed(found, culprit, trial):
        left = left_by(proposal[1], at_once=True)
        # Where time ran out, what was judged is not all there is.
        if left == 0 and meter.where is None:
            return _proven(found, proposal, violations, sampled=trial.sampled)
        tried += left is not None
    synced = left_by(SYNCED_THROUGHOUT, at_once=False)
    if meter.where is None:
        found.unmended = Unmended(violations, tried, synced)
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
