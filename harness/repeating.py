"""Repeating a fault in one operation of a workload, and counting what there is after each time.

What is counted, and what of it counts as a leak, is the business of `harness.hygiene`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from harness.disk import Machine, Process, Verdict
from harness.errors import Killed
from harness.explore import Explorer
from harness.fault_hooks import FaultHooks
from harness.faults import Fault, Seen
from harness.history import DIRECTORY, Recording
from harness.image import BootSource, Image
from harness.intercept import active
from harness.live import CALLS_MAX, attempt, perform_on
from harness.ops import Operation
from harness.persistence import Model, constrain, derive
from harness.quiet import bury
from harness.record import Recorder
from harness.subjects import Raised, Session, worn
from harness.trace import Create, Frame, Record, Unlink, is_call
from harness.watch import watched

__all__ = [
    "Amounts",
    "behind",
    "calls_of",
    "crashes",
    "failures",
    "operations_of_run",
    "power_cuts",
    "reopenings",
    "strikes",
    "words_of",
]

_STATES: Final = 128
"""Crash states among which that with the most files is looked for: with more than seven effects
not all, but each effect that survives alone, and each that is lost alone."""

_Place = tuple[tuple[Frame, ...], str]
_NOWHERE: Final[_Place] = ((), "")


@dataclass(slots=True)
class Amounts:
    """How much there is after a repetition.

    Attributes:
        files: Files on disk.
        descriptors: Open descriptors of the process that lives on.
        removed: Files on disk that a recovery, or the operation, had removed.
        made: For each of those, where the newest came from: the subject's frames, and the call.
    """

    files: int = 0
    descriptors: int = 0
    removed: int = 0
    made: dict[str, _Place] = field(default_factory=dict)


def operations_of_run(recording: Recording) -> tuple[Operation, ...]:
    """Give the operations that can be repeated: the workload's, then a read, then a list."""
    workload, claimed = recording.workload, recording.subject.guarantees
    looks = [Operation("read", key) for key in workload.keys[:1]]
    if claimed is None or "listing" in claimed:
        looks.append(Operation("list"))
    return (*workload.operations, *looks)


def calls_of(recording: Recording, operation: int) -> list[Seen]:
    """List the calls of an operation, counted from its start; none where it cannot be done."""
    hooks = FaultHooks()
    machine = Machine(recording.base, seed=recording.seed, hooks=hooks, call_limit=CALLS_MAX)
    with _opened(recording, machine.process()) as session:
        if isinstance(session, Raised):
            return []
        hooks.start()
        # A delete of what is not there is nothing to repeat.
        answer = _do(recording, session, operation)
    return [] if isinstance(answer, Raised) else hooks.seen


def behind(recording: Recording, operation: int, fault: Fault) -> list[Seen]:
    """List the calls that an operation makes after a fault, counted from there."""
    return list(_struck(recording, operation, fault).behind)


def strikes(recording: Recording, operation: int, fault: Fault) -> bool:
    """Tell whether all of a fault fires in an operation."""
    return _struck(recording, operation, fault).complete


def _struck(recording: Recording, operation: int, fault: Fault) -> FaultHooks:
    hooks = FaultHooks(None)
    machine = Machine(recording.base, seed=recording.seed, hooks=hooks, call_limit=CALLS_MAX)
    with _opened(recording, machine.process()) as session:
        if not isinstance(session, Raised):
            hooks.rearm(fault)
            with suppress(Killed):
                _do(recording, session, operation)
    return hooks


@contextmanager
def _opened(recording: Recording, process: Process) -> Iterator[Session | Raised]:
    """Open the store in a process that dies at the end."""
    with watched(), active(process):
        session: Any = attempt(recording.subject, lambda: recording.subject.open(DIRECTORY))
        yield session
        process.kill()
        worn()
        del session
    bury()


def _do(recording: Recording, session: Session, number: int) -> object:
    """Do an operation, and make it last where that takes a sync; give what it said, or an error."""
    subject, operation = recording.subject, operations_of_run(recording)[number]
    answer = attempt(subject, lambda: perform_on(subject, session, operation))
    if _syncs_after(recording, operation) and not isinstance(answer, Raised):
        done = attempt(subject, lambda: perform_on(subject, session, Operation("sync")))
        answer = done if isinstance(done, Raised) else answer
    return answer


