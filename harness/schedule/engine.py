"""The deterministic scheduler: one writer runs, all others stand at a switch point.

A switch point is the start of an operation, a system call that others could notice, a lock
operation, or the start of a thread: always *before* it takes effect, so a turn is that one step and
what the writer computes after it. What the interpreter itself would switch, and when, plays no
part: every other thread waits for its baton.

Waiting. A writer whose lock is held is not ready. One that sleeps is ready when nobody else is, the
earliest first, with the virtual clock moved on to its time; a policy may also let it go early. A
writer that looks at the same name again and again while nothing changes is treated as asleep, so
that whoever could end its wait gets to run. If nobody is ready and nobody sleeps, that is a
deadlock; if only sleepers and pollers have run for long, a livelock; both are results.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any, Final

from harness.disk import Hooks, Process, Verdict, Wait
from harness.errors import Hung, Killed
from harness.intercept import active, real
from harness.intercept.current import ACTIVE
from harness.intercept.modulelocks import ModuleLock
from harness.intercept.sync import SCHEDULED
from harness.record import Recorder
from harness.schedule.carriers import Baton, Carriers
from harness.schedule.footprint import Footprint, footprint, is_local
from harness.schedule.interleaving import Stuck, Taken
from harness.schedule.locks import SimulatedLock, SimulatedRLock
from harness.schedule.policy import Choice, Moment, Policy
from harness.schedule.schedule import Crash, Kill, Run, Schedule, Step
from harness.schedule.writer import Point, Writer
from harness.trace import Close, Record
from harness.watch import watched

__all__ = ["POLLS_MAX", "Engine"]

POLLS_MAX: Final = 1000
"""Turns that only sleepers and pollers may take in a row before it counts as a livelock."""

_SPIN_MAX: Final = 40
"""Looks at one name, with nothing changed by anybody, after which a writer counts as polling."""

_EARLY_MAX: Final = 2
"""Sleeps in a row, with nothing changed, from which a policy may let a writer go early."""

_TURNS_MAX: Final = 200_000
_KNOWN_THREADS: Final[dict[int, threading.Thread]] = threading._active  # type: ignore[attr-defined]  # noqa: SLF001 - it has no other way in
_STARTING_THREADS: Final[dict[Any, Any]] = threading._limbo  # type: ignore[attr-defined]  # noqa: SLF001 - a thread that never gets to run never leaves it
_MEMORY: Final = "memory"


class Engine(Hooks):
    """Runs writers under a policy.

    Args:
        policy: Who goes next.
        recorder: Gets the trace.
        hooks: Who else looks on, and may inject faults: told of a call after the choice fell on
            it, right before it takes effect.
        frames: Whether to keep the subject's frames with each turn.
        crashes: See `harness.schedule.footprint.footprint`.
        turned: Told of each turn, with its writer, right before it is taken.

    Attributes:
        writers: All, in the order they came to be.
        steps: The turns taken.
        stuck: Why it did not end well.
        pressed: See `harness.schedule.interleaving.Interleaving`.
        failure: What the harness itself, or the simulated machine, raised in a writer.
    """

    def __init__(
        self,
        policy: Policy,
        recorder: Recorder,
        *,
        hooks: Hooks | None = None,
        frames: bool = False,
        crashes: bool = False,
        turned: Callable[[Writer, Taken], None] | None = None,
    ) -> None:
        self.policy = policy
        self.recorder = recorder
        self.hooks = hooks
        self.frames = frames
        self.crashes = crashes
        self.turned = turned
        self.writers: list[Writer] = []
        self.steps: list[Taken] = []
        self.stuck: Stuck | None = None
        self.failure: BaseException | None = None
        self.killed: list[int] = []
        self.crashed = False
        self.abandoned = False
        self.pressed = 0
        self._taken: list[Step] = []
        self._turns = 0
        self._exact = False
        self._main = Baton()
        self._current: Writer | None = None
        self._progress = 0
        self._idle = 0
        self._shared: set[int] = set()
        self._own_locks: dict[tuple[int, ModuleLock], SimulatedLock] = {}
        self._ended = False
        self._carriers: Carriers | None = None
        self._over = False

    # -- from outside ----------------------------------------------------------------------------

    def add(self, process: Process, body: Callable[[Writer], None], first: Point) -> Writer:
        """Add a writer that stands at its first switch point.

        Args:
            process: Its process.
            body: What it does, called in a thread of its own when it first gets to run.
            first: What it is about to do.
        """
        writer = Writer(self, len(self.writers), process, body, first)
        if any(other.process is process for other in self.writers):
            self._shared.add(process.number)
        self.writers.append(writer)
        return writer

    def run(self, carriers: Carriers) -> None:
        """Let the writers run to their end, or to where they cannot go on; then all are dead."""
        self._carriers = carriers
        carriers.provide(len(self.writers))
        try:
            with watched():
                if self._pass_on(None, self._main):
                    self._main.take()
        except Hung:
            self._hang(carriers)
        self._unwind(carriers)
        self._close_part(exact=self.crashed or self.abandoned)
        for writer in self.writers:
            SCHEDULED.pop(writer.real_ident, None)

    @property
    def taken(self) -> Schedule:
        """The schedule so far."""
        return Schedule(tuple(self._taken))

    def is_alive(self, writer: int) -> bool:
        """Tell whether there is such a writer, and it has not ended."""
        return writer < len(self.writers) and not self.writers[writer].finished

    def footprint(self, writer: int) -> tuple[str, Footprint, tuple[int, ...]]:
        """Tell what a writer's next step would touch if it went now.

        Returns:
            Its name, what it touches, and what else tells it from others.
        """
        one = self.writers[writer]
        point = one.pending
        shared = one.process.number in self._shared
        if point.details is not None:
            touches = footprint(
                one.process, point.call, point.details, shared=shared, crashes=self.crashes
            )
        else:
            touches = point.touches
            if shared:
                touches = (*touches, ((_MEMORY, one.process.number), "w"))
        return point.call, touches, () if point.extra is None else point.extra()

    def locks_of(self, writer: int) -> Footprint:
        """Tell what the death of a writer's process would touch."""
        process = self.writers[writer].process
        nodes = {
            description.node.ino: description.node
            for description in process.fds.values()
            if description.node.locks is not None
        }
        return tuple(
            (("locks", node.volume.prefix, ino), "w") for ino, node in sorted(nodes.items())
        )

    def own_lock(self, process: Process, lock: ModuleLock) -> SimulatedLock:
        """Give a process's own lock for one that a module keeps."""
        key = process.number, lock
        if key not in self._own_locks:
            kind = SimulatedRLock if lock.again else SimulatedLock
            self._own_locks[key] = kind(f"the import of {lock.module}", quiet=lock.quiet)
        return self._own_locks[key]

    def progressed(self) -> None:
        """Something changed that others may be waiting for."""
        self._progress += 1
        self._idle = 0

    # -- the kernel's hooks ----------------------------------------------------------------------

    def before(self, process: Process, call: str, **details: Any) -> Verdict | None:
        writer = self._here()
        if writer is not None and not is_local(call, details):
            if writer.stop:
                raise Killed(f"process {process.number} is dead")
            point = Point(call, details["paths"], details["ino"], changes=True, details=details)
            wait = process.would_wait(**details) if call == "flock" else None
            if wait is not None:
                self.wait(
                    writer,
                    point,
                    wait.free,
                    lambda: self._say(process.would_wait(**details) or wait),
                    None,
                )
            else:
                self._look(writer, process, call, details)
                self.point(writer, point)
            if process.dead:
                raise Killed(f"process {process.number} is dead")
        elif writer is not None and call == "sleep":
            self._sleep(writer, process, details)
        return None if self.hooks is None else self.hooks.before(process, call, **details)

    def record(self, record: Record) -> None:
        if record.error is None and not isinstance(record, Close):
            self.progressed()
        self.recorder.record(record)
        if self.hooks is not None and self.hooks is not self.recorder:
            self.hooks.record(record)

    def blocked(self, process: Process, wait: Wait) -> None:
        writer = self._here()
        if writer is None:
            super().blocked(process, wait)
            return
        point = Point(wait.kind, (wait.path,), wait.ino, touches=((("locks", "", wait.ino), "w"),))
        self.wait(writer, point, wait.free, lambda: self._say(wait), None)

    def _say(self, wait: Wait) -> str:
        holders = ", ".join(
            writer.name
            for writer in self.writers
            if writer.process.number in wait.holders and not writer.finished
        )
        return f"{wait.kind} on {wait.path!r}, held by {holders or 'nobody alive'}"

    def _sleep(self, writer: Writer, process: Process, details: dict[str, Any]) -> None:
        nanoseconds = max(0, round(details["seconds"] * 1e9))
        machine = process.machine
        writer.wake = machine.clock + nanoseconds
        writer.waiting = lambda: f"sleeps {details['seconds']:g} s and looks again"
        if writer.looked_at != self._progress:
            writer.looks.clear()
            writer.looked_at = self._progress
            writer.polls = 0
        writer.polls += 1
        self.point(writer, Point("sleep", details=details))

    def _look(self, writer: Writer, process: Process, call: str, details: dict[str, Any]) -> None:
        """Notice a loop that waits without sleeping."""
        if "path" not in details and call not in ("flock", "posix_lock"):
            return
        if writer.looked_at != self._progress:
            writer.looks.clear()
            writer.looked_at = self._progress
            writer.polls = 0
        key = call, details["paths"]
        count = writer.looks[key] = writer.looks.get(key, 0) + 1
        if count > _SPIN_MAX:
            writer.wake = process.machine.clock
            writer.polls = _EARLY_MAX + 1
            writer.waiting = lambda: f"polls {call}({', '.join(map(repr, details['paths']))})"

    # -- switch points ---------------------------------------------------------------------------

    def point(self, writer: Writer, point: Point) -> None:
        """Stand at a switch point until it is this writer's turn.

        Raises:
            Killed: It died there.
        """
        if writer.stop:
            raise Killed(f"{writer.name} is dead")
        writer.pending = point
        if self.frames:
            point.at = self.recorder.at()
        if not self._pass_on(writer, writer.baton):
            self._main.give()
            writer.baton.take()
        if writer.stop:
            raise Killed(f"{writer.name} is dead")
        writer.wake = writer.ready = None

    def wait(
        self,
        writer: Writer,
        point: Point,
        ready: Callable[[], bool],
        waiting: Callable[[], str],
        timeout: float | None,
    ) -> bool:
        """Stand at a switch point that can only be passed when something is so.

        Args:
            writer: Who waits.
            point: What it is about to do.
            ready: Whether it is so.
            waiting: What it waits for, in words.
            timeout: In seconds; None for ever.

        Returns:
            Whether it is so; False after the timeout.
        """
        writer.ready, writer.waiting = ready, waiting
        if timeout is not None:
            writer.wake = writer.process.machine.clock + round(timeout * 1e9)
        self.point(writer, point)
        return ready()

    def spawn(self, parent: Writer, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make a writer of a thread that the store starts.

        Raises:
            Killed: The one that starts it is dead: nobody would ever let the thread run.
        """
        thread = getattr(getattr(function, "__wrapped__", None), "__self__", None)
        if parent.stop:
            _STARTING_THREADS.pop(thread, None)
            raise Killed(f"{parent.name} is dead")
        child = Writer(self, len(self.writers), parent.process, None, Point("start"))
        child.begun, child.ends_run, child.family = True, False, parent.family
        child.thread = thread
        self.writers.append(child)
        self._shared.add(parent.process.number)

        def run(*arguments: Any, **options: Any) -> None:
            child.baton.take()
            self._register(child)
            try:
                if child.stop:
                    _STARTING_THREADS.pop(thread, None)
                else:
                    function(*arguments, **options)
            except Killed:
                pass
            finally:
                self._finish(child)

        return run

    def thread_of(self, thread: threading.Thread) -> Writer | None:
        """Find the writer that a thread of the store is."""
        for writer in self.writers:
            if writer.thread is thread:
                return writer
        return None

    # -- deciding --------------------------------------------------------------------------------

    def _here(self) -> Writer | None:
        writer = SCHEDULED.get(real.thread.get_ident())
        return writer if isinstance(writer, Writer) and writer.engine is self else None

    def _pass_on(self, writer: Writer | None, baton: Baton) -> bool:
        """Decide who goes next and let it; come back when it is this one's turn again.

        Args:
            writer: Who asks; None if it has ended.
            baton: What it waits on.

        Returns:
            False if nobody goes next: the run is over. True for one that has ended, at once.
        """
        chosen = None if self._over else self._decide(writer, baton)
        if chosen is None:
            self._over = True
            return False
        if chosen is writer:
            return True
        self._let(chosen)
        if writer is not None:
            baton.take()
        return True

    def _let(self, writer: Writer) -> None:
        self._current = writer
        if writer.begun:
            writer.baton.give()
            return
        writer.begun = True
        assert self._carriers is not None
        self._carriers.start(writer.index, lambda: self._body(writer))

    def _body(self, writer: Writer) -> None:
        self._register(writer)
        try:
            if not writer.stop:
                writer.wake = writer.ready = None
                with active(writer.process):
                    assert writer.body is not None
                    writer.body(writer)
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to whoever started the run
            if writer.stop or writer.process.dead:
                return  # what a dead process raises while it unwinds says nothing
            self.failure = self.failure or error
            self._over = True
        finally:
            ACTIVE.pop(real.thread.get_ident(), None)
            self._finish(writer)

    def _register(self, writer: Writer) -> None:
        writer.real_ident = real.thread.get_ident()
        if writer.body is not None:
            # What threading finds under the identity that a store is shown.
            carrier = threading.current_thread()
            carrier.name = f"writer-{writer.name}"
            _KNOWN_THREADS[writer.ident()] = carrier
        SCHEDULED[writer.real_ident] = writer

    def _finish(self, writer: Writer) -> None:
        SCHEDULED.pop(writer.real_ident, None)
        if writer.body is not None:
            _KNOWN_THREADS.pop(writer.ident(), None)
        if writer.finished:
            return  # given up long ago: nobody waits for it any more
        writer.finished = True
        self.progressed()
        if writer.reply is not None:
            writer.reply.give()
        # Its own baton is free now; on the main one somebody else waits already.
        elif not self._pass_on(None, writer.baton):
            self._main.give()

    def _decide(self, writer: Writer | None, baton: Baton) -> Writer | None:
        """Ask the policy, doing the deaths it wants first."""
        if len(self.steps) >= _TURNS_MAX:
            self.stuck = self._stuck("livelock")
            return None
        while True:
            alive = [one for one in self.writers if not one.finished]
            if not any(one.ends_run for one in alive):
                return None
            ready = [
                one for one in alive if (one.wake is None if one.ready is None else one.ready())
            ]
            asleep = [one for one in alive if one.wake is not None and one not in ready]
            if not ready:
                if not asleep:
                    self.stuck = self._stuck("deadlock")
                    return None
                self._idle += 1
                if self._idle > POLLS_MAX:
                    self.stuck = self._stuck("livelock")
                    return None
                ready = [min(asleep, key=lambda one: (one.wake or 0, one.index))]
                asleep = []
            running = None if writer is None or writer not in ready else writer.index
            early = tuple(one.index for one in asleep if one.polls <= _EARLY_MAX)
            family = None if self._current is None else self._current.family
            moment = Moment(
                len(self.steps),
                running,
                tuple(one.index for one in ready),
                early,
                tuple(one.index for one in ready if one.family == family),
                self,
            )
            choice = self.policy.choose(moment)
            if choice is None:
                self.abandoned = True
                return None
            if isinstance(choice, int):
                return self._chosen(choice, moment)
            if self._dies(choice, writer, baton):
                return None
            if writer is not None and writer.stop:
                if writer.process.dead and not self._over:
                    raise Killed(f"{writer.name} is dead")
                return None

    def _chosen(self, choice: int, moment: Moment) -> Writer:
        writer = self.writers[choice]
        last = self._taken[-1] if self._taken else None
        if self._turns and isinstance(last, Run) and last.writer != choice:
            goes_on = bool(moment.kin) and choice not in moment.kin
            self._close_part(exact=last.writer in moment.ready or goes_on)
        if not self._turns:
            self._taken.append(Run(choice, 1))
        self._turns += 1
        if choice != moment.usual:
            self.pressed = len(self._taken)
        self._exact = self._exact or choice in moment.early
        point = writer.pending
        others = (*moment.ready, *moment.early)
        self.steps.append(
            Taken(
                choice,
                point.call,
                point.paths,
                point.ino,
                point.changes,
                tuple(one for one in others if one != choice),
                len(self.recorder.records),
                point.at,
            )
        )
        if self.turned is not None:
            self.turned(writer, self.steps[-1])
        if writer.wake is not None and not (writer.ready is not None and writer.ready()):
            machine = writer.process.machine
            sleeps = point.details["seconds"] if point.call == "sleep" and point.details else 0
            machine.advance(max(0, writer.wake - machine.clock - round(sleeps * 1e9)))
        return writer

    def _close_part(self, *, exact: bool) -> None:
        """Write down how long the writer ran that runs no more."""
        if self._turns:
            last = self._taken[-1]
            assert isinstance(last, Run)
            self._taken[-1] = Run(last.writer, self._turns if exact or self._exact else 0)
            self._turns, self._exact = 0, False

    def _dies(self, choice: Choice, writer: Writer | None, baton: Baton) -> bool:
        """Let a writer's process, or the machine, die; tell whether that is the end of the run."""
        self._close_part(exact=True)
        assert isinstance(choice, Kill | Crash)
        self._taken.append(choice)
        self.pressed = len(self._taken)
        if isinstance(choice, Crash):
            self.crashed = True
            return True
        victim = self.writers[choice.writer]
        self.killed.append(victim.index)
        doomed = [one for one in self.writers if one.process is victim.process and not one.finished]
        self._kill(doomed, writer, baton)
        self.progressed()
        return False

    def _kill(self, doomed: list[Writer], writer: Writer | None, baton: Baton) -> None:
        for one in doomed:
            one.process.kill()
            one.stop = True
        for one in doomed:
            if one is writer:
                continue
            if not one.begun:
                one.finished = True
                continue
            one.reply = baton
            one.baton.give()
            baton.take()

    # -- the end ---------------------------------------------------------------------------------

    def _stuck(self, kind: str) -> Stuck:
        those = [one for one in self.writers if not one.finished and one.ends_run and not one.joins]
        waits = tuple(
            f"{one.name} {one.waiting()}"
            if one.ready is None
            else f"{one.name} waits for {one.waiting()}"
            for one in those
        )
        pending = tuple(
            Taken(
                one.index,
                one.pending.call,
                one.pending.paths,
                one.pending.ino,
                one.pending.changes,
                (),
                len(self.recorder.records),
                one.pending.at,
            )
            for one in those
        )
        return Stuck(kind, waits, pending)  # type: ignore[arg-type]

    def _unwind(self, carriers: Carriers) -> None:
        """Kill what is left and let each writer run to the end of its stack, in order."""
        self._over = True
        doomed = [one for one in self.writers if not one.finished]
        try:
            with watched():
                self._kill(doomed, None, self._main)
        except Hung:
            for one in doomed:
                one.finished = True
            carriers.abandon()

    def _hang(self, carriers: Carriers) -> None:
        """Stop a writer that computes without end: only an exception from outside reaches it."""
        current = self._current
        self._over = True
        if current is None:
            return
        self.stuck = Stuck("hung", (f"{current.name} computes without end",))
        current.stop = True
        current.process.kill()
        current.reply = self._main
        try:
            with watched():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(current.real_ident), ctypes.py_object(Killed)
                )
                self._main.take()
        except Hung:
            current.finished = True
            carriers.abandon()
