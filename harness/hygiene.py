"""Hygiene: what repeated crashes and failures leave behind.

One operation of a workload is crashed at the same call again and again, each time in a new process
on what the last one left, which it first has to recover; or it fails at the same call again and
again in one process. Always the same keys are used, so whatever goes on growing is not explained by
them: a stray file a time, or a descriptor. What levels off is bounded by a constant (lock files,
slots, tombstones), and fine; so is what the next such operation that ends well clears away.

Crashes are kills: a power cut leaves no more names than the page cache had. Growth in the number
of files is judged, not that of their sizes: a log grows until it is compacted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from harness.disk import Machine, Process, Verdict
from harness.disk.calls import CALLS
from harness.errors import Killed, UsageError
from harness.faults import Fault, FaultHooks, faults_of, parse
from harness.history import DIRECTORY, Recording
from harness.intercept import active
from harness.live import CALLS_MAX, attempt, perform_on
from harness.ops import Operation
from harness.oracle import Violation
from harness.quiet import bury
from harness.record import Recorder
from harness.subjects import Raised, Session
from harness.trace import Create, Frame, Record
from harness.watch import watched

__all__ = [
    "Leak",
    "Repeated",
    "judge_repeated",
    "operations_of_run",
    "parse_repeated",
    "repetitions",
]

ROUNDS: Final = 6
"""Repetitions; growth in each of the last three is confirmed by `ROUNDS_CONFIRMED`."""

ROUNDS_CONFIRMED: Final = 20


@dataclass(frozen=True, slots=True)
class Repeated:
    """A fault in one operation, over and over.

    Attributes:
        operation: Number of the operation in `operations_of_run`.
        fault: The fault; its calls are counted from the operation's start.
    """

    operation: int
    fault: Fault

    def __str__(self) -> str:
        return f"repeat operation {self.operation}: {self.fault}"

    def strikes(self, recording: Recording) -> bool:
        """Tell whether a workload has that operation, and it makes such a call."""
        if self.operation >= len(operations_of_run(recording)):
            return False
        hooks = FaultHooks(None)
        machine = Machine(recording.base, seed=recording.seed, hooks=hooks, call_limit=CALLS_MAX)
        process = machine.process()
        with watched(), active(process):
            session = recording.subject.open(DIRECTORY)
            hooks.rearm(self.fault)
            with suppress(Killed):
                _do(recording, session, self.operation)
            process.kill()
            del session
        bury()
        return hooks.fired > 0


def parse_repeated(text: str) -> Repeated:
    """Read one back.

    Raises:
        UsageError: It is none.
    """
    found = re.fullmatch(r"repeat operation (\d+): (.*)", text)
    fault = parse(found[2]) if found else None
    if found is None or not isinstance(fault, Fault):
        raise UsageError(f"repeated fault {text!r}: not understood")
    return Repeated(int(found[1]), fault)


@dataclass(slots=True)
class Leak:
    """Something that grows.

    Attributes:
        violation: What.
        at: The subject's frames where the last one of it was made.
        call: The call that made it, in words.
    """

    violation: Violation
    at: tuple[Frame, ...]
    call: str


def repetitions(recording: Recording, *, short: bool) -> list[Repeated]:
    """List what to repeat: each call of each changing operation crashed, and each of any failed.

    Args:
        recording: The run without faults.
        short: Only the last changing operation.
    """
    found: list[Repeated] = []
    operations = operations_of_run(recording)
    changing = [n for n, one in enumerate(operations) if one.kind in ("write", "delete")]
    looking = list(range(len(recording.workload.operations), len(operations)))
    for number in (*(changing[-1:] if short else changing), *looking):
        hooks = FaultHooks()
        machine = Machine(recording.base, seed=recording.seed, hooks=hooks, call_limit=CALLS_MAX)
        process = machine.process()
        with watched(), active(process):
            session = recording.subject.open(DIRECTORY)
            hooks.start()
            answer = _do(recording, session, number)
        if isinstance(answer, Raised):
            continue  # a delete of what is not there
        for seen in hooks.seen:
            if number in changing and CALLS[seen.call].changes and seen.call != "close":
                found.append(Repeated(number, Fault("*", seen.serial, killed=True)))
            found += [Repeated(number, fault) for fault in faults_of(seen, short=True)]
    return found


def operations_of_run(recording: Recording) -> tuple[Operation, ...]:
    """Give the operations that can be repeated: the workload's, then a read, then a list."""
    workload, claimed = recording.workload, recording.subject.guarantees
    looks = [Operation("read", key) for key in workload.keys[:1]]
    if claimed is None or "listing" in claimed:
        looks.append(Operation("list"))
    return (*workload.operations, *looks)


def _do(recording: Recording, session: Session, number: int) -> object:
    operation = operations_of_run(recording)[number]
    return attempt(recording.subject, lambda: perform_on(recording.subject, session, operation))