def words_of(recording: Recording, number: int) -> str:
    """Say what is repeated."""
    operation = operations_of_run(recording)[number]
    return f"{operation}, sync()" if _syncs_after(recording, operation) else str(operation)


def _syncs_after(recording: Recording, operation: Operation) -> bool:
    """Tell whether a sync belongs to an operation that is repeated: without it little happens."""
    return recording.subject.sync is not None and operation.kind in ("write", "delete")


class _Makers(FaultHooks):
    """Notes where each file was made, opened, and removed last."""

    def __init__(self, recorder: Recorder | None, *, lines: bool) -> None:
        super().__init__(None, recorder)
        self.makers: dict[str, _Place] = {}
        self.openers: dict[str, _Place] = {}
        self.removers: dict[str, _Place] = {}
        self._notes = recorder if lines else None

    def before(self, process: Process, call: str, **details: Any) -> Verdict | None:
        if self._notes is not None and call == "open":
            for path in details["paths"]:
                self.openers[path] = self._notes.at(), f"open({path!r})"
        return super().before(process, call, **details)

    def record(self, record: Record) -> None:
        super().record(record)
        if self._notes is not None and isinstance(record, Create):
            self.makers[record.path] = self._notes.at(), f"open({record.path!r})"
        if self._notes is not None and isinstance(record, Unlink):
            self.removers[record.path] = self._notes.at(), f"unlink({record.path!r})"


def _machine(
    recording: Recording, image: BootSource, hooks: FaultHooks, number: int, *, backwards: bool
) -> Machine:
    # Another seed each time: a restarted process draws other temporary names.
    seed = recording.seed + number
    machine = Machine(image, seed=seed, hooks=hooks, call_limit=CALLS_MAX)
    machine.main.backwards = backwards
    return machine


def crashes(
    recording: Recording,
    operation: int,
    fault: Fault,
    *,
    rounds: int,
    lines: bool,
    backwards: bool = False,
) -> Iterator[Amounts]:
    """Kill a process in the operation, each time a new one; at last let one live.

    Args:
        recording: The run without faults.
        operation: Which.
        fault: The kill.
        rounds: How many times.
        lines: Whether to ask which line made what.
        backwards: Whether directories are listed in reverse order.
    """
    image = recording.base
    for number in range(rounds):
        hooks = _Makers(Recorder(recording.subject.files) if lines else None, lines=lines)
        machine = _machine(recording, image, hooks, number, backwards=backwards)
        before = set(image.files())
        if not _begin(recording, machine.process(), operation, hooks, fault):
            return  # a matter of recovery
        image = machine.image()
        after = image.files()
        yield Amounts(
            len(after), made={"files": _newest(hooks.makers, sorted(set(after) - before))}
        )
    hooks = _Makers(None, lines=False)
    machine = _machine(recording, image, hooks, rounds, backwards=backwards)
    with _opened(recording, machine.process()) as session:
        if not isinstance(session, Raised):
            _do(recording, session, operation)
    yield Amounts(len(machine.image().files()))


def _begin(
    recording: Recording, process: Process, operation: int, hooks: FaultHooks, kill: Fault | None
) -> bool:
    """Open the store and do an operation, up to where it is killed; tell whether it opened."""
    with _opened(recording, process) as session:
        if isinstance(session, Raised):
            return False
        if kill is not None:
            hooks.rearm(kill)
        with suppress(Killed):
            _do(recording, session, operation)
    return True


def _newest(places: dict[str, _Place], paths: list[str]) -> _Place:
    found = _NOWHERE
    for path in paths:
        found = places.get(path, found)
    return found


