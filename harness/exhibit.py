"""What a finding looks like from inside: the calls, what the crash took, the disk before and after.

A report names a cause in a few lines; a page that explains it needs the whole story. It is not kept
with the finding but played again from its reproduction, which holds everything it takes, and given
as plain data: renderers know nothing of traces, models or images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from harness.chainscene import chained
from harness.cut_after_kill import after_kill
from harness.diagnose import Sites
from harness.errors import BaselineError, HarnessError
from harness.examination import Examination
from harness.explore import Explorer
from harness.fates import fates_of, step_of
from harness.finding import Crash, Reproduction, load_reproduction, state_of
from harness.given import give
from harness.history import Event, Recording, record
from harness.intercept import rerouted
from harness.live import run_faulted
from harness.persistence import Model
from harness.quiet import quiet
from harness.racescene import raced
from harness.recovery import Prober, follow_values
from harness.report import FindingRecord
from harness.rot import apply, parse_damage, stored
from harness.scene import Act, Exhibit, Span, disk_rows, excerpts_of
from harness.schedule.fresh import fresh
from harness.subjects import Subject
from harness.trace import Frame, is_call

__all__ = ["exhibit", "exhibits_of"]


def exhibit(
    subject: Subject, reproduction: Reproduction, finding: FindingRecord, models: dict[str, Model]
) -> Exhibit | None:
    """Play a finding again and write down what can be shown of it.

    Args:
        subject: The store.
        reproduction: The finding's.
        finding: The finding itself: its culprit is marked.
        models: The persistence models, by name.

    Returns:
        None where it cannot be played again: the subject has changed, or runs no more.
    """
    model = models.get(reproduction.profile)
    if model is None:
        return None
    try:
        with rerouted(), quiet(), fresh(subject):
            if reproduction.race is not None:
                return raced(subject, reproduction, model, finding)
            if reproduction.chain is not None:
                return chained(subject, reproduction, model, finding)
            recording = record(subject, reproduction.workload(), seed=reproduction.seed)
            if reproduction.rot is not None:
                return _rotten(recording, reproduction.rot, finding)
            if reproduction.fault is not None and reproduction.guarantee == "hygiene":
                return _repeated(recording, finding)
            if reproduction.fault is not None and reproduction.guarantee != "recovery":
                return _failed(recording, reproduction, model, finding)
            return _crashed(recording, reproduction, model, finding)
    except (BaselineError, HarnessError):
        return None


# -- crashes ---------------------------------------------------------------------------------------


def _crashed(
    recording: Recording, reproduction: Reproduction, model: Model, finding: FindingRecord
) -> Exhibit | None:
    subject = recording.subject
    prober = Prober(
        subject,
        recording.workload.keys,
        seed=reproduction.seed,
        follow=reproduction.guarantee == "recovery",
        writes=follow_values(subject, recording.workload),
    )
    found: Examination | None = Examination(
        recording, model, recording.records, recording.events, prober
    )
    assert found is not None
    if reproduction.kill_at is not None:
        found = after_kill(found, reproduction.kill_at)
    if found is None:
        return None
    crash = reproduction.crash
    state = state_of(found.explorer, crash)
    if state is None:
        return None
    what = "process killed" if model.order == "returned" else f"power cut ({model.name})"
    acts = [
        _act(
            "The run",
            found.explorer,
            crash,
            found.events,
            finding,
            what,
            found.given,
            reproduction.kill_at,
        )
    ]
    explorer, final, before = found.explorer, state, recording.base
    if reproduction.second is not None:
        explorer = found.nested_explorer(state, lines=True)
        inner = state_of(explorer, reproduction.second)
        if inner is None:
            return None
        final, before = inner, found.explorer.image(state)
        acts.append(
            _act("The recovery from it", explorer, reproduction.second, [], finding, what, None)
        )
    position = (reproduction.second or crash).position
    moments = (
        "before the run" if reproduction.second is None else "after the first crash",
        "as programs saw it",
        f"after the {'kill' if model.order == 'returned' else 'power cut'}",
    )
    running = explorer.image(explorer.everything_after((position + 1) // 2))
    return Exhibit(
        tuple(acts),
        disk_rows(before, running, explorer.image(final)),
        moments,
        excerpts_of(acts[-1:], finding.culprit, finding.accepted),
    )


def _act(
    title: str,
    explorer: Explorer,
    crash: Crash,
    events: list[Event],
    finding: FindingRecord,
    what: str,
    given: Mapping[int, tuple[Frame, ...]] | None,
    killed_after: int | None = None,
) -> Act:
    """Write a trace down with what a crash left of it."""
    state = state_of(explorer, crash)
    assert state is not None
    fates = fates_of(explorer, state, crash)
    records = explorer.constraints.effects.records
    sites = Sites(records, given)
    steps = tuple(
        step_of(number, one, *fates[number], finding.culprit, sites)
        for number, one in enumerate(records, 1)
    )
    return Act(
        title=title,
        spans=_spans(events, crash.position // 2, len(records)),
        steps=steps,
        crash_after=crash.position // 2,
        in_call=bool(crash.position % 2),
        killed_after=killed_after,
        ending=what,
    )


def _spans(events: list[Event], returned: int, calls: int) -> tuple[Span, ...]:
    spans = []
    for event in events:
        last = min(event.returned, calls)
        if last == event.invoked and event.operation.kind in ("open", "close"):
            continue  # opening that asks the disk for nothing tells nothing
        before = event.returned <= returned and event.certain
        state: Literal["returned", "in flight", "never"] = (
            "returned" if before else "in flight" if event.invoked <= returned else "never"
        )
        spans.append(Span(str(event.operation), event.invoked + 1, last, state))
    return tuple(spans)


# -- other faults ----------------------------------------------------------------------------------


def _failed(
    recording: Recording, reproduction: Reproduction, model: Model, finding: FindingRecord
) -> Exhibit | None:
    given = give(reproduction.fault or "")
    fault = given.call
    assert fault is not None
    if given.killed is not None:
        return None  # two lives are told in words
    run = run_faulted(recording, fault, reverts=model.failed_fsync == "revert")
    if not run.fired or run.before is None:
        return None
    calls = [one for one in run.records if is_call(one)]
    sites = Sites(calls)
    steps = tuple(
        step_of(number, one, "failed" if one.error else "ran", (), finding.culprit, sites)
        for number, one in enumerate(calls, 1)
    )
    act = Act(
        title="The run, and what the store did once the fault was over",
        spans=_spans(run.events, len(calls), len(calls)),
        steps=steps,
        crash_after=None,
        in_call=False,
        killed_after=None,
        ending=reproduction.fault or "",
    )
    after = run.follow.disk or run.before
    moments = "before the run", "when the call failed", "after the operation"
    return Exhibit(
        (act,),
        disk_rows(recording.base, run.before, after),
        moments,
        excerpts_of([act], finding.culprit),
    )


def _repeated(recording: Recording, finding: FindingRecord) -> Exhibit:
    act = _plain("The run that is repeated, without a fault", recording, finding)
    return Exhibit((act,), (), ("", "", ""), excerpts_of([act], finding.culprit))


def _rotten(recording: Recording, rot: str, finding: FindingRecord) -> Exhibit:
    left = stored(recording)
    act = _plain("The run, closed cleanly; then the damage", recording, finding)
    moments = "before the run", "as it was stored", "damaged"
    return Exhibit(
        (act,),
        disk_rows(recording.base, left.image, apply(parse_damage(rot), left)),
        moments,
        excerpts_of([act], finding.culprit),
    )


def _plain(title: str, recording: Recording, finding: FindingRecord) -> Act:
    calls = [one for one in recording.records if is_call(one)]
    sites = Sites(calls, recording.given)
    steps = tuple(
        step_of(number, one, "ran", (), finding.culprit, sites)
        for number, one in enumerate(calls, 1)
    )
    spans = _spans(recording.events, len(calls), len(calls))
    return Act(title, spans, steps, crash_after=None, in_call=False, killed_after=None, ending="")


def exhibits_of(
    subject: Subject,
    findings: list[FindingRecord],
    repros: Mapping[str, bytes],
    models: dict[str, Model],
) -> dict[str, Exhibit]:
    """Make the exhibits of a report; one that cannot be made is left out.

    Args:
        subject: The store.
        findings: The report's.
        repros: Reproduction file of each finding, by its id.
        models: The persistence models, by name.
    """
    made = {}
    for finding in findings:
        if finding.id in repros:
            again = load_reproduction(repros[finding.id], finding.id)
            shown = exhibit(subject, again, finding, models)
            if shown is not None:
                made[finding.id] = shown
    return made
