"""The deterministic scheduler: one writer runs, all others stand at a switch point.

A switch point is the start of an operation, a system call that others could notice, a lock
operation, or the start of a thread: always *before* it takes effect, so a turn is that one step and
what the writer computes after it. What the interpreter itself would switch, and when, plays no
part: every other thread waits for its baton (`harness.schedule.relay`).

Waiting. A writer whose lock is held is not ready. One that sleeps is ready when nobody else is, the
earliest first, with the virtual clock moved on to its time; a policy may also let it go early. One
that polls is treated as asleep (`harness.schedule.polling`). If nobody is ready and nobody sleeps,
that is a deadlock; if only sleepers and pollers have run for long, a livelock; both are results.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from inspect import unwrap
from typing import Any, Final

from harness.disk import Hooks, Process, Verdict, Wait
from harness.errors import Hung, Killed
from harness.intercept import real
from harness.intercept.modulelocks import ModuleLock
from harness.intercept.sync import SCHEDULED
from harness.record import Recorder
from harness.schedule.carriers import Baton, Carriers
from harness.schedule.footprint import Footprint, footprint, is_local
from harness.schedule.interleaving import Stuck, Taken
from harness.schedule.locks import SimulatedLock, SimulatedRLock
from harness.schedule.policy import Moment, Policy
from harness.schedule.polling import Progress, can_go_early
from harness.schedule.relay import Relay, never_started
from harness.schedule.schedule import Crash, Kill
from harness.schedule.transcript import Transcript
from harness.schedule.writer import Point, Writer
from harness.trace import Close, Record

__all__ = ["Engine"]

_TURNS_MAX: Final = 200_000
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
        transcript: The turns taken.
        relay: Whose turn it is.
        stuck: Why it did not end well.
        killed: Writers that a step killed, in that order.
        crashed: Whether the machine died.
        abandoned: Whether the policy ended the run.
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
        self.transcript = Transcript()
        self.stuck: Stuck | None = None
        self.killed: list[int] = []
        self.crashed = False
        self.abandoned = False
        self._progress = Progress()
        self.relay = Relay(self.writers, self._progress, self._decide)
        self._shared: set[int] = set()
        self._own_locks: dict[tuple[int, ModuleLock], SimulatedLock] = {}

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
        try:
            self.relay.run(carriers)
        except Hung:
            hung = self.relay.current
            if hung is not None:
                self.stuck = Stuck("hung", (f"{hung.name} computes without end",))
                self.relay.interrupt(hung)
        self.relay.unwind()
        self.transcript.close(exact=self.crashed or self.abandoned)

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
        self._progress.made()

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
                self._progress.look(writer, process, call, details)
                self.point(writer, point)
            if process.dead:
                raise Killed(f"process {process.number} is dead")
        elif writer is not None and call == "sleep":
            self._progress.sleep(writer, process, details["seconds"])
            self.point(writer, Point("sleep", details=details))
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
        self.relay.pass_on(writer)
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
        thread = getattr(unwrap(function), "__self__", None)
        if parent.stop:
            never_started(thread)
            raise Killed(f"{parent.name} is dead")
        child = Writer(self, len(self.writers), parent.process, None, Point("start"))
        child.begun, child.ends_run, child.family = True, False, parent.family
        child.thread = thread
        self.writers.append(child)
        self._shared.add(parent.process.number)
        return self.relay.thread(child, function)

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

    def _decide(self, writer: Writer | None, baton: Baton) -> Writer | None:
        """Ask the policy, doing the deaths it wants first."""
        if len(self.transcript.steps) >= _TURNS_MAX:
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
                if self._progress.is_lost():
                    self.stuck = self._stuck("livelock")
                    return None
                ready = [min(asleep, key=lambda one: (one.wake or 0, one.index))]
                asleep = []
            running = None if writer is None or writer not in ready else writer.index
            early = tuple(one.index for one in asleep if can_go_early(one))
            current = self.relay.current
            family = None if current is None else current.family
            moment = Moment(
                len(self.transcript.steps),
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
                if writer.process.dead and not self.relay.over:
                    raise Killed(f"{writer.name} is dead")
                return None

    def _chosen(self, choice: int, moment: Moment) -> Writer:
        writer = self.writers[choice]
        others = (*moment.ready, *moment.early)
        taken = self._taken(writer, tuple(one for one in others if one != choice))
        self.transcript.turn(moment, taken)
        if self.turned is not None:
            self.turned(writer, taken)
        point = writer.pending
        if writer.wake is not None and not (writer.ready is not None and writer.ready()):
            machine = writer.process.machine
            sleeps = point.details["seconds"] if point.call == "sleep" and point.details else 0
            machine.advance(max(0, writer.wake - machine.clock - round(sleeps * 1e9)))
        return writer

    def _taken(self, writer: Writer, enabled: tuple[int, ...]) -> Taken:
        """Put down what a writer is about to do as a turn.

        Args:
            writer: Whose turn it is.
            enabled: Who else could go.
        """
        point = writer.pending
        return Taken(
            writer.index,
            point.call,
            point.paths,
            point.ino,
            point.changes,
            enabled,
            len(self.recorder.records),
            point.at,
        )

    def _dies(self, choice: Kill | Crash, writer: Writer | None, baton: Baton) -> bool:
        """Let a writer's process, or the machine, die; tell whether that is the end of the run."""
        self.transcript.death(choice)
        if isinstance(choice, Crash):
            self.crashed = True
            return True
        victim = self.writers[choice.writer]
        self.killed.append(victim.index)
        doomed = [one for one in self.writers if one.process is victim.process and not one.finished]
        self.relay.kill(doomed, writer, baton)
        self.progressed()
        return False

    def _stuck(self, kind: str) -> Stuck:
        those = [one for one in self.writers if not one.finished and one.ends_run and not one.joins]
        waits = tuple(
            f"{one.name} {one.waiting()}"
            if one.ready is None
            else f"{one.name} waits for {one.waiting()}"
            for one in those
        )
        pending = tuple(self._taken(one, ()) for one in those)
        return Stuck(kind, waits, pending)  # type: ignore[arg-type]
