"""What there is to show of a race: a lane of the timeline for each writer, and where they meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from harness.diagnose import Sites, site_at
from harness.explore import Explorer
from harness.fates import fates_of, step_of
from harness.finding import Reproduction, state_of
from harness.image import Image
from harness.isolation.again import Again
from harness.isolation.judging import name_of
from harness.isolation.runs import LATER, Run
from harness.isolation.runs import Step as Done
from harness.persistence import Model, constrain, derive
from harness.report import Culprit, FindingRecord
from harness.scene import Act, Exhibit, Fate, Span, Step, disk_rows, excerpts_of
from harness.subjects import Subject
from harness.trace import Call, Fsync, is_call

__all__ = ["raced"]

_Fates = dict[int, tuple[Fate, tuple[str, ...]]]


def raced(
    subject: Subject, reproduction: Reproduction, model: Model, finding: FindingRecord
) -> Exhibit | None:
    """Run a race again, and write down who did what when.

    Args:
        subject: The store.
        reproduction: The finding's.
        model: The persistence model.
        finding: The finding itself: its culprit is marked.

    Returns:
        None where its crash is not possible any more.
    """
    again = Again(subject, reproduction)
    found, run, base = again.raced, again.run, again.recording.base
    kind = "threads of one process" if found.mode == "threads" else "processes"
    title = f"{len(found.writers)} writers, {kind}"
    if not found.cut:
        return _plain(run, base, model, finding, title)
    crash = reproduction.crash
    explorer = again.examination(model).explorer
    state = state_of(explorer, crash)
    if state is None:
        return None
    fates = fates_of(explorer, state, crash)
    calls = (crash.position + 1) // 2
    until = run.ticks[calls] if calls < len(run.ticks) else None
    acts = [_act(title, run, finding, fates, until, f"power cut ({model.name})")]
    left = explorer.image(state)
    if found.recovering is not None:
        acts.append(_act("Two processes recover from it at once", again.recovered(left), finding))
    return Exhibit(
        tuple(acts),
        disk_rows(base, explorer.image(explorer.everything_after(calls)), left),
        ("before the race", "as programs saw it", "after the power cut"),
        excerpts_of(acts[-1:], finding.culprit),
    )


def _plain(run: Run, base: Image, model: Model, finding: FindingRecord, title: str) -> Exhibit:
    act = _act(title, run, finding)
    explorer = Explorer(constrain(derive(run.records, base), model))
    blamed = [one.number for one in run.steps if _blames(finding.culprit, one)]
    calls = sum(tick < blamed[-1] for tick in run.ticks) if blamed else 0
    during = explorer.image(explorer.everything_after(calls))
    end = explorer.image(explorer.everything_after(len(run.ticks)))
    moments = ("before the race", "before the line to blame ran last", "when all were done")
    return Exhibit(
        (act,), disk_rows(base, during, end), moments, excerpts_of([act], finding.culprit)
    )


def _act(
    title: str,
    run: Run,
    finding: FindingRecord,
    fates: _Fates | None = None,
    until: int | None = None,
    ending: str = "",
) -> Act:
    """Write a schedule down.

    Args:
        title: Which run.
        run: It.
        finding: Its culprit is marked.
        fates: What a power cut left of each call of its trace.
        until: When that struck, on the clock of its steps.
        ending: What struck, in words.
    """
    calls = [one for one in run.records if is_call(one) and isinstance(one, Call)]
    sites = Sites(calls)
    made = {tick: number for number, tick in enumerate(run.ticks, 1)}
    shown = [one for one in _telling(run, calls) if until is None or one.number < until]
    steps: list[Step] = []
    for place, one in enumerate(shown, 1):
        number = made.get(one.number)
        culprit = _blames(finding.culprit, one)
        if number is None:
            step = _looked(place, one)
        else:
            fate: tuple[Fate, tuple[str, ...]] = (fates or {}).get(number, ("ran", ()))
            step = step_of(place, calls[number - 1], *fate, finding.culprit, sites)
        if one.struck:
            step = replace(step, fate="failed")
        steps.append(replace(step, writer=name_of(one.writer), culprit=culprit))
    if run.cycle is not None:
        ending = f"nobody gets on: {run.cycle}"
    return Act(
        title=title,
        spans=tuple(_spans(run, shown, until)),
        steps=tuple(steps),
        crash_after=len(steps) if ending else None,
        in_call=False,
        killed_after=None,
        ending=ending,
        lanes=tuple(dict.fromkeys(name_of(n) for n in sorted({one.writer for one in shown}))),
        bar="STUCK" if run.cycle is not None else "CRASH",
    )


def _blames(culprit: Culprit | None, step: Done) -> bool:
    if culprit is None:
        return False
    return any((file, line) == (culprit.file, culprit.line) for file, line, _ in step.at)


def _telling(run: Run, calls: Sequence[Call]) -> list[Done]:
    """Leave out what nobody could meet: closing, and opening directories to sync them."""
    directories = {one.path for one in calls if isinstance(one, Fsync) and one.dir}
    locks = {name for one in run.steps if "lock" in one.call for name in one.names}
    return [
        one
        for one in run.steps
        if one.writer != LATER
        and not (one.call == "close" and not locks.intersection(one.names))
        and not (one.call == "open" and directories.intersection(one.names))
    ]


def _looked(place: int, one: Done) -> Step:
    """Write down a call that changed nothing: a look at the disk, or a lock."""
    names = ", ".join(f'"{name}"' for name in one.names)
    site = site_at(one.at, one.text)
    return Step(
        number=place,
        call=f"{one.call}({names})",
        place="" if site is None else f"{site.file}:{site.line}",
        function="" if site is None else site.function,
        source="" if site is None else site.source,
        sync=False,
        fate="ran",
        lost=(),
        culprit=False,
    )


def _spans(run: Run, shown: Sequence[Done], until: int | None) -> list[Span]:
    spans = []
    for done in run.history:
        places = [n for n, one in enumerate(shown, 1) if one.operation == done.number]
        if done.writer == LATER or not places:
            continue
        killed = done.writer in run.killed and done.returned is None
        text = f"{done.operation}{', killed' if killed else ''}"
        state: Literal["returned", "in flight"] = "in flight"
        if done.returned is not None and (until is None or done.returned < until):
            state = "returned"
        spans.append(Span(text, places[0], places[-1], state, name_of(done.writer)))
    return spans
