"""Running a workload with a fault in it, live, and looking at the store at once and afterwards.

Not computed from a trace like a crash: what a store does about an error decides what happens next.
The run goes on until the operation that the fault struck has returned or raised. Then the fault is
over, and the store is asked, in this order: to show its values in the same process; a copy of the
disk, to show them to a new process; to do the failed operation again, or to write; to shut down;
and a new process, to show the values at last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from harness.disk import Hooks, Machine, Process, Wait
from harness.errors import CallLimitExceeded, HarnessError, Hung, SimulationError
from harness.fault_hooks import FaultHooks
from harness.faults import AnyFault, Full, Seen
from harness.history import DIRECTORY, Event, Recording
from harness.image import BootSource, Image
from harness.intercept import active
from harness.ops import Operation
from harness.quiet import bury
from harness.record import Recorder
from harness.recovery import RESTART, Reading, follow_values
from harness.subjects import MISSING, Outcome, Raised, Session, Subject, worn
from harness.trace import Frame, Record
from harness.watch import watched

__all__ = [
    "Faulted",
    "Follow",
    "attempt",
    "images_of",
    "read_back",
    "run_after_kill",
    "run_faulted",
    "run_sound",
    "seen_in",
    "steps",
]

CALLS_MAX: Final = 200_000
"""System calls that one operation may make before it counts as never returning."""


@dataclass(slots=True)
class Follow:
    """What the store did once the fault was over.

    Attributes:
        values: What reading each key gave in the same process.
        disk: What the disk held then.
        refused: The operation that failed although nothing was wrong any more, and how.
        back: Key, what was written there, and what reading it gave at once.
        position: Calls made when all of it had returned.
        later: What a new process read, opening included.
    """

    values: dict[str, Outcome] = field(default_factory=dict)
    disk: Image | None = None
    refused: tuple[Operation, Raised] | None = None
    back: list[tuple[str, bytes, Outcome]] = field(default_factory=list)
    later: dict[str, Outcome] | Raised | None = None


@dataclass(slots=True)
class Faulted:
    """One run with a fault.

    Attributes:
        fault: The fault, if there was one.
        fired: How often it fired; at nought the rest says nothing.
        events: The history, follow-up included; what raised is uncertain.
        struck: Number of the event it struck.
        answer: What that operation gave: a value, names, nothing, or what it raised.
        records: The trace.
        at: The subject's frames at the call that failed.
        call: That call, in words.
        before: What the disk held when it failed.
        ended: Calls made when the operation ended.
        reverts: Whether a failed fsync took the memory back.
        behind: Calls that the operation made after it, where the fault may be followed by another.
        follow: What came then.
    """

    fault: AnyFault | None
    fired: int = 0
    events: list[Event] = field(default_factory=list)
    struck: int = -1
    answer: object = None
    records: list[Record] = field(default_factory=list)
    at: tuple[Frame, ...] = ()
    call: str = ""
    before: Image | None = None
    ended: int = 0
    reverts: bool = False
    behind: list[Seen] = field(default_factory=list)
    follow: Follow = field(default_factory=Follow)


def steps(recording: Recording) -> Iterator[Operation]:
    """Give everything a run does: the workload, then each key read and all listed."""
    yield Operation("open")
    for operation in recording.workload.operations:
        if operation.kind == "reopen":
            yield Operation("close")
            yield Operation("open")
        else:
            yield operation
    for key in recording.workload.keys:
        yield Operation("read", key)
    if recording.subject.claims("listing"):
        yield Operation("list")
    yield Operation("close")


def attempt(subject: Subject, call: Callable[[], object]) -> object:
    """Call the subject; an exception is an outcome."""
    try:
        return call()
    except (HarnessError, SimulationError):
        raise
    except (Exception, CallLimitExceeded, Hung) as error:  # noqa: BLE001 - any is an outcome
        return subject.raised(error)


def perform_on(subject: Subject, session: Session, operation: Operation) -> object:
    """Do one operation on an open store; give what it returned, or an error it contained.

    A delete that says that there is no such key gives MISSING.
    """
    key = operation.key or ""
    match operation.kind:
        case "write":
            session.write(key, operation.value or b"")
        case "delete":
            try:
                session.delete(key)
            except subject.absent as error:
                # A disk's answer may be of such a type too: one that says so is no "no key".
                return MISSING if _says_absent(error) else subject.raised(error)
        case "read":
            return subject.read(session, key)
        case "list":
            return tuple(session.list())
        case "sync":
            session.sync()
        case _:
            session.close()
    return None


def read_back(
    subject: Subject,
    image: BootSource,
    keys: tuple[str, ...],
    *,
    seed: int = 0,
    hooks: Hooks | None = None,
    listed: bool = False,
) -> Reading:
    """Open the store on a disk in a process of its own and read keys; the process then dies.

    Args:
        subject: The store.
        image: The disk; never changed.
        keys: What to read.
        seed: Of the run that left the disk: a restarted machine draws other temporary names.
        hooks: Who else looks on; None is fastest.
        listed: Whether to read what it lists, too.
    """
    machine = Machine(image, seed=seed + RESTART, hooks=hooks or _Alone(), call_limit=CALLS_MAX)
    process = machine.process()
    with watched(), active(process):
        session = attempt(subject, lambda: subject.open(DIRECTORY))
        if isinstance(session, Raised):
            reading = Reading(session)
        else:
            opened = cast("Session", session)
            if listed:
                keys = (*keys, *_others(subject, opened, keys))
            reading = Reading(None, (), {key: _read(subject, opened, key) for key in keys})
            del opened
        process.kill()
        del session  # what its finalizer does, it does as a dead process
    bury()
    return reading


def _others(subject: Subject, session: Session, keys: tuple[str, ...]) -> list[str]:
    """Give the names that a store lists besides some; none where it cannot list."""
    names = attempt(subject, lambda: tuple(session.list()))
    if not isinstance(names, tuple):
        return []
    return sorted({name for name in names if isinstance(name, str)} - set(keys))


def _read(subject: Subject, session: Session, key: str) -> Outcome:
    answer = attempt(subject, lambda: subject.read(session, key))
    assert answer is MISSING or isinstance(answer, bytes | Raised)
    return answer


class _Alone(Hooks):
    """Nobody else runs: a store that waits for a lock waits for ever."""

    def blocked(self, process: Process, wait: Wait) -> None:
        raise Hung(f"process {process.number} waits for ever for {wait}")


def seen_in(recording: Recording) -> list[Seen]:
    """List the calls that a run makes without any fault."""
    hooks = FaultHooks()
    live = _Live(recording, hooks, None)
    for operation in steps(recording):
        live.perform(operation)
    return hooks.seen


def images_of(recording: Recording) -> Iterator[Image]:
    """Run a workload without any fault; give the disk before it and after each operation."""
    live = _Live(recording, FaultHooks(), None)
    yield recording.base
    for operation in steps(recording):
        live.perform(operation)
        yield live.machine.image()


def run_faulted(recording: Recording, fault: AnyFault, *, reverts: bool = False) -> Faulted:
    """Run a recorded workload again, with a fault.

    Args:
        recording: The run without.
        fault: What to inject.
        reverts: See `harness.fault_hooks.FaultHooks`.
    """
    recorder = Recorder(recording.subject.files)
    hooks = FaultHooks(fault, recorder, reverts=reverts)
    live = _Live(recording, hooks, fault)
    result = Faulted(fault, records=recorder.records, reverts=reverts)
    live.records, live.events = recorder.records, result.events
    for operation in steps(recording):
        answer = live.perform(operation)
        if not hooks.fired:
            continue
        worn()
        if not hooks.complete:
            break  # what was to follow it never came
        result.behind = list(hooks.behind)
        hooks.clear()
        live.machine.main.capacity_blocks = None
        live.machine.main.capacity_inodes = None
        result.fired, result.at, result.call = hooks.fired, hooks.at, hooks.struck
        result.before, result.answer = hooks.image, answer
        result.struck, result.ended = len(result.events) - 1, len(recorder.records)
        _follow(live, result, operation, retry=isinstance(answer, Raised))
        break
    del live
    bury()
    return result


def run_sound(recording: Recording) -> Faulted:
    """Run a workload and what would follow a fault, without one."""
    recorder = Recorder(recording.subject.files)
    live = _Live(recording, FaultHooks(None, recorder), None)
    result = Faulted(None, records=recorder.records)
    live.records, live.events = recorder.records, result.events
    *todo, _ = steps(recording)
    last = todo[0]
    for operation in todo:
        live.perform(operation)
        if operation.kind in ("write", "delete"):
            last = operation
    result.struck, result.ended = len(result.events) - 1, len(recorder.records)
    _follow(live, result, last, retry=last.kind == "write")
    del live
    bury()
    return result


def run_after_kill(
    recording: Recording,
    image: Image,
    events: list[Event],
    killed: int,
    hooks: FaultHooks,
    fault: AnyFault | None,
) -> Faulted:
    """Open a store after a kill, read, and write, with a fault; what raises is done once more.

    Args:
        recording: The run that was killed.
        image: What memory held then.
        events: The history up to there; added to, with calls counted on from there.
        killed: Calls made up to there.
        hooks: Inject the fault, and record.
        fault: It; None for none.
    """
    result = Faulted(fault, events=events, reverts=hooks.reverts)
    live = _Live(recording, hooks, fault, image, RESTART)
    live.events = events
    live.records, live.before = hooks.records, killed
    todo = [Operation("open"), *(Operation("read", key) for key in live.keys)]
    todo += [
        Operation("write", key, value) for key, value in zip(live.keys, live.writes, strict=False)
    ]
    for operation in todo:
        answer = live.perform(operation)
        if hooks.fired and not result.fired:
            worn()
            if not hooks.complete:
                break
            result.fired, result.at, result.call = hooks.fired, hooks.at, hooks.struck
            result.answer, result.before = answer, hooks.image
            result.struck, result.ended = len(events) - 1, len(live.records)
            hooks.clear()
            if isinstance(answer, Raised):
                answer = live.perform(operation, again=True)
        if isinstance(answer, Raised) and operation.kind != "read":
            break
    result.records = list(live.records)
    if fault is None:
        result.struck, result.ended = len(events) - 1, killed + len(result.records)
    else:
        result.ended += killed
    live.process.kill()
    return result


class _Live:
    """One store, on one machine."""

    before: int = 0
    """Calls made before this machine started."""

    def __init__(
        self,
        recording: Recording,
        hooks: FaultHooks,
        fault: AnyFault | None,
        image: Image | None = None,
        restarts: int = 0,
    ) -> None:
        self.subject = recording.subject
        self.keys = recording.workload.keys
        self.writes = follow_values(recording.subject, recording.workload)
        self.records: list[Record] = []
        self.events: list[Event] = []
        full = fault if isinstance(fault, Full) else None
        self.machine = Machine(
            recording.base if image is None else image,
            seed=recording.seed + restarts,
            hooks=hooks,
            call_limit=CALLS_MAX,
            capacity_bytes=full.amount if full and full.unit == "bytes" else None,
            capacity_inodes=full.amount if full and full.unit == "inodes" else None,
        )
        worn()  # whatever ran before: this is the machine's first process
        self.process: Process = self.machine.process()
        self.session: Session | None = None

    def perform(self, operation: Operation, *, again: bool = False) -> object:
        """Call the store; an exception is an answer, and leaves it uncertain what happened.

        Args:
            operation: What to do.
            again: Whether it was tried before and raised: a delete that finds no key then has seen
                an absence, and promises nothing about it.
        """
        if operation.kind == "open" and self.session is None and self.events:
            self.process.exit()
            self.process = self.machine.process()
        self.process.reset_calls()
        invoked = self.before + len(self.records)
        with watched(), active(self.process):
            answer = attempt(self.subject, lambda: self._call(operation))
        certain = not isinstance(answer, Raised) and not (
            again and operation.kind == "delete" and answer is MISSING
        )
        self.events.append(
            Event(
                len(self.events),
                operation,
                invoked,
                self.before + len(self.records),
                certain=certain,
            )
        )
        return answer

    def _call(self, operation: Operation) -> object:
        if operation.kind == "open":
            self.session = self.subject.open(DIRECTORY)
            return None
        session = self.session
        if session is None:
            return None
        if operation.kind == "close":
            self.session = None
        return perform_on(self.subject, session, operation)

    def read_all(self) -> dict[str, Outcome]:
        """Read every key in the present process."""
        session = self.session
        assert session is not None
        self.process.reset_calls()
        with watched(), active(self.process):
            return {key: _read(self.subject, session, key) for key in self.keys}


def _says_absent(error: BaseException) -> bool:
    return not isinstance(error, OSError) or isinstance(error, FileNotFoundError)


def _follow(live: _Live, result: Faulted, struck: Operation, *, retry: bool) -> None:
    """The fault is over: look, use, and look again."""
    follow, subject = result.follow, live.subject
    if live.session is None and not _again(live, follow, Operation("open")):
        return
    follow.values = live.read_all()
    follow.disk = live.machine.image()
    first = live.keys[0] if live.keys else None
    todo: list[Operation] = []
    if struck.kind in ("write", "delete", "sync") and retry:
        todo.append(struck)  # what every caller does next: try again
    key = struck.key or first
    if key is not None:
        todo.append(Operation("write", key, live.writes[0]))
        others = [one for one in live.keys if one != key]
        if others:
            todo.append(Operation("write", others[-1], live.writes[1]))
    if subject.sync is not None:
        todo.append(Operation("sync"))
    written: dict[str, bytes] = {}
    for operation in todo:
        if not _again(live, follow, operation):
            return
        if operation.kind == "write" and operation.key is not None:
            written[operation.key] = operation.value or b""
            got = live.read_all()[operation.key]
            follow.back.append((operation.key, written[operation.key], got))
    if not _again(live, follow, Operation("close")):
        return
    answer = live.perform(Operation("open"))
    follow.later = answer if isinstance(answer, Raised) else live.read_all()
    live.process.kill()


def _again(live: _Live, follow: Follow, operation: Operation) -> bool:
    """Do something that has to work now; tell whether it did."""
    answer = live.perform(operation, again=True)
    if isinstance(answer, Raised):
        follow.refused = operation, answer
        return False
    return True
