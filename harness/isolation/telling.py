"""Findings about races: the candidate, its reproduction, and its timeline."""

from __future__ import annotations

from collections.abc import Sequence

from harness import __version__
from harness.diagnose import diagnose
from harness.explore import CrashState
from harness.finding import (
    TURNS_COUNTED,
    Candidate,
    Crash,
    Raced,
    Reproduction,
    crash_of,
    image_hash,
    operations_of,
    trace_hash,
)
from harness.isolation.blame import Blame, blame, turns
from harness.isolation.crashes import RacedExamination
from harness.isolation.judging import name_of
from harness.isolation.races import Race
from harness.isolation.runs import Failing, Run, Step
from harness.linear import Done
from harness.report import OperationRecord
from harness.sightings import Sighting
from harness.subjects import Subject
from harness.violation import Violation

__all__ = ["crash_candidate", "race_candidate", "recovery_candidate", "timeline"]


def race_candidate(
    subject: Subject,
    race: Race,
    run: Run,
    violation: Violation,
    *,
    profiles: Sequence[str],
    seed: int,
    failing: Failing | None = None,
    blamed: Blame | None = None,
) -> Candidate:
    """Make plain data of what one schedule breaks.

    Args:
        subject: The store.
        race: Who does what.
        run: The schedule, run.
        violation: What it breaks.
        profiles: Persistence models; it does not depend on them.
        seed: Of the simulated machine.
        failing: The call that failed, if one did.
        blamed: Who is to blame, where that is no matter of a conflict.
    """
    blamed = blamed or blame(run, violation)
    raced = Raced(
        mode=race.mode,
        counting=TURNS_COUNTED,
        writers=_writers(race),
        schedule=run.schedule,
        failing=None if failing is None else (name_of(failing.writer), failing.call),
        timeline=timeline(run, violation, blamed),
        cycle=run.cycle,
    )
    return _candidate(
        subject.name,
        race,
        violation,
        raced,
        blamed,
        profiles=profiles,
        seed=seed,
        trace=trace_hash(run.detail.records),
    )


def _writers(race: Race) -> list[list[OperationRecord]]:
    return [
        [OperationRecord(op=op.kind, key=op.key, value=op.value) for op in operations]
        for operations in race.writers
    ]


def _candidate(
    name: str,
    race: Race,
    violation: Violation,
    raced: Raced,
    blamed: Blame,
    *,
    profiles: Sequence[str],
    seed: int,
    trace: str,
    image: str = "",
    crash: Crash | None = None,
    lost: list[tuple[int, str]] | None = None,
) -> Candidate:
    return Candidate(
        guarantee=violation.guarantee,
        kind=violation.kind,
        severity=violation.severity,
        culprit=blamed.site,
        missing=blamed.against,
        cause=blamed.words,
        reproduction=Reproduction(
            version=__version__,
            subject=name,
            seed=seed,
            guarantee=violation.guarantee,
            kind=violation.kind,
            key=violation.key,
            profile=profiles[0],
            operations=operations_of(race),
            kill_at=None,
            crash=crash or Crash(position=0, lost=[]),
            second=None,
            trace=trace,
            image=image,
            observed=violation.observed,
            race=raced,
        ),
        observed=violation.observed,
        allowed=violation.allowed,
        key=violation.key,
        operation="",
        in_flight=False,
        lost=lost or [],
        after=violation.position // 2,
        workload=race.name,
        profiles=dict.fromkeys(profiles, 1),
        workloads=[race.name],
    )


def crash_candidate(sighting: Sighting) -> Candidate:
    """Make plain data of what a power cut in a race breaks."""
    examination = sighting.examination
    assert isinstance(examination, RacedExamination)
    diagnosis = diagnose(sighting)
    image = examination.explorer.image(diagnosis.state)
    return _cut_candidate(
        examination,
        diagnosis.state,
        diagnosis.violation,
        Blame(None, None, diagnosis.cause),
        image=image_hash(image.files(), image.dirs(), image.symlinks()),
        culprit=diagnosis,
    )


def recovery_candidate(
    examination: RacedExamination, state: CrashState, run: Run, violation: Violation
) -> Candidate:
    """Make plain data of what two recoveries at once break."""
    return _cut_candidate(
        examination, state, violation, blame(run, violation), image="", recovering=run
    )