def failures(
    recording: Recording,
    operation: int,
    fault: Fault,
    *,
    rounds: int,
    lines: bool,
    backwards: bool = False,
) -> Iterator[Amounts]:
    """Let the operation fail in one process, again and again; at last let it succeed.

    Args: as `crashes` has them.
    """
    hooks = _Makers(Recorder(recording.subject.files) if lines else None, lines=lines)
    machine = _machine(recording, recording.base, hooks, 0, backwards=backwards)
    process = machine.process()
    before = set(recording.base.files())
    held = _NOWHERE
    with _opened(recording, process) as session:
        if isinstance(session, Raised):
            return
        for _ in range(rounds):
            process.reset_calls()
            hooks.rearm(fault)
            _do(recording, session, operation)
            hooks.clear()
            after = set(machine.image().files())
            if process.fds:
                held = hooks.openers.get(process.fds[max(process.fds)].path(), held)
            stray = _newest(hooks.makers, sorted(after - before))
            made = {"files": stray, "descriptors": held}
            yield Amounts(len(after), len(process.fds), made=made)
            before = after
        process.reset_calls()
        _do(recording, session, operation)
        yield Amounts(len(machine.image().files()), len(process.fds))


def reopenings(
    recording: Recording,
    operation: int,
    fault: Fault,
    *,
    rounds: int,
    lines: bool,
    backwards: bool = False,
    sound: bool = False,
) -> Iterator[Amounts]:
    """Open and close the store in one process each time another one died in the operation.

    Args:
        recording: The run without faults.
        operation: Which.
        fault: The kill.
        rounds: How many times.
        lines: Whether to ask which line opened what.
        backwards: Whether directories are listed in reverse order.
        sound: The other one is not killed, which shows what an opening keeps anyway.
    """
    hooks = _Makers(Recorder(recording.subject.files) if lines else None, lines=lines)
    machine = _machine(recording, recording.base, hooks, 0, backwards=backwards)
    survivor = machine.process()
    held = _NOWHERE
    for _ in range(rounds + 1):
        if not _begin(recording, machine.process(), operation, hooks, None if sound else fault):
            return
        hooks.clear()
        survivor.reset_calls()
        with watched(), active(survivor):
            opened: Any = attempt(recording.subject, lambda: recording.subject.open(DIRECTORY))
            if isinstance(opened, Raised):
                return
            attempt(recording.subject, opened.close)
            del opened
        bury()
        if survivor.fds:
            held = hooks.openers.get(survivor.fds[max(survivor.fds)].path(), held)
        yield Amounts(descriptors=len(survivor.fds), made={"descriptors": held})
    survivor.kill()


def power_cuts(
    recording: Recording,
    operation: int,
    fault: Fault,
    *,
    model: Model,
    rounds: int,
    lines: bool,
    backwards: bool = False,
) -> Iterator[Amounts]:
    """Cut the power in the operation, each time leaving the most files that a model allows.

    Args:
        recording: The run without faults.
        operation: Which.
        fault: Where, as a kill.
        model: The persistence model.
        rounds: How many times.
        lines: Whether to ask which line removed what.
        backwards: Whether directories are listed in reverse order.
    """
    image = recording.base
    for number in range(rounds + 1):
        recorder = Recorder(recording.subject.files)
        hooks = _Makers(recorder, lines=lines)
        machine = _machine(recording, image, hooks, number, backwards=backwards)
        if not _begin(recording, machine.process(), operation, hooks, fault):
            return  # a matter of recovery
        gone = set(image.files()) - set(machine.image().files())
        image = _fullest(recording, image, recorder.records, model)
        back = sorted(gone & set(image.files()))
        made = {"removed": _newest(hooks.removers, back)}
        yield Amounts(len(image.files()), removed=len(back), made=made)


def _fullest(
    recording: Recording, image: Image, records: list[Record], model: Model
) -> Image:  # fmt: skip
    """Give the crash state after some calls that has the most files; of several, the first."""
    calls = sum(map(is_call, records))
    explorer = Explorer(
        constrain(derive(records, image), model),
        budget=_STATES,
        seed=recording.seed,
        at=2 * calls,
    )
    most, found = -1, image
    for state in explorer.states():
        there = len(explorer.view(state).tree.files)
        if there > most:
            most, found = there, explorer.image(state)
    return found
