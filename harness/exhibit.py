"""What a finding looks like from inside: the calls, what the crash took, the disk before and after.

A report names a cause in a few lines; a page that explains it needs the whole story. It is not kept
with the finding but played again from its reproduction, which holds everything it takes, and given
as plain data: renderers know nothing of traces, models or images.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from harness.diagnose import located
from harness.errors import BaselineError, HarnessError
from harness.examine import Examination, after_kill
from harness.explore import CrashState, Explorer
from harness.finding import Crash, Reproduction, load_reproduction, state_of
from harness.given import give
from harness.history import Event, Recording, record
from harness.image import Image
from harness.intercept import rerouted
from harness.live import run_faulted
from harness.persistence import Model
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.report import Culprit, FindingRecord
from harness.rot import apply, parse_damage, stored
from harness.script import format_call
from harness.statelist import show_content
from harness.subjects import Subject
from harness.trace import Fdatasync, Fsync, Record, Sync, is_call

__all__ = ["Act", "Excerpt", "Exhibit", "FileRow", "Line", "Span", "Step", "exhibit", "exhibits_of"]

Fate: TypeAlias = Literal["synced", "kept", "partly", "torn", "lost", "ran", "failed", "never"]
"""What the crash left of a call: certain to be there, there by luck, some of it, cut inside a page,
nothing; it has no effect of its own; it failed; it was never made."""

_AROUND: Final = 3
"""Source lines shown before and after each that matters."""

_GAP: Final = 2
"""Lines between two stretches that are shown rather than left out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One system call.

    Attributes:
        number: Which call of its act, from 1.
        call: As strace would show it.
        place: ``file:line``, or nothing where no line of the subject made it.
        function: The function that line is in.
        source: The line's text.
        sync: Whether it is one that makes things durable.
        fate: What the crash left of it.
        lost: The parts that are not on disk.
        culprit: Whether it comes from the line to blame.
    """

    number: int
    call: str
    place: str
    function: str
    source: str
    sync: bool
    fate: Fate
    lost: tuple[str, ...]
    culprit: bool


@dataclass(frozen=True, slots=True)
class Span:
    """One operation, above the calls that it made.

    Attributes:
        text: The operation.
        first: Its first call, from 1.
        last: Its last; below ``first`` where it made none.
        state: ``returned`` before the crash, ``in flight`` in it, or ``never`` called.
    """

    text: str
    first: int
    last: int
    state: Literal["returned", "in flight", "never"]


@dataclass(frozen=True, slots=True)
class Act:
    """One run up to a crash.

    Attributes:
        title: Which run.
        spans: The operations, in order.
        steps: The calls, in order.
        crash_after: Calls that had returned at the crash; None where nothing crashed.
        in_call: Whether it struck in the middle of the next call.
        killed_after: Calls after which an earlier process was killed, if one was.
        ending: What struck, in words.
    """

    title: str
    spans: tuple[Span, ...]
    steps: tuple[Step, ...]
    crash_after: int | None
    in_call: bool
    killed_after: int | None
    ending: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """One path on the disk at three moments; None where it was not there.

    Attributes:
        path: Relative to the directory that holds the store's.
        before: Before the run, durably.
        running: As running programs saw it when the crash struck.
        after: On the disk that the crash left.
    """

    path: str
    before: str | None
    running: str | None
    after: str | None

    @property
    def differs(self) -> bool:
        """Whether the crash changed it."""
        return self.running != self.after


@dataclass(frozen=True, slots=True)
class Line:
    """A line of source.

    Attributes:
        number: From 1.
        text: Without its end.
        calls: Numbers of the calls it made, in the last act.
        role: ``culprit``, ``lost`` where an effect of its calls is, or nothing.
    """

    number: int
    text: str
    calls: tuple[int, ...]
    role: Literal["culprit", "lost", ""]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of one file; a gap in their numbers is one in the text."""

    file: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Everything to show about one finding.

    Attributes:
        acts: The run, and the recovery where that crashed as well.
        disk: The paths that were there at any of the moments.
        moments: What the columns of ``disk`` are called.
        sources: The source around the lines that matter.
    """

    acts: tuple[Act, ...]
    disk: tuple[FileRow, ...]
    moments: tuple[str, str, str]
    sources: tuple[Excerpt, ...]


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
    if model is None or reproduction.chain is not None:
        return None  # a chain of several processes is told in words
    try:
        with rerouted(), quiet():
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
        _act("The run", found.explorer, crash, found.events, finding, what, reproduction.kill_at)
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
        _disk(before, running, explorer.image(final)),
        moments,
        _sources(acts[-1:], finding.culprit),
    )


def _act(
    title: str,
    explorer: Explorer,
    crash: Crash,
    events: list[Event],
    finding: FindingRecord,
    what: str,
    killed_after: int | None,
) -> Act:
    """Write a trace down with what a crash left of it."""
    state = state_of(explorer, crash)
    assert state is not None
    fates = _fates(explorer, state, crash)
    records = explorer.constraints.effects.records
    steps = tuple(
        _step(number, one, *fates[number], finding.culprit) for number, one in enumerate(records, 1)
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


def _fates(
    explorer: Explorer, state: CrashState, crash: Crash
) -> dict[int, tuple[Fate, tuple[str, ...]]]:
    """Tell for each call what the crash left of it."""
    nodes = explorer.constraints.nodes
    parts: dict[int, list[tuple[str, bool]]] = {}
    synced: dict[int, bool] = {}
    torn: set[int] = set()
    for number, node in enumerate(nodes):
        for effect in node.effects:
            parts.setdefault(effect.call, []).append((effect.part, state.holds(number)))
        synced[node.call] = synced.get(node.call, True) and node.durable <= crash.position
        if state.torn is not None and state.torn.node == number:
            torn.add(node.call)
    fates: dict[int, tuple[Fate, tuple[str, ...]]] = {}
    for call, one in enumerate(explorer.constraints.effects.records, 1):
        lost = tuple(part for part, held in parts.get(call, ()) if not held)
        fate: Fate
        if 2 * call - 1 > crash.position:
            fate, lost = "never", ()
        elif one.error is not None:
            fate = "failed"
        elif call not in parts:
            fate = "ran"
        elif call in torn:
            fate = "torn"
        elif not lost:
            fate = "synced" if synced[call] else "kept"
        else:
            fate = "lost" if len(lost) == len(parts[call]) else "partly"
        fates[call] = fate, lost
    return fates


def _step(
    number: int, one: Record, fate: Fate, lost: tuple[str, ...], culprit: Culprit | None
) -> Step:
    file, line, function = one.at[0] if one.at else ("", 0, "")
    return Step(
        number=number,
        call=format_call(one, numbered=False),
        place=f"{file}:{line}" if file else "",
        function=function,
        source=linecache.getline(located(file), line).strip() if file else "",
        sync=isinstance(one, Fsync | Fdatasync | Sync),
        fate=fate,
        lost=lost,
        culprit=culprit is not None and (culprit.file, culprit.line) == (file, line),
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
    fault = give(reproduction.fault or "").call
    assert fault is not None
    run = run_faulted(recording, fault, reverts=model.failed_fsync == "revert")
    if not run.fired or run.before is None:
        return None
    calls = [one for one in run.records if is_call(one)]
    steps = tuple(
        _step(number, one, "failed" if one.error else "ran", (), finding.culprit)
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
        _disk(recording.base, run.before, after),
        moments,
        _sources([act], finding.culprit),
    )


def _repeated(recording: Recording, finding: FindingRecord) -> Exhibit:
    act = _plain("The run that is repeated, without a fault", recording, finding)
    return Exhibit((act,), (), ("", "", ""), _sources([act], finding.culprit))


def _rotten(recording: Recording, rot: str, finding: FindingRecord) -> Exhibit:
    left = stored(recording)
    act = _plain("The run, closed cleanly; then the damage", recording, finding)
    moments = "before the run", "as it was stored", "damaged"
    return Exhibit(
        (act,),
        _disk(recording.base, left.image, apply(parse_damage(rot), left)),
        moments,
        _sources([act], finding.culprit),
    )


def _plain(title: str, recording: Recording, finding: FindingRecord) -> Act:
    calls = [one for one in recording.records if is_call(one)]
    steps = tuple(
        _step(number, one, "ran", (), finding.culprit) for number, one in enumerate(calls, 1)
    )
    spans = _spans(recording.events, len(calls), len(calls))
    return Act(title, spans, steps, crash_after=None, in_call=False, killed_after=None, ending="")


# -- disk and source -------------------------------------------------------------------------------


def _disk(before: Image, running: Image, after: Image) -> tuple[FileRow, ...]:
    three = [_contents(image) for image in (before, running, after)]
    paths = sorted({path for one in three for path in one})
    return tuple(FileRow(path, *(one.get(path) for one in three)) for path in paths)


def _contents(image: Image) -> dict[str, str]:
    found = dict.fromkeys((f"{path}/" for path in image.dirs()), "directory")
    found |= {path: show_content(data) for path, data in image.files().items()}
    return found | {path: f"-> {target}" for path, target in image.symlinks().items()}


def _sources(acts: list[Act], culprit: Culprit | None) -> tuple[Excerpt, ...]:
    """Cut out the lines that made the calls of the operation to blame, and those around them."""
    matter: dict[str, dict[int, list[int]]] = {}
    losing: set[tuple[str, int]] = set()
    if culprit is not None:
        matter.setdefault(culprit.file, {})[culprit.line] = []
    for act in acts:
        for step in act.steps:
            file, _, line = step.place.rpartition(":")
            if not file or step.fate == "never":
                continue
            matter.setdefault(file, {}).setdefault(int(line), []).append(step.number)
            if step.fate in ("lost", "partly", "torn"):
                losing.add((file, int(line)))
    first = "" if culprit is None else culprit.file
    excerpts = []
    for file in sorted(matter, key=lambda one: (one != first, one)):
        lines = [text.rstrip("\n") for text in linecache.getlines(located(file))]
        shown = _around(sorted(matter[file]), len(lines))
        excerpts.append(
            Excerpt(
                file,
                tuple(
                    Line(
                        number,
                        lines[number - 1],
                        tuple(matter[file].get(number, ())),
                        "culprit"
                        if culprit is not None and (file, number) == (culprit.file, culprit.line)
                        else "lost"
                        if (file, number) in losing
                        else "",
                    )
                    for number in shown
                ),
            )
        )
    return tuple(one for one in excerpts if one.lines)


def _around(lines: list[int], count: int) -> list[int]:
    """Give the lines to show: those that matter and a few around each, small gaps closed."""
    wanted = sorted(
        {n for line in lines for n in range(line - _AROUND, line + _AROUND + 1) if 1 <= n <= count}
    )
    shown: list[int] = []
    for number in wanted:
        if shown and 1 < number - shown[-1] <= _GAP + 1:
            shown += range(shown[-1] + 1, number)
        shown.append(number)
    return shown


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