def _cut_candidate(
    examination: RacedExamination,
    state: CrashState,
    violation: Violation,
    blamed: Blame,
    *,
    image: str,
    culprit: object = None,
    recovering: Run | None = None,
) -> Candidate:
    run, recording = examination.run, examination.recording
    race = recording.workload
    assert isinstance(race, Race)
    assert run is not None
    position = state.first if recovering is not None else violation.position
    told = timeline(run, violation, blamed, until=_tick(examination, position))
    told.append(f"power cut ({examination.model.name}): {examination.told(position)}")
    if recovering is not None:
        told += [f"recovering, {line}" for line in timeline(recovering, violation, blamed)]
    raced = Raced(
        mode=race.mode,
        counting=TURNS_COUNTED,
        writers=_writers(race),
        schedule=run.schedule,
        cut=True,
        recovering=None if recovering is None else recovering.schedule,
        timeline=told,
        cycle=None if recovering is None else recovering.cycle,
    )
    one = _candidate(
        recording.subject.name,
        race,
        violation,
        raced,
        blamed,
        profiles=[examination.model.name],
        seed=recording.seed,
        trace=trace_hash(run.detail.records),
        image=image,
        crash=crash_of(examination.explorer, state, position),
        lost=examination.explorer.lost(state),
    )
    if culprit is not None:
        one.culprit = getattr(culprit, "culprit", None)
        one.missing = getattr(culprit, "missing", None)
    return one


def _tick(examination: RacedExamination, position: int) -> int:
    calls = (position + 1) // 2
    ticks = examination.ticks
    return ticks[calls - 1] if 0 < calls <= len(ticks) else (0 if not calls else 1 << 60)


# -- the timeline ----------------------------------------------------------------------------------


def timeline(
    run: Run, violation: Violation, blamed: Blame, *, until: int | None = None
) -> list[str]:
    """Tell an interleaving as the turns of its writers, each with the last thing done in it."""
    by_number = {done.number: done for done in run.history}
    steps = [
        step
        for step in run.steps
        # The main thread of threads only opens the store for them, and closes it.
        if (until is None or step.number <= until) and step.writer != run.main
    ]
    told = []
    parts = list(turns(steps))
    for number, turn in enumerate(parts):
        writer = turn[0].writer
        doing = [
            by_number[one] for one in dict.fromkeys(s.operation for s in turn) if one in by_number
        ]
        shown = _salient(turn, blamed)
        calls = ", ".join(f"{_short(step)}" for step in shown)
        # A thread that the store started is in no operation of its own.
        line = ": ".join(filter(None, (name_of(writer), _operations(doing), calls)))
        killed = writer in run.killed and all(
            later[0].writer != writer for later in parts[number + 1 :]
        )
        told.append(line + (", and is killed" if killed else _cut_off(turn, doing)))
    if until is None:
        told.append(violation.observed)
    return told


def _operations(doing: list[Done]) -> str:
    names = [str(done.operation) for done in doing if done.operation.kind not in ("open", "close")]
    return ", ".join(names or [str(done.operation) for done in doing][:1])


def _cut_off(turn: list[Step], doing: list[Done]) -> str:
    last = doing[-1] if doing else None
    done = last is None or (last.returned is not None and last.returned <= turn[-1].number)
    return "" if done else " ..."


def _salient(turn: list[Step], blamed: Blame) -> list[Step]:
    """The steps of a turn that the story is about, or what it ended with."""
    about = {id(step) for step in (blamed.step, blamed.other) if step is not None}
    names = {
        name for step in (blamed.step, blamed.other) if step is not None for name in step.names
    }
    found = [step for step in turn if id(step) in about]
    if not found:
        found = [step for step in turn if step.changes and names.intersection(step.names)][-1:]
    if not found:
        found = [step for step in turn if step.changes][-1:] or turn[-1:]
    return found


def _short(step: Step) -> str:
    if not step.at:
        return step.text
    file, line, _ = step.at[0]
    names = ", ".join(name.removeprefix("store/") for name in step.names)
    return f"{step.call} {names} ({file.rpartition('/')[2]}:{line})"
