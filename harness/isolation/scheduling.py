"""Running several writers on one simulated machine, one step at a time, in a given order.

Each writer is a thread that holds a baton or waits for it, so that nothing depends on the
interpreter's own switching: control changes hands only before a system call, before a lock of
Python's own is taken, and before an operation begins. A writer that waits for a lock is not ready
until another has made a step; one that sleeps lets the others go first. Where nobody is ready, they
wait for each other for ever: a deadlock, with who waits for what. Where everybody goes round and
round, the limit of steps ends it: a livelock.

Handing the baton over costs two switches of threads, some 20 microseconds; a whole run of two
writers takes about a millisecond.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable
from typing import Any, Final, Literal, cast

from harness.disk import Machine, Process, Verdict, Wait
from harness.errors import HarnessError, Hung, Killed, SimulationError
from harness.history import DIRECTORY
from harness.image import BootSource
from harness.intercept import active
from harness.isolation.locks import SimulatedLock, scheduled
from harness.isolation.races import Race
from harness.isolation.runs import LATER, Choice, Failing, Run, Step
from harness.isolation.schedules import Schedule, schedule_text
from harness.linear import ABSENT_SAID, Done
from harness.live import attempt, perform_on
from harness.ops import Operation
from harness.quiet import bury
from harness.record import Recorder
from harness.subjects import Raised, Session, Subject
from harness.trace import Record
from harness.watch import watched

__all__ = ["failing_calls", "run_race"]

STEPS_MAX: Final = 1_500
"""Steps after which a run counts as going round and round."""

PATIENCE: Final = 200
"""Steps in a row after which a writer that others wait behind has to let them go first."""

_State = Literal["new", "ready", "waiting", "done"]

_QUIET: Final = frozenset({"getcwd", "umask", "lseek", "fcntl"})
"""Calls that nobody else can tell from no call: no reason to switch before them."""


class _Over(BaseException):
    """The run has ended while this writer was waiting."""


class _Writer:
    """One thread of writing, and what is known of it."""

    def __init__(self, number: int, process: Process) -> None:
        self.number = number
        self.process = process
        self.state: _State = "new"
        self.baton = threading.Lock()
        self.baton.acquire()
        self.operation = -1
        self.dying = False
        self.slept = False
        # While it waits: for what, since which step, how to tell that trying again is worth it,
        # and whether it would rather give up than wait for ever.
        self.waits: tuple[str, Step] | None = None
        self.free: Callable[[], bool] = _never
        self.patient = True
        self.expired = False
        self.calls = 0
        self.failed = False
        self.first = False
        # What it holds, by descriptor or lock.
        self.held: dict[object, str] = {}
        self.last: tuple[str, dict[str, Any]] | None = None


class _Local(threading.local):
    """The writer that the calling thread is."""

    writer: _Writer | None = None


class _Baton(Recorder):
    """Hands out turns; sees every call of every writer."""

    def __init__(
        self,
        subject: Subject,
        race: Race,
        base: BootSource,
        schedule: Schedule,
        seed: int,
        failing: Failing | None,
    ) -> None:
        super().__init__(subject.files)
        self.subject, self.race, self.failing = subject, race, failing
        self.schedule = list(schedule)
        self.machine = Machine(base, seed=seed, hooks=self, call_limit=100_000)
        self.writers: list[_Writer] = []
        self.local = _Local()
        self.taken: list[int] = []
        self.choices: list[Choice] = []
        self.steps: list[Step] = []
        self.history: list[Done] = []
        self.ticks: list[int] = []
        self.struck: set[int] = set()
        self.killed: set[int] = set()
        self.cycle: str | None = None
        self.stuck: tuple[Step, ...] = ()
        self.over = False
        self.crash: BaseException | None = None
        self._clock = self._locks = self._streak = self._followed = 0

    # -- turns ---------------------------------------------------------------------------------

    def tick(self) -> int:
        self._clock += 1
        return self._clock

    def pause(self, writer: _Writer, state: _State) -> None:
        """Give the baton away, and wait until it comes back."""
        writer.state = state
        following = self.choose(writer)
        if following is not writer:
            if following is None:
                self._end()
            else:
                following.baton.release()
            writer.baton.acquire()
        if self.over:
            writer.process.kill()
            raise _Over
        if writer.dying:
            writer.dying = False
            writer.process.kill()
            raise Killed(f"process {writer.process.number} is dead")
        writer.state = "ready"

    def choose(self, current: _Writer | None) -> _Writer | None:
        """Say who goes on; None where nobody can."""
        for writer in self.writers:
            if writer.state == "waiting" and writer.free():
                writer.state = "ready"
        ready = [writer for writer in self.writers if writer.state in ("new", "ready")]
        if not ready:
            waiting = [writer for writer in self.writers if writer.state == "waiting"]
            late = next((writer for writer in waiting if not writer.patient), None)
            if late is None:
                if waiting:
                    self._deadlock(waiting)
                return None
            late.expired, late.state = True, "ready"
            ready = [late]
        going_on = current if current in ready and not self._yields(current, ready) else None
        wanted = self._wanted(ready)
        if wanted is not None and wanted.dying:
            return wanted
        if wanted is None:
            wanted = going_on or self._by_default(ready, current)
        self.choices.append(
            Choice(
                len(self.taken),
                None if going_on is None else going_on.number,
                tuple(one.number for one in ready),
                wanted.number,
            )
        )
        self.taken.append(wanted.number)
        if len(self.taken) > STEPS_MAX:
            self.cycle = "they go round and round: " + ", ".join(map(_name, ready))
            return None
        self._streak = self._streak + 1 if wanted is current else 0
        wanted.slept = False
        return wanted

    def _wanted(self, ready: list[_Writer]) -> _Writer | None:
        """Follow the schedule; a kill is carried out by the one who dies."""
        place = self._followed
        if place >= len(self.schedule):
            return None
        choice = self.schedule[place]
        self._followed += 1
        if choice < 0:
            victim = self.writers[~choice] if ~choice < len(self.writers) else None
            if victim is None or victim.state in ("done", "new"):
                return self._wanted(ready)
            victim.dying = True
            self.taken.append(choice)
            self.killed.add(victim.number)
            return victim
        return next((one for one in ready if one.number == choice), None)

    def _by_default(self, ready: list[_Writer], current: _Writer | None) -> _Writer:
        others = [one for one in ready if one is not current]
        if current is None or not others:
            return ready[0]
        return next((one for one in others if one.number > current.number), others[0])

    def _yields(self, current: _Writer | None, ready: list[_Writer]) -> bool:
        """Tell whether it is another's turn without anybody being interrupted."""
        if current is None or len(ready) == 1:
            return False
        return current.slept or self._streak >= PATIENCE

    def _deadlock(self, waiting: list[_Writer]) -> None:
        told = [f"{_name(one)} waits for {one.waits[0]}" for one in waiting if one.waits]
        self.cycle = "; ".join(told)
        self.stuck = tuple(one.waits[1] for one in waiting if one.waits)

    def _end(self) -> None:
        """Let everybody go home."""
        self.over = True
        for writer in self.writers:
            if writer.state != "done" and writer.baton.locked():
                writer.baton.release()

    def abandon(self) -> None:
        """Give a run up: whoever may still be stuck somewhere else makes no call any more."""
        for writer in self.writers:
            writer.process.kill()
        self._end()

    # -- steps ---------------------------------------------------------------------------------

    def before(self, process: Process, call: str, **details: Any) -> Verdict | None:
        writer = self.local.writer
        if writer is None or process.dead or self.over:
            return None
        self.settle(writer)
        names, ino = tuple(details["paths"]), details["ino"]
        at = self.at()
        if not self._unnoticed(writer, process, call, details):
            self.pause(writer, "ready")
        self._step(writer, call, names, ino, at, f"{call}({', '.join(map(repr, names))})")
        step = self.steps[-1]
        step.exclusive = call == "open" and bool(details["flags"] & os.O_EXCL)
        step.fails = _can_fail(call, details)
        writer.last = (call, {**details, "paths": names})
        if call == "sleep":
            writer.slept = True
        return self._fail(writer, call, details)

    def _unnoticed(
        self, writer: _Writer, process: Process, call: str, details: dict[str, Any]
    ) -> bool:
        """Tell whether a switch right before a call is as good as one at the call before."""
        first, writer.first = writer.first, False
        if first and self.race.mode == "processes":
            return True  # nothing was read since the operation began
        if call == "close":
            description = process.fds.get(details["fd"])
            locks = None if description is None else description.node.locks
            return locks is None or not (locks.flocks or locks.spans)
        return call in _QUIET

    def _step(
        self,
        writer: _Writer,
        call: str,
        names: tuple[str, ...],
        ino: int | None,
        at: tuple[tuple[str, int, str], ...],
        text: str,
    ) -> None:
        self.steps.append(
            Step(
                self.tick(),
                writer.number,
                call,
                names,
                ino,
                at,
                writer.operation,
                held=frozenset(writer.held.values()),
                text=text,
                place=len(self.taken),
            )
        )

    def _fail(self, writer: _Writer, call: str, details: dict[str, Any]) -> Verdict | None:
        failing = self.failing
        if failing is None or failing.writer != writer.number or not _can_fail(call, details):
            return None
        writer.calls += 1
        if writer.calls != failing.call:
            return None
        writer.failed = True
        self.struck.add(writer.operation)
        self.steps[-1].struck = True
        code = errno.EIO if call in ("fsync", "fdatasync", "close") else errno.ENOSPC
        raise OSError(code, os.strerror(code))

    def settle(self, writer: _Writer) -> None:
        """Note which locks the last call got or left."""
        last, writer.last = writer.last, None
        if last is None:
            return
        call, details = last
        if call == "flock":
            description = writer.process.fds.get(details["fd"])
            table = None if description is None else description.node.locks
            if table is not None and description in table.flocks:
                writer.held[details["fd"]] = f"{details['paths'][0]}#{details['ino']}"
            else:
                writer.held.pop(details["fd"], None)
        elif call == "posix_lock":
            if details["kind"] == fcntl.F_UNLCK:
                writer.held.pop(details["fd"], None)
            else:
                writer.held[details["fd"]] = f"{details['paths'][0]}#{details['ino']} (record)"
        elif call == "close":
            writer.held.pop(details["fd"], None)

    def record(self, record: Record) -> None:
        super().record(record)
        self.ticks.append(self._clock)
        if self.steps and self.steps[-1].number == self._clock:
            self.steps[-1].changes = True

    def blocked(self, process: Process, wait: Wait) -> None:
        writer = self.local.writer
        if writer is None or self.over:
            raise Hung(f"process {process.number} waits for ever for {wait}")
        holders = ", ".join(
            _name(one) for one in self.writers if one.process.number in wait.holders
        )
        locks = self.machine.main.nodes[wait.ino].locks
        assert locks is not None
        flocks, spans = set(locks.flocks), list(locks.spans)
        writer.free = lambda: set(locks.flocks) != flocks or locks.spans != spans
        writer.patient = True
        self._await(writer, f"a {wait.kind} lock on {wait.path!r} that {holders} holds")

    def _await(self, writer: _Writer, what: str) -> None:
        mine = next(step for step in reversed(self.steps) if step.writer == writer.number)
        writer.waits = what, mine
        self.pause(writer, "waiting")
        writer.waits = None

    # -- Python's own locks --------------------------------------------------------------------

    def lock_made(self) -> str:
        self._locks += 1
        return f"lock {self._locks} in memory"

    def lock_wanted(self, lock: SimulatedLock) -> None:
        writer = self.local.writer
        if writer is None or self.over:
            return
        self.settle(writer)
        at = self.at()
        self.pause(writer, "ready")
        self._step(writer, "acquire", (lock.name,), None, at, f"acquire({lock.name})")

    def lock_awaited(self, lock: SimulatedLock, *, patient: bool) -> bool:
        writer = self.local.writer
        if writer is None or self.over:
            raise Hung(f"waits for ever for {lock.name}")
        holder = None if lock.owner is None else self.writers[lock.owner]
        whose = "" if holder is None else f" that {_name(holder)} holds"
        writer.free = lambda: lock.owner is None
        writer.patient, writer.expired = patient, False
        self._await(writer, f"{lock.name}{whose}")
        return not writer.expired

    def lock_changed(self, lock: SimulatedLock) -> None:
        writer = self.local.writer
        if writer is None:
            return
        if lock.owner is None:
            writer.held.pop(lock, None)
        else:
            writer.held[lock] = lock.name

    # -- operations ----------------------------------------------------------------------------

    def perform(self, writer: _Writer, session: Session | None, operation: Operation) -> object:
        """Do one operation, as a step of its own and those in it."""
        self.settle(writer)
        self.pause(writer, "ready")
        number, subject = len(self.history), self.subject
        writer.operation = number
        invoked = self.tick()
        self.history.append(Done(number, writer.number, operation, invoked, None))
        writer.process.reset_calls()
        writer.first = True
        answer = attempt(subject, lambda: _do(subject, session, operation))
        if self.over or writer.process.dead:
            raise _Over
        self.settle(writer)
        kept = None if operation.kind == "open" and not isinstance(answer, Raised) else answer
        if writer.failed:
            self.struck.add(number)
        self.history[number] = Done(number, writer.number, operation, invoked, self.tick(), kept)
        writer.operation = -1
        return answer

    def write(self, writer: _Writer, session: Session | None) -> None:
        """A writer's whole life, in its thread."""
        self.local.writer = writer
        writer.baton.acquire()
        try:
            if self.over:
                return
            writer.state = "ready"
            with scheduled(self, writer.number), active(writer.process):
                self._live(writer, session)
        except (_Over, Killed):
            pass
        except BaseException as error:  # noqa: BLE001 - told by the caller, in its own thread
            self.crash = error
        finally:
            self._leave(writer)

    def _live(self, writer: _Writer, session: Session | None) -> None:
        operations = list(self.race.writers[writer.number])
        shared = session is not None
        if not shared:
            operations = [Operation("open"), *operations, Operation("close")]
        for operation in operations:
            answer = self.perform(writer, session, operation)
            if operation.kind == "open":
                if isinstance(answer, Raised):
                    break
                session = cast("Session", answer)
        if not shared:
            writer.process.exit()
        session = None

    def _leave(self, writer: _Writer) -> None:
        writer.state = "done"
        if self.race.mode == "processes":
            writer.process.kill()
        writer.held.clear()
        if self.over:
            return
        following = self.choose(None) if self.crash is None else None
        if following is not None:
            following.baton.release()
        else:
            self._end()