class _Makers(FaultHooks):
    """Notes where each file was made, and where each was opened last."""

    def __init__(self, recorder: Recorder | None) -> None:
        super().__init__(None, recorder)
        self.makers: dict[str, tuple[tuple[Frame, ...], str]] = {}
        self.openers: dict[str, tuple[tuple[Frame, ...], str]] = {}
        self._notes = recorder

    def before(self, process: Process, call: str, **details: Any) -> Verdict | None:
        if self._notes is not None and call == "open":
            for path in details["paths"]:
                self.openers[path] = self._notes.at(), f"open({path!r})"
        return super().before(process, call, **details)

    def record(self, record: Record) -> None:
        super().record(record)
        if self._notes is not None and isinstance(record, Create):
            self.makers[record.path] = self._notes.at(), f"open({record.path!r})"


def judge_repeated(recording: Recording, repeated: Repeated) -> Iterator[Leak]:
    """Repeat a fault, and tell what grows with each repetition."""
    rounds = _crashes if repeated.fault.killed else _failures
    counts = [one.amounts for one in rounds(recording, repeated, ROUNDS, None)][:ROUNDS]
    if not any(_grows(counts, index) for index in (0, 1)):
        return
    recorder = Recorder(recording.subject.files)
    states = list(rounds(recording, repeated, ROUNDS_CONFIRMED, recorder))
    if len(states) <= ROUNDS_CONFIRMED:
        return  # it ended early: it no longer opens, which is a matter of recovery
    settled = states.pop().amounts
    counts = [one.amounts for one in states]
    for index, kind, what in ((0, "file-leak", "files"), (1, "descriptor-leak", "descriptors")):
        if not _grows(counts, index) or settled[index] <= counts[0][index] + 1:
            continue
        numbers = [count[index] for count in counts]
        how = "crashes" if repeated.fault.killed else "failures"
        observed = (
            f"after {ROUNDS_CONFIRMED} {how} at the same call there are {numbers[-1]} {what} where "
            f"there were {numbers[0]} after the first"
        )
        violation = Violation(
            "hygiene", kind, "leak", None, observed, (f"a number of {what} that levels off",), 0
        )
        last = states[-1]
        yield Leak(violation, *(last.stray if index == 0 else last.held))


def _grows(counts: list[tuple[int, int]], index: int) -> bool:
    last = [count[index] for count in counts[-4:]]
    return len(last) == 4 and all(a < b for a, b in pairwise(last))  # noqa: PLR2004


@dataclass(slots=True)
class _State:
    """How much there was after a repetition, and where the newest of it came from."""

    amounts: tuple[int, int]
    stray: tuple[tuple[Frame, ...], str] = ((), "")
    held: tuple[tuple[Frame, ...], str] = ((), "")


def _crashes(
    recording: Recording, repeated: Repeated, rounds: int, recorder: Recorder | None
) -> Iterator[_State]:
    image = recording.base
    for number in range(rounds):
        hooks = _Makers(recorder)
        # Another seed each time: a restarted process draws other temporary names.
        machine = Machine(image, seed=recording.seed + number, hooks=hooks, call_limit=CALLS_MAX)
        process = machine.process()
        before = set(image.files())
        with watched(), active(process):
            session = attempt(recording.subject, lambda: recording.subject.open(DIRECTORY))
            if isinstance(session, Raised):
                return  # a matter of recovery
            hooks.rearm(repeated.fault)
            with suppress(Killed):
                _do(recording, session, repeated.operation)  # type: ignore[arg-type]
            process.kill()
            del session
        bury()
        image = machine.image()
        after = image.files()
        state = _State((len(after), 0))
        for path in sorted(set(after) - before):
            state.stray = hooks.makers.get(path, state.stray)
        yield state
    machine = Machine(image, seed=recording.seed + rounds, hooks=_Makers(None))
    process = machine.process()
    with watched(), active(process):
        session = attempt(recording.subject, lambda: recording.subject.open(DIRECTORY))
        if not isinstance(session, Raised):
            _do(recording, session, repeated.operation)  # type: ignore[arg-type]
        process.kill()
        del session
    bury()
    yield _State((len(machine.image().files()), 0))


def _failures(
    recording: Recording, repeated: Repeated, rounds: int, recorder: Recorder | None
) -> Iterator[_State]:
    hooks = _Makers(recorder)
    machine = Machine(recording.base, seed=recording.seed, hooks=hooks, call_limit=CALLS_MAX)
    process = machine.process()
    before = set(recording.base.files())
    with watched(), active(process):
        session = attempt(recording.subject, lambda: recording.subject.open(DIRECTORY))
        if isinstance(session, Raised):
            return
        for _ in range(rounds):
            process.reset_calls()
            hooks.rearm(repeated.fault)
            _do(recording, session, repeated.operation)  # type: ignore[arg-type]
            hooks.clear()
            after = set(machine.image().files())
            state = _State((len(after), len(process.fds)))
            for path in sorted(after - before):
                state.stray = hooks.makers.get(path, state.stray)
            if process.fds:
                path = process.fds[max(process.fds)].path()
                state.held = hooks.openers.get(path, state.held)
            before = after
            yield state
        process.reset_calls()
        _do(recording, session, repeated.operation)  # type: ignore[arg-type]
        yield _State((len(machine.image().files()), len(process.fds)))
        process.kill()
        del session
    bury()
