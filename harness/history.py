"""Running a workload without faults, and keeping what happened: the trace and the history.

One recorded run serves every profile and every crash in it: what a crash leaves is computed from
the trace afterwards. The run is also the baseline: a store that misbehaves here is not worth
crashing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from harness.disk import UNMODELLED, Machine, Process
from harness.errors import (
    BaselineError,
    CallLimitExceeded,
    HarnessError,
    Hung,
    SimulationError,
)
from harness.givers import GivingRecorder
from harness.image import EMPTY, Image
from harness.intercept import active, rerouted
from harness.ops import STORE, Operation, Workload
from harness.persistence import Effects, derive
from harness.record import Recorder
from harness.subjects import MISSING, Outcome, Session, Subject, message_of, worn
from harness.trace import Frame, Record
from harness.watch import watched

__all__ = ["DIRECTORY", "Event", "Recording", "history_until", "record"]

DIRECTORY = f"{Machine.MOUNT}/{STORE}"
"""What every subject is opened with."""


@dataclass(frozen=True, slots=True)
class Event:
    """One operation of a history.

    Attributes:
        number: Its place in the history.
        operation: What was called.
        invoked: System calls that had returned when it was called.
        returned: The same when it returned, or was cut off; it was in flight in between.
        certain: Whether it returned. One that was cut off by a kill, or raised, may have happened
            or not, for ever after.
    """

    number: int
    operation: Operation
    invoked: int
    returned: int
    certain: bool = True


@dataclass
class Recording:
    """One workload, run without faults.

    Attributes:
        subject: The store.
        workload: What was done.
        base: The disk before the first recorded call, all of it durable.
        initial: What the store held then.
        records: The trace.
        events: The history, opening and closing included.
        seed: Of the simulated machine.
        given: Where a buffered file was given what a write brings; see `harness.givers`.
        unmodelled: What it did that no persistence model speaks of, in words.
    """

    subject: Subject
    workload: Workload
    base: Image
    initial: dict[str, bytes]
    records: list[Record]
    events: list[Event] = field(default_factory=list)
    seed: int = 0
    given: dict[int, tuple[Frame, ...]] = field(default_factory=dict)
    unmodelled: tuple[str, ...] = ()

    @cached_property
    def effects(self) -> Effects:
        """The trace cut into effects."""
        return derive(self.records, self.base)


def history_until(events: list[Event], calls: int) -> list[Event]:
    """Keep the history up to a kill; what was in flight then is uncertain for ever."""
    kept = []
    for event in events:
        if event.returned <= calls:
            kept.append(event)
        elif event.invoked < calls:
            kept.append(Event(event.number, event.operation, event.invoked, calls, certain=False))
    return kept


def record(subject: Subject, workload: Workload, *, seed: int = 0) -> Recording:
    """Run a workload on a fresh simulated machine and record it.

    Args:
        subject: The store.
        workload: What to do; its setup is done first, unrecorded, and is durable.
        seed: Of the machine: clock, pids, temporary names.

    Raises:
        BaselineError: The store raised, hung, or gave back another value than was written.
    """
    with rerouted():
        base, initial = EMPTY, dict[str, bytes]()
        worn()  # the baseline owes nothing to what ran before
        if workload.setup:
            run = _Run(subject, Machine(EMPTY, seed=seed), None, {})
            run.perform_all(workload.setup)
            run.close()
            base, initial = run.machine.image(), run.model
            worn()
        recorder = GivingRecorder(subject.files)
        machine = Machine(base, seed=seed, hooks=recorder)
        run = _Run(subject, machine, recorder, dict(initial))
        with recorder.listening():
            run.perform_all(workload.operations)
            run.close()
        records, events = list(recorder.records), list(run.events)
        if machine.temporary:
            machine.unmodelled.add("temporary")
        unmodelled = tuple(UNMODELLED[what] for what in sorted(machine.unmodelled))
        run.verify(workload.keys)
    return Recording(
        subject, workload, base, initial, records, events, seed, recorder.given, unmodelled
    )


class _Run:
    """One store on one machine, with what it should hold."""

    def __init__(
        self,
        subject: Subject,
        machine: Machine,
        recorder: Recorder | None,
        model: dict[str, bytes],
    ) -> None:
        self.subject = subject
        self.machine = machine
        self.model = model
        self.events: list[Event] = []
        self._recorder = recorder
        self._marks = 0
        self._process: Process | None = None
        self._session: Session | None = None

    def perform_all(self, operations: tuple[Operation, ...]) -> None:
        self._open()
        for operation in operations:
            if operation.kind == "reopen":
                self.close()
                self._open()
            else:
                with self._event(operation):
                    self._perform(operation)

    def _open(self) -> None:
        self._process = self.machine.process()
        with self._event(Operation("open")):
            self._session = self.subject.open(DIRECTORY)

    def close(self) -> None:
        assert self._session is not None
        assert self._process is not None
        with self._event(Operation("close")):
            self._session.close()
        self._process.exit()
        self._process.kill()
        with active(self._process):
            self._session = None  # what its finalizer does, it does as a dead process

    def verify(self, keys: tuple[str, ...]) -> None:
        """Reopen and read everything back, off the record."""
        self.machine.hooks = self._recorder = None
        self._open()
        for key in keys:
            with self._event(Operation("read", key)):
                self._check(key)
        if self.subject.claims("listing"):
            with self._event(Operation("list")):
                self._check_list()
        self.close()

    def _perform(self, operation: Operation) -> None:
        session, key = self._session, operation.key
        assert session is not None
        match operation.kind:
            case "write":
                assert key is not None
                assert operation.value is not None
                session.write(key, operation.value)
                self.model[key] = operation.value
            case "delete":
                assert key is not None
                try:
                    session.delete(key)
                except self.subject.absent:
                    if key in self.model:
                        raise
                self.model.pop(key, None)
            case "read":
                assert key is not None
                self._check(key)
            case "list":
                self._check_list()
            case "sync":
                session.sync()
            case _:
                raise AssertionError(operation.kind)

    def _check(self, key: str) -> None:
        assert self._session is not None
        got = self.subject.read(self._session, key)
        expected: Outcome = self.model.get(key, MISSING)
        if got != expected:
            raise BaselineError(
                f"subject {self.subject.name}: with no fault injected, read({key!r}) gave "
                f"{_show(got)} where {_show(expected)} was expected"
            )

    def _check_list(self) -> None:
        assert self._session is not None
        names = sorted(self._session.list())
        if names != sorted(self.model):
            raise BaselineError(
                f"subject {self.subject.name}: with no fault injected, list() gave {names} where "
                f"{sorted(self.model)} was expected"
            )

    @contextmanager
    def _event(self, operation: Operation) -> Iterator[None]:
        process = self._process
        assert process is not None
        number = len(self.events)
        process.reset_calls()
        invoked = self._mark("invoke", number, operation)
        try:
            with watched(), active(process):
                yield
        except (HarnessError, KeyboardInterrupt):
            raise
        except BaseException as error:  # sys.exit() and the like, too
            raise self._failure(operation, error) from error
        returned = self._mark("return", number, operation)
        self.events.append(Event(number, operation, invoked, returned))

    def _mark(self, event: str, number: int, operation: Operation) -> int:
        """Put a mark into the trace; return how many calls it had by then."""
        recorder = self._recorder
        if recorder is None:
            return 0
        calls = len(recorder.records) - self._marks
        self._marks += 1
        recorder.mark(event, number=number, operation=operation.kind, key=operation.key)
        return calls

    def _failure(self, operation: Operation, error: BaseException) -> BaselineError:
        what = str(operation) if operation.kind != "open" else f"opening {DIRECTORY!r}"
        text = message_of(error) or type(error).__name__
        if isinstance(error, SimulationError):
            advice = "the simulated machine cannot stand in for that; see README, limits"
        elif isinstance(error, CallLimitExceeded | Hung):
            advice = "it never returned"
        elif operation.key is not None and isinstance(error, TypeError | ValueError):
            advice = "if it accepts only some keys or values, declare `keys` or `values` on it"
        else:
            advice = "no verdict on faults is possible before it works without any"
        return BaselineError(
            f"subject {self.subject.name}: with no fault injected, {what} raised "
            f"{type(error).__name__}: {text}; {advice}"
        )


_SHOWN_MAX = 60


def _show(outcome: Outcome) -> str:
    text = repr(outcome)
    if len(text) <= _SHOWN_MAX:
        return text
    size = f" ({len(outcome)} bytes)" if isinstance(outcome, bytes) else ""
    return f"{text[:_SHOWN_MAX]}...{size}"
