"""A crash, and then a fault while the store recovers from it.

Every crash state of a workload is opened on a disk where one call of the recovery fails, or that
has no block or no inode left. Opening may raise then, and so may reads, but neither may lie. Then
the fault is over, and the store is asked again: in the same process if it opened, and in new ones.
It opens, reads what the recovery without the fault reads (or what the crash allows otherwise),
takes a write and keeps it: the guarantee `recovery`.

A faulted recovery is a function of the answers it gets from the disk, like any other
(`harness.reuse`): all faults of one recovery are tried once for all crash states that answer alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

from harness.coverage import Coverage
from harness.disk import Machine, Process
from harness.explore import CrashState, Explorer
from harness.fault_hooks import FaultHooks
from harness.faults import AnyFault, Full, faults_of
from harness.guarantees import Severity
from harness.history import DIRECTORY, Recording
from harness.image import BootSource
from harness.intercept import active
from harness.live import CALLS_MAX, attempt
from harness.meter import Meter
from harness.moments import Segment
from harness.oracle import Judge
from harness.persistence import Model, constrain
from harness.quiet import bury
from harness.record import Recorder
from harness.recovery import RESTART, follow_values
from harness.reuse import Asked, Trie
from harness.subjects import MISSING, Outcome, Raised, Session, worn
from harness.trace import Frame
from harness.violation import Violation, reads, severity_of, show
from harness.watch import watched

__all__ = ["FaultedRecovery", "RecoveryFaults", "Struck"]

_BLOCK: Final = 4096

_ROOMS: Final = 6
"""Blocks, or inodes, that a recovery is given beyond what is used: from none to so many less one,
or until it needs no more."""


@dataclass(slots=True)
class Afterwards:
    """What a store shows after a recovery, with no fault any more.

    Attributes:
        after: What each key showed, by who was asked, in words, and key.
        broken: What did not work, in words.
    """

    after: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    broken: str | None = None


@dataclass(slots=True)
class FaultedRecovery:
    """One recovery with a fault in it.

    Attributes:
        fault: The fault.
        fired: How often it fired; at nought the rest says nothing.
        during: What each key read as while the fault lasted; nothing where opening raised.
        after: What each showed afterwards, by who was asked, in words, and key.
        broken: What did not work although the fault was over, in words.
        at: The subject's frames at the call that failed.
        call: That call, in words.
    """

    fault: AnyFault
    fired: int = 0
    during: dict[str, Outcome] = field(default_factory=dict)
    after: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    broken: str | None = None
    at: tuple[Frame, ...] = ()
    call: str = ""


@dataclass(slots=True)
class Struck:
    """A violation, and the crash and the fault that show it.

    Attributes:
        violation: What is broken.
        run: The faulted recovery.
        explorer: Of the workload's trace.
        state: What the crash left.
    """

    violation: Violation
    run: FaultedRecovery
    explorer: Explorer
    state: CrashState


@dataclass(slots=True)
class _Class:
    """What all crash states that answer alike lead to."""

    opened: bool
    sound: dict[str, Outcome]
    later: Afterwards
    runs: list[FaultedRecovery]


class RecoveryFaults:
    """Injects faults into the recoveries of one recorded workload.

    Args:
        recording: The run without faults.
        short: Only the most telling faults of each call.
        only: These faults and no others; none means all.

    Attributes:
        fired: Faulted recoveries in which the fault fired.
        executed: Recoveries run.
    """

    def __init__(
        self, recording: Recording, *, short: bool, only: tuple[AnyFault, ...] = ()
    ) -> None:
        self._recording = recording
        self._short = short
        self._only = only
        self._trie: Trie[_Class] = Trie()
        self._judge = Judge(
            recording.events, recording.initial, syncs=recording.subject.sync is not None
        )
        self.fired: dict[str, int] = {}
        self.executed = 0

    def judge(
        self,
        model: Model,
        budget: int,
        coverage: Coverage,
        at: int | None = None,
        *,
        meter: Meter | None = None,
    ) -> Iterator[Struck]:
        """Judge every crash state under a model, with each fault in its recovery.

        Args:
            model: Which crash states there are.
            budget: Sets of effects visited before sampling.
            coverage: Gets how many faults fired, and whether all crash states were visited.
            at: The one moment of the crash, in half calls; None for all there are.
            meter: Says when to stop.
        """
        meter = meter or Meter()
        explorer = Explorer(
            constrain(self._recording.effects, model),
            budget=budget,
            seed=self._recording.seed,
            at=at,
        )
        for state in explorer.states():
            if meter.over():
                explorer.stop()
                break
            yield from self.state(explorer, state, coverage)
        coverage.in_recovery_exhaustive = (
            coverage.in_recovery_exhaustive and explorer.exhaustive and not self._short
        )

    def state(self, explorer: Explorer, state: CrashState, coverage: Coverage) -> Iterator[Struck]:
        """Judge one crash state, with each fault in its recovery."""
        found = self._class(explorer, state)
        if not found.opened:
            return  # it does not open without a fault either
        begin, end = self._judge.span(state.first, state.last)
        segments = self._judge.segments[begin : end + 1]
        for run in found.runs:
            coverage.in_recovery += 1
            for violation in self._violations(found, run, segments, state.first):
                yield Struck(violation, run, explorer, state)
                break

    def traced(self, source: BootSource, fault: AnyFault) -> FaultedRecovery:
        """Run one faulted recovery again, asking which line made the call that failed."""
        return self._faulted(source, fault, self._recorder())

    # -- judging -------------------------------------------------------------------------------

    def _violations(
        self, found: _Class, run: FaultedRecovery, segments: list[Segment], position: int
    ) -> Iterator[Violation]:
        told = f"with {run.fault} during recovery"

        def violation(
            kind: str, severity: Severity, key: str | None, observed: str, allowed: tuple[str, ...]
        ) -> Violation:
            return Violation("recovery", kind, severity, key, observed, allowed, position)

        for key, value in run.during.items():
            if isinstance(value, Raised):
                continue
            for allowed in self._wrong(found, key, value, segments):
                yield violation(
                    "false-answer-in-recovery",
                    severity_of(value),
                    key,
                    f"{told}, it {reads(value)}",
                    (*allowed, "an error"),
                )
        for (who, key), value in run.after.items():
            if value == found.later.after.get((who, key)):
                continue  # it is so without the fault
            for allowed in self._wrong(found, key, value, segments):
                yield violation(
                    "fault-in-recovery",
                    severity_of(value),
                    key,
                    f"{told}, {who} {reads(value)} afterwards",
                    allowed,
                )
        if run.broken is not None and found.later.broken is None:
            yield violation(
                "unusable-after-fault-in-recovery",
                "unavailable",
                None,
                f"{told}, afterwards {run.broken}",
                ("it works",),
            )

    def _wrong(
        self, found: _Class, key: str, value: Outcome, segments: list[Segment]
    ) -> Iterator[tuple[str, ...]]:
        """Give what was allowed, where a value is not; what was wrong before the fault is not."""
        before = found.sound.get(key, MISSING)
        if value == before:
            return
        for segment in segments:
            allowed = self._judge.acceptable(key, segment)
            if before in allowed and value not in allowed:
                yield tuple(show(one) for one in allowed)
                return

    # -- running -------------------------------------------------------------------------------

    def _class(self, explorer: Explorer, state: CrashState) -> _Class:
        view = explorer.view(state)
        asked = Asked(view)
        found = self._trie.find(asked)
        if found is None:
            asked = Asked(asked)
            found = self._recover(asked)
            self._trie.add(asked.notes, found)
        return found

    def _recover(self, source: BootSource) -> _Class:
        """Recover without a fault, and then with each that the calls of that can suffer."""
        hooks = FaultHooks()
        machine = self._machine(source, hooks)
        process = machine.process()
        self.executed += 1
        with watched(), active(process):
            session = attempt(self._recording.subject, self._open)
            opened = not isinstance(session, Raised)
            sound = self._read_all(process, cast("Session", session)) if opened else {}
            process.kill()
            del session
        bury()
        later = self._afterwards(machine) if opened else Afterwards()
        result = _Class(opened, sound, later, [])
        if opened:
            faults: list[AnyFault] = list(self._only) or [
                fault for one in hooks.seen for fault in faults_of(one, short=self._short)
            ]
            for fault in faults:
                self._keep(result, self._faulted(source, fault))
            if not self._only:
                for unit in ("bytes", "inodes"):
                    self._fill(result, source, unit)
        return result

    def _fill(self, result: _Class, source: BootSource, unit: str) -> None:
        """Recover on disks with no room to spare, one more block or inode, until that is enough."""
        machine = Machine(source, capacity_bytes=1 << 40, capacity_inodes=1 << 40)
        blocks, blocks_free, inodes, inodes_free = machine.main.room()
        used = (blocks - blocks_free) * _BLOCK if unit == "bytes" else inodes - inodes_free
        for spare in range(_ROOMS):
            step = spare * _BLOCK if unit == "bytes" else spare
            run = self._faulted(source, Full(used + step, unit))
            if not run.fired:
                return
            self._keep(result, run)

    def _keep(self, result: _Class, run: FaultedRecovery) -> None:
        if run.fired:
            result.runs.append(run)
            text = str(run.fault)
            self.fired[text] = self.fired.get(text, 0) + 1

    def _faulted(
        self, source: BootSource, fault: AnyFault, recorder: Recorder | None = None
    ) -> FaultedRecovery:
        subject = self._recording.subject
        hooks = FaultHooks(fault, recorder)
        machine = self._machine(source, hooks, fault)
        run = FaultedRecovery(fault)
        self.executed += 1
        process = machine.process()
        with watched(), active(process):
            session = attempt(subject, self._open)
            if not isinstance(session, Raised):
                run.during = self._read_all(process, cast("Session", session))
            run.fired, run.at, run.call = hooks.complete and hooks.fired, hooks.at, hooks.struck
            if hooks.fired:
                worn()
            if run.fired:
                hooks.clear()
                machine.main.capacity_blocks = machine.main.capacity_inodes = None
                if not isinstance(session, Raised):
                    for key, value in self._read_all(process, cast("Session", session)).items():
                        run.after["the same process", key] = value
            process.kill()
            del session
        bury()
        if run.fired:
            later = self._afterwards(machine)
            run.after |= later.after
            run.broken = later.broken
        return run

    def _afterwards(self, machine: Machine) -> Afterwards:
        """Open the store again, read, write, and read that in yet another process."""
        run = Afterwards()
        subject, keys = self._recording.subject, self._recording.workload.keys
        written: tuple[str, bytes] | None = None
        for who in ("a new process", "a second new process"):
            process = machine.process()
            with watched(), active(process):
                session = attempt(subject, self._open)
                if isinstance(session, Raised):
                    run.broken = f"{who} cannot open it: {session}"
                else:
                    values = self._read_all(process, cast("Session", session))
                    if written is not None and values.pop(written[0]) != written[1]:
                        run.broken = f"a write to {written[0]!r} is gone at the next opening"
                    for key, value in values.items():
                        run.after[who, key] = value
                    if written is None and keys:
                        key, value = keys[0], follow_values(subject, self._recording.workload)[0]
                        written = key, value
                        answer = self._write(cast("Session", session), key, value)
                        if isinstance(answer, Raised):
                            run.broken = f"a write to {key!r} raises {answer}"
                process.kill()
                del session
            bury()
            if run.broken is not None:
                break
        return run

    def _write(self, session: Session, key: str, value: bytes) -> object:
        def work() -> None:
            session.write(key, value)
            if self._recording.subject.sync is not None:
                session.sync()

        return attempt(self._recording.subject, work)

    def _machine(
        self, source: BootSource, hooks: FaultHooks, fault: AnyFault | None = None
    ) -> Machine:
        full = fault if isinstance(fault, Full) else None
        return Machine(
            source,
            seed=self._recording.seed + RESTART,
            hooks=hooks,
            call_limit=CALLS_MAX,
            capacity_bytes=full.amount if full and full.unit == "bytes" else None,
            capacity_inodes=full.amount if full and full.unit == "inodes" else None,
        )

    def _open(self) -> Session:
        return self._recording.subject.open(DIRECTORY)

    def _read_all(self, process: Process, session: Session) -> dict[str, Outcome]:
        subject = self._recording.subject
        values: dict[str, Outcome] = {}
        for key in self._recording.workload.keys:
            process.reset_calls()
            answer = attempt(subject, partial(subject.read, session, key))
            assert answer is MISSING or isinstance(answer, bytes | Raised)
            values[key] = answer
        return values

    def _recorder(self) -> Recorder:
        return Recorder(self._recording.subject.files)