def _never() -> bool:
    return False


def _name(writer: _Writer) -> str:
    return chr(ord("A") + writer.number)


_FAILS: Final = frozenset({
    "write", "pwrite", "writev", "pwritev", "mkdir", "rename", "link", "fsync", "fdatasync",
})  # fmt: skip


def _can_fail(call: str, details: dict[str, Any]) -> bool:
    return call in _FAILS or (call == "open" and bool(details["flags"] & os.O_CREAT))


def failing_calls(run: Run, writer: int) -> int:
    """Count the calls of a writer that can be made to fail."""
    return sum(step.fails for step in run.steps if step.writer == writer)


def _do(subject: Subject, session: Session | None, operation: Operation) -> object:
    if operation.kind == "open":
        return subject.open(DIRECTORY)
    assert session is not None
    if operation.kind == "delete":
        try:
            session.delete(operation.key or "")
        except subject.not_found:
            return ABSENT_SAID
        return None
    return perform_on(subject, session, operation)


def run_race(
    subject: Subject,
    race: Race,
    base: BootSource,
    schedule: Schedule = (),
    *,
    seed: int = 0,
    failing: Failing | None = None,
    look: bool = True,
) -> Run:
    """Run a race in one order, then look at what it left.

    Args:
        subject: The store.
        race: Who does what.
        base: The disk before.
        schedule: Who makes each step.
        seed: Of the simulated machine.
        failing: A call that fails.
        look: Whether a new process opens the store at the end, and reads and lists everything.

    Raises:
        SimulationError: The store did something the simulated machine cannot stand in for.
        HarnessError: The harness failed.
    """
    baton = _Baton(subject, race, base, schedule, seed, failing)
    with watched():
        session = _shared(baton) if race.mode == "threads" else None
        process = baton.machine.processes[0] if session is not None else None
        for number in range(len(race.writers)):
            own = process if process is not None else baton.machine.process()
            baton.writers.append(_Writer(number, own))
        _run_threads(baton, session)
        if look and baton.cycle is None:
            _look(baton, session, process)
        elif process is not None:
            process.kill()
        del session
    bury()
    return Run(
        schedule=schedule_text(baton.taken),
        history=baton.history,
        records=baton.records,
        ticks=baton.ticks,
        steps=baton.steps,
        cycle=baton.cycle,
        waiting=baton.stuck,
        struck=frozenset(baton.struck),
        killed=frozenset(baton.killed),
        choices=baton.choices,
        taken=tuple(baton.taken),
        shared=process is not None,
    )


