"""Running a concurrent workload under one schedule, on a machine of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from harness.disk import Hooks, Machine
from harness.errors import CallLimitExceeded, HarnessError, Killed, SimulationError
from harness.history import DIRECTORY
from harness.image import EMPTY, BootSource, Image
from harness.intercept import active, rerouted
from harness.live import perform_on
from harness.ops import Operation
from harness.quiet import bury
from harness.record import Recorder
from harness.schedule.carriers import Carriers
from harness.schedule.engine import Engine
from harness.schedule.interleaving import ConcurrentEvent, Interleaving, Stuck, Taken
from harness.schedule.modules import copies_of
from harness.schedule.policy import Follow, Policy
from harness.schedule.schedule import Schedule
from harness.schedule.workload import ConcurrentWorkload
from harness.schedule.writer import Point, Writer
from harness.subjects import Raised, Session, Subject
from harness.watch import watched

__all__ = ["CALLS_MAX", "Look", "prepare", "run_policy", "run_schedule"]

Look: TypeAlias = Callable[[Machine, Subject, Interleaving], object]
"""Looks at the machine, and at the run so far, after everybody has ended."""

CALLS_MAX: Final = 20_000
"""System calls that one operation may make before it counts as never returning."""


@dataclass(slots=True)
class _Store:
    """What writers of one process share.

    Attributes:
        subject: The store, with module state of this process's own.
        session: It, open.
        opened: Whether opening it has ended, well or not.
    """

    subject: Subject
    session: Session | None = None
    opened: bool = False


def prepare(subject: Subject, workload: ConcurrentWorkload, *, seed: int = 0) -> Image:
    """Do a workload's setup with one process; give the disk it leaves.

    Args:
        subject: The store.
        workload: Whose setup.
        seed: Of the machine.
    """
    if not workload.setup:
        return EMPTY
    with rerouted():
        machine = Machine(EMPTY, seed=seed)
        process = machine.process()
        with active(process):
            session = subject.open(DIRECTORY)
            for operation in workload.setup:
                perform_on(subject, session, operation)
            session.close()
            process.exit()
            del session
    return machine.image()


def run_schedule(
    subject: Subject,
    workload: ConcurrentWorkload,
    schedule: Schedule | Policy,
    *,
    base: BootSource | None = None,
    seed: int = 0,
    hooks: Hooks | None = None,
    frames: bool = False,
) -> Interleaving:
    """Run a workload under one schedule.

    Args:
        subject: The store.
        workload: What its writers do.
        schedule: Who goes when, or a policy that decides it.
        base: The disk at the start, all of it durable; None for what the workload's setup leaves.
        seed: Of the machine: clock, pids, temporary names.
        hooks: Who else looks on, and may inject faults; told of each call after the choice fell on
            it and right before it takes effect.
        frames: Whether to keep the subject's frames with each turn.

    Raises:
        HarnessError: What the subject's opening raised as the user's mistake.
        SimulationError: The store did what the simulated machine cannot represent.
    """
    policy: Policy = Follow(schedule) if isinstance(schedule, Schedule) else schedule
    if base is None:
        base = prepare(subject, workload, seed=seed)
    with rerouted(), Carriers() as carriers:
        found, _ = run_policy(
            subject, workload, policy, carriers, base=base, seed=seed, hooks=hooks, frames=frames
        )
    if isinstance(policy, Follow):
        found.diverged = policy.diverged
    return found


def run_policy(
    subject: Subject,
    workload: ConcurrentWorkload,
    policy: Policy,
    carriers: Carriers,
    *,
    base: BootSource,
    seed: int = 0,
    hooks: Hooks | None = None,
    frames: bool = False,
    crashes: bool = False,
    turned: Callable[[Writer, Taken], None] | None = None,
    look: Look | None = None,
) -> tuple[Interleaving, Engine]:
    """Run once; rerouting is on, and threads are there.

    Args:
        subject: The store.
        workload: What its writers do.
        policy: Who goes next.
        carriers: Threads to run on.
        base: The disk at the start.
        seed: Of the machine.
        hooks: See `run_schedule`.
        frames: See there.
        crashes: See `harness.schedule.footprint.footprint`.
        turned: Told of each turn, with its writer, right before it is taken.
        look: Looks at a machine on which everybody has come to an end, with a copy of the store
            whose module state is that of a new process; what it gives is in ``after``.
    """
    recorder = Recorder(subject.files)
    engine = Engine(policy, recorder, hooks=hooks, frames=frames, crashes=crashes, turned=turned)
    machine = Machine(base, seed=seed, hooks=engine, call_limit=CALLS_MAX)
    run = _Run(engine, machine, workload)
    copies = copies_of(subject)
    if workload.mode == "threads":
        run.threads(next(copies))
    else:
        run.processes(copies)
    engine.run(carriers)
    bury()
    if engine.relay.failure is not None:
        raise engine.relay.failure
    machine.hooks = None
    found = Interleaving(
        workload,
        engine.transcript.schedule,
        base if isinstance(base, Image) else None,
        seed,
        recorder.records,
        engine.transcript.steps,
        run.events,
        None if look is not None else machine.image(),
        engine.stuck,
        tuple(engine.killed),
        crashed=engine.crashed,
        complete=not engine.abandoned,
        pressed=engine.transcript.pressed,
    )
    if look is not None and found.complete and found.stuck is None and not found.crashed:
        with watched():
            found.after = look(machine, next(copies), found)
        bury()
    return found, engine


class _Run:
    """The bodies of the writers, and the history they make."""

    def __init__(self, engine: Engine, machine: Machine, workload: ConcurrentWorkload) -> None:
        self.engine = engine
        self.machine = machine
        self.workload = workload
        self.events: list[ConcurrentEvent] = []

    def processes(self, copies: Iterator[Subject]) -> None:
        """Add a writer for each process."""
        for operations in self.workload.writers:
            every = (Operation("open"), *operations, Operation("close"))
            store = _Store(next(copies))
            process = self.machine.process()
            self.engine.add(
                process,
                lambda writer, every=every, store=store: self._process(writer, every, store),  # type: ignore[misc]
                self._invoke(len(self.engine.writers), every[0]),
            )

    def threads(self, subject: Subject) -> None:
        """Add a writer for each thread, and the main thread that opens and closes."""
        process, store = self.machine.process(), _Store(subject)
        writers: list[Writer] = []
        for operations in self.workload.writers:
            writer = self.engine.add(
                process,
                lambda writer, operations=operations: self._thread(writer, operations, store),  # type: ignore[misc]
                Point("start"),
            )
            writer.ready = lambda: store.opened
            writer.waiting = lambda: "the store to be opened"
            writers.append(writer)
        self.engine.add(
            process,
            lambda writer: self._main(writer, writers, store),
            self._invoke(len(writers), Operation("open")),
        )

    def _process(
        self,
        writer: Writer,
        operations: tuple[Operation, ...],
        store: _Store,
        *,
        again: bool = False,
    ) -> None:
        for number, operation in enumerate(operations):
            if operation.kind == "reopen":
                self._perform(writer, store, Operation("close"))
                self._exit(writer, store)
                writer.process = self.machine.process()
                with active(writer.process):
                    rest = (Operation("open"), *operations[number + 1 :])
                    self._process(writer, rest, store, again=True)
                return
            self._perform(writer, store, operation, first=not number and not again)
            if store.session is None:
                break
        self._exit(writer, store)

    def _exit(self, writer: Writer, store: _Store) -> None:
        if writer.process.fds:
            touches = self.engine.locks_of(writer.index)
            self.engine.point(writer, Point("exit", changes=bool(touches), touches=touches))
        writer.process.exit()
        writer.process.kill()
        store.session = None  # what its finalizer does, it does as a dead process

    def _thread(self, writer: Writer, operations: tuple[Operation, ...], store: _Store) -> None:
        for operation in operations:
            if store.session is None:
                break
            self._perform(writer, store, operation)

    def _main(self, writer: Writer, writers: list[Writer], store: _Store) -> None:
        self._perform(writer, store, Operation("open"), first=True)
        store.opened = writer.joins = True
        self.engine.wait(
            writer,
            Point("join"),
            lambda: all(one.finished for one in writers),
            lambda: "the other threads to end",
            None,
        )
        writer.joins = False
        if store.session is not None:
            for operation in self.workload.ending:
                self._perform(writer, store, operation)
            self._perform(writer, store, Operation("close"))
        self._exit(writer, store)

    def _perform(
        self, writer: Writer, store: _Store, operation: Operation, *, first: bool = False
    ) -> None:
        engine = self.engine
        if not first:  # else it stood there from the start
            engine.point(writer, self._invoke(writer.index, operation))
        writer.process.reset_calls()
        event = ConcurrentEvent(
            len(self.events),
            writer.index,
            operation,
            len(engine.transcript.steps),
            len(engine.recorder.records),
        )
        self.events.append(event)
        answer = self._attempt(store, operation)
        if writer.stop or writer.process.dead:
            raise Killed(f"{writer.name} is dead")  # whatever the store made of that
        event.answer = answer
        event.certain = not isinstance(answer, Raised)
        event.returned = len(engine.transcript.steps)
        event.returned_records = len(engine.recorder.records)
        event.held = tuple(sorted(writer.process.fds))
        engine.progressed()

    def _attempt(self, store: _Store, operation: Operation) -> object:
        """Call the subject; an exception is an outcome."""
        subject = store.subject
        try:
            if operation.kind == "open":
                store.session = subject.open(DIRECTORY)
                return None
            assert store.session is not None
            return perform_on(subject, store.session, operation)
        except (HarnessError, SimulationError):
            raise
        except CallLimitExceeded as error:
            self.engine.stuck = Stuck("livelock", (f"{operation} never returns: {error}",))
            return subject.raised(error)
        except Exception as error:  # noqa: BLE001 - any is an outcome
            return subject.raised(error)

    def _invoke(self, writer: int, operation: Operation) -> Point:
        def before() -> tuple[int, ...]:
            """Say which operations have returned: the order that a history keeps."""
            counts = [0] * (len(self.workload.writers) + 1)
            for event in self.events:
                if (
                    event.writer != writer
                    and event.returned is not None
                    and _related(event.operation, operation)
                ):
                    counts[event.writer] += 1
            return tuple(counts)

        return Point("invoke", (str(operation),), extra=before)


def _related(one: Operation, other: Operation) -> bool:
    """Tell whether it matters which of two operations was first.

    Linearizability is local (Herlihy and Wing, 1990): the order of operations on different keys
    constrains nothing. Opening and closing are no operations of the history.
    """
    if one.kind in ("open", "close") or other.kind in ("open", "close"):
        return False
    return one.key is None or other.key is None or one.key == other.key
