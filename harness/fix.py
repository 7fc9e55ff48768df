"""Proving a fix: edit the trace as the change would, and judge every crash state again.

The changes tried are those a person would think of, the smallest first (`harness.proposals`). Where
a store lacks several syncs, no single one leaves nothing broken: each is proven together with the
others (`harness.together`). What the store reads from an image does not change, so recoveries
already run are reused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

from harness.diagnose import Site
from harness.edits import SYNCED_THROUGHOUT, Change, edited
from harness.elsewhere import Elsewhere
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
from harness.trials import CrashTrial, KillTrial, NestedTrial

__all__ = ["mended_by", "prove"]


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
    culprit = found.culprit
    if culprit is None or not _can_be_tried(found):
        return None
    with rerouted(), quiet(), fresh(subject):
        trial = _trial(subject, found, models, budget, meter or Meter())
        if type(trial) is CrashTrial:
            return _in_one(found, culprit, trial, subject)
        return _in_several(found, culprit, trial)


def mended_by(
    subject: Subject,
    found: Candidate,
    others: Iterable[tuple[Candidate, Fix]],
    models: dict[str, Model],
    budget: int,
    meter: Meter | None = None,
) -> Fix | None:
    """Look whether a change that mends another finding mends one for which none was proven.

    What seems another line's doing is then one cause with that finding, seen from there.

    Args:
        subject: The store.
        found: The finding.
        others: Findings whose fixes are proven, the first to try first.
        models: The persistence models, by name.
        budget: As in `prove`.
        meter: Likewise.
    """
    meter, tried = meter or Meter(), set[str]()
    if found.culprit is None or not _can_be_tried(found):
        return None
    with rerouted(), quiet(), fresh(subject):
        trial = _trial(subject, found, models, budget, meter)
        before = trial.broken()
        if not before:
            return None
        elsewhere = Elsewhere(trial)
        for other, fix in others:
            if fix.together or other.edit in tried:
                continue
            tried.add(other.edit)
            change = _again(other, trial)
            if change is None:
                continue
            trial.sampled = False
            try:
                left = trial.broken(change, at_once=True)
            except HarnessError:
                continue
            if left == 0 and meter.where is None and not elsewhere.broken_by(change):
                return _proven(found, (fix.change, change), before, sampled=trial.sampled)
    return None


def _again(other: Candidate, trial: CrashTrial) -> Change | None:
    """Make the change that mends a finding of one run anew, for the traces of another."""
    if other.culprit is None or not other.edit:
        return None
    for recording in trial.traces():
        for _, change in changes(other, other.culprit, recording):
            if change.identity == other.edit:
                return change
    return None


def _can_be_tried(found: Candidate) -> bool:
    """Tell whether it takes nothing but crashes and kills of one process to show a finding."""
    crash = found.reproduction
    others = crash.fault, crash.rot, crash.chain, crash.race
    return all(one is None for one in others)


def _trial(
    subject: Subject, found: Candidate, models: dict[str, Model], budget: int, meter: Meter
) -> CrashTrial:
    crash = found.reproduction
    chosen = [models[name] for name in models if name in found.profiles]
    recording = record(subject, crash.workload(), seed=crash.seed)
    prober = _prober(subject, found, recording)
    kind = CrashTrial
    if crash.second is not None:
        kind = NestedTrial
    elif crash.kill_at is not None:
        kind = KillTrial
    return kind(recording, chosen, prober, found.guarantee, budget, meter, site=found.culprit)


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
    together: tuple[tuple[str, Change], ...] = (),
) -> Fix:
    text, change = proposal
    found.edit = change.identity
    return Fix(
        change=text,
        verified="trace",
        violations_before=before,
        violations_after=0,
        together=[one for one, _ in together],
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

    elsewhere = Elsewhere(trial)
    for proposal in changes(found, culprit, recording):
        proof = mended(proposal[1])
        # One that mends this and breaks what held is none.
        if (
            proof is not None
            and proof.others <= first.others
            and not elsewhere.broken_by(proposal[1])
        ):
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


def _in_several(found: Candidate, culprit: Site, trial: CrashTrial) -> Fix | None:
    """Look for a change of what several processes do, one after the other."""
    meter, tried = trial.meter, 0
    violations = trial.broken()
    if not violations:
        return None

    def left_by(*changes: Change, at_once: bool) -> int | None:
        trial.sampled = False
        try:
            return trial.broken(*changes, at_once=at_once)
        except HarnessError:
            return None

    elsewhere = Elsewhere(trial)
    for proposal in _proposed(found, culprit, trial):
        left = left_by(proposal[1], at_once=True)
        # Where time ran out, what was judged is not all there is.
        if left == 0 and meter.where is None and not elsewhere.broken_by(proposal[1]):
            return _proven(found, proposal, violations, sampled=trial.sampled)
        tried += left is not None
    killed = found.reproduction.kill_at
    run = trial.joined(killed) if killed is not None and isinstance(trial, KillTrial) else None
    if run is not None and isinstance(trial, KillTrial):
        company = in_company(found, culprit, run, trial.judged_after_kill)
        if company is not None:
            # Found at the one kill that shows it, proven at all of them.
            others = [change for _, change in company.others]
            before = left_by(*others, at_once=False)
            left = left_by(company.change[1], *others, at_once=True)
            if before and left == 0 and meter.where is None:
                return _proven(
                    found,
                    company.change,
                    before,
                    sampled=trial.sampled,
                    together=company.others,
                )
    synced = left_by(SYNCED_THROUGHOUT, at_once=False)
    if meter.where is None:
        found.unmended = Unmended(violations, tried, synced)
    return None


def _proposed(found: Candidate, culprit: Site, trial: CrashTrial) -> Iterator[tuple[str, Change]]:
    """Propose changes from every trace in which the culprit acts, each once."""
    seen = set[str]()
    for recording in trial.traces():
        acts = any(
            (f, n) == (culprit.file, culprit.line)
            for one in recording.records
            if isinstance(one, Call)
            for f, n, _ in (*one.at, *recording.given.get(one.i, ())[:1])
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