def _shared(baton: _Baton) -> Session:
    """Open the one store that threads share, before any of them runs."""
    with scheduled(baton, -1), active(baton.machine.process()):
        answer = attempt(baton.subject, lambda: baton.subject.open(DIRECTORY))
    if isinstance(answer, Raised):
        raise HarnessError(f"opening the store raises {answer}")
    return cast("Session", answer)


def _run_threads(baton: _Baton, session: Session | None) -> None:
    threads = [
        threading.Thread(target=baton.write, args=(writer, session), daemon=True)
        for writer in baton.writers
    ]
    for thread in threads:
        thread.start()
    first = baton.choose(None)
    if first is not None:
        first.baton.release()
    try:
        for thread in threads:
            thread.join()
    except Hung as hung:
        baton.abandon()
        raise SimulationError(
            "a writer never gets on, and makes no call that could be seen: it computes, or "
            "waits for a lock that was made when its module was imported, which processes on a "
            "real machine would not share"
        ) from hung
    if baton.crash is not None:
        raise baton.crash


def _look(baton: _Baton, session: Session | None, process: Process | None) -> None:
    """Read everything: on the shared store, if there is one, and then in a new process."""
    machine = baton.machine
    machine.hooks = None
    if session is not None and process is not None:
        with active(process):
            for key in baton.race.keys:
                _ask(baton, session, Operation("read", key))
            _ask(baton, session, Operation("close"))
        process.exit()
    last = machine.process()
    with active(last):
        opened = _ask(baton, None, Operation("open"))
        if not isinstance(opened, Raised):
            found = cast("Session", opened)
            for key in baton.race.keys:
                _ask(baton, found, Operation("read", key))
            if baton.race.lists:
                _ask(baton, found, Operation("list"))
            del found
        last.kill()
        del opened


def _ask(baton: _Baton, session: Session | None, operation: Operation) -> object:
    number, subject = len(baton.history), baton.subject
    invoked = baton.tick()
    answer = attempt(subject, lambda: _do(subject, session, operation))
    kept = None if operation.kind == "open" and not isinstance(answer, Raised) else answer
    baton.history.append(Done(number, LATER, operation, invoked, baton.tick(), kept))
    return answer
