"""A process dies, its successor recovers on what the page cache still holds, and the power goes.

The mixed failure of DESIGN.md section 7. What the two did is joined to one trace, whose crash
states are those of any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.disk import Machine
from harness.errors import CallLimitExceeded, Hung
from harness.examination import Examination
from harness.givers import GivingRecorder
from harness.history import DIRECTORY, Event, history_until
from harness.intercept import active
from harness.ops import Operation
from harness.recovery import RESTART, follow_values
from harness.trace import Frame, is_call

__all__ = ["after_kill", "budget_of_kill", "kills_of"]

_KILLS_MAX: Final = 256
"""Calls of a trace after each of which a process is killed."""

_KILLS_LONG: Final = 64
"""Calls of a longer trace that are chosen. Each makes a trace of its own, as long as the first, and
recovering from one grows with what was written."""

_KILL_BUDGET: Final = 256
"""Sets visited in the trace after each kill, as long as the kills are few."""


def budget_of_kill(budget: int, kills: int, *, share: int = 4) -> int:
    """Say how many sets the trace after one of so many kills may visit.

    An eighth of what the workload itself has, or a few hundred; but all kills together take no
    more than a multiple of what the trace does.

    Args:
        budget: Sets visited in the trace itself.
        kills: How many processes are killed.
        share: The multiple.
    """
    return min(max(budget // 8, _KILL_BUDGET), max(share * budget // kills, 24))


def kills_of(calls: int) -> Sequence[int]:
    """Say after which calls of a trace to kill the process: all, or the ends and an even spread."""
    if calls <= _KILLS_MAX:
        return range(1, calls + 1)
    ends = _KILLS_LONG // 8
    between = calls - 2 * ends
    spread = _KILLS_LONG - 2 * ends
    return [
        *range(1, ends + 1),
        *(ends + 1 + number * between // spread for number in range(spread)),
        *range(calls - ends + 1, calls + 1),
    ]


def after_kill(
    examination: Examination, calls: int, budget: int | None = None
) -> Examination | None:
    """Kill the process after some calls, let a successor recover and write, and start over.

    Args:
        examination: Of the trace.
        calls: How many calls have returned by the kill.
        budget: Sets visited afterwards; None for what one kill alone has.

    Returns:
        The examination of the joined trace; None where the successor changed nothing on disk
        or would not open.
    """
    recording = examination.recording
    subject = recording.subject
    image = examination.explorer.image(examination.explorer.everything_after(calls))
    recorder = GivingRecorder(subject.files)
    machine = Machine(image, seed=recording.seed + 2 * RESTART, hooks=recorder)
    process = machine.process()
    events = history_until(recording.events, calls)
    if not recording.workload.keys:
        return None
    value, _ = follow_values(subject, recording.workload)
    operation = Operation("write", recording.workload.keys[0], value)
    try:
        with active(process), recorder.listening():
            session = subject.open(DIRECTORY)
            list(session.list())
            for key in recording.workload.keys:
                subject.read(session, key)
            opened = calls + len(recorder.records)
            events.append(Event(len(events), Operation("open"), calls, opened))
            session.write(operation.key or "", value)
            written = calls + len(recorder.records)
            events.append(Event(len(events), operation, opened, written))
    except (Exception, CallLimitExceeded, Hung):  # noqa: BLE001 - what recovery may not do is judged elsewhere
        return None
    finally:
        process.kill()  # its threads end with it
    if not recorder.records:
        return None
    before, given, done = [], dict[int, tuple[Frame, ...]](), 0
    for record in recording.records:
        if is_call(record):
            if done == calls:
                break
            done += 1
        before.append(record)
        if record.i in recording.given:
            given[record.i] = recording.given[record.i]
    # One numbering for the joined trace: losses are named by it.
    following = max((record.i for record in before), default=0) + 1
    for number, record in enumerate(recorder.records, following):
        if record.i in recorder.given:
            given[number] = recorder.given[record.i]
        record.i = number
    return Examination(
        recording,
        examination.model,
        [*before, *recorder.records],
        events,
        examination.prober,
        from_position=2 * calls + 1,
        budget=budget_of_kill(examination.budget, 1) if budget is None else budget,
        kill_at=calls,
        given=given,
    )
