"""A power cut after a call has failed: while the store deals with it, or at any time later.

Fault then crash; and fault, clear, carry on, crash. The trace of a faulted run
(`harness.live.Faulted`) goes on after the fault with the retry of the operation, writes to other
keys, a shutdown and another opening. It is cut at the two moments that tell most, when the
operation had ended and when all of it had, and, with a budget for it, at every moment from the
operation's start. What a failed fsync should have written then either is on disk or never will be
(`harness.syncfail`): both are tried.

What a power cut does to a store that loses acknowledged work, or mixes values, without any fault is
a matter of `durability` and `atomicity`: a model under which it does so in the same run without the
fault, follow-up included, is not judged here. A store that will not open is one of `recovery`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import msgspec

from harness.explore import CrashState, Explorer, ImageKey
from harness.guarantees import Severity
from harness.history import Event, Recording
from harness.image import Image
from harness.live import Faulted, read_back, run_sound
from harness.moments import Segment
from harness.ops import Operation
from harness.oracle import Judge
from harness.persistence import Model, constrain, derive, profile
from harness.recovery import Reading
from harness.subjects import Outcome
from harness.syncfail import dropped
from harness.trace import Close, Fdatasync, Fsync, Record, Write
from harness.violation import Violation, reads, severity_of, show

__all__ = ["Broken", "Case", "PowerCuts", "Readings", "case", "promised"]

_BUDGET: Final = 64
"""Sets of effects looked at at one moment after a faulted run under one model. Where everything
acknowledged was synced there are one or two; where it was not, the first few show it."""


@dataclass(slots=True)
class Broken:
    """A violation, and where it shows.

    Attributes:
        violation: What is broken.
        profiles: Names of the models under which.
        explorer: Of the trace, where it takes a power cut.
        state: What the power cut left.
        blame: A call that is to blame rather than the one that failed.
        during: Where the power was cut at any other moment than the operation's or the run's end,
            where, in words.
    """

    violation: Violation
    profiles: tuple[str, ...]
    explorer: Explorer | None = None
    state: CrashState | None = None
    blame: Record | None = None
    during: str = ""


class Readings:
    """What new processes read on disks, each distinct disk once.

    Args:
        recording: The run whose keys are read.

    Attributes:
        executed: Recoveries run.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._states: dict[ImageKey, Reading] = {}
        self._disks: dict[bytes, Reading] = {}
        self.executed = 0

    def of_disk(self, image: Image) -> Reading:
        """Open a copy of a disk in a new process and read everything."""
        key = _digest(image.held())
        found = self._disks.get(key)
        if found is None:
            recording = self._recording
            self.executed += 1
            found = self._disks[key] = read_back(
                recording.subject, image, recording.workload.keys, seed=recording.seed
            )
        return found

    def of_state(self, explorer: Explorer, state: CrashState) -> Reading:
        """Do the same on what a crash left."""
        found = self._states.get(state.key)
        if found is None:
            found = self._states[state.key] = self.of_disk(explorer.image(state))
        return found


class PowerCuts:
    """Cuts the power in faulted runs of one recorded workload.

    Args:
        recording: The run without faults.
        models: The persistence models to crash it under.
        readings: Reads what is left.
        everywhere: Sets of effects visited where the power is cut at every moment; at nought it is
            at the two that tell most only.

    Attributes:
        crashes: Crash states judged.
        exhaustive: Whether every crash state of each trace cut everywhere was.
    """

    def __init__(
        self,
        recording: Recording,
        models: tuple[Model, ...],
        readings: Readings,
        everywhere: int = 0,
    ) -> None:
        self._recording = recording
        self._syncs = recording.subject.sync is not None
        self._readings = readings
        self._everywhere = everywhere
        self._known: set[tuple[str, bool, bytes]] = set()
        self.crashes = 0
        self.exhaustive = True
        sound = self._sound = run_sound(recording)
        # The kernel lives under a kill: what a new process reads at the end was looked at.
        self._durable = tuple(
            model for model in models if model.order != "returned" and self.keeps(sound, model)
        )
        self._atomic = tuple(model for model in models if self._untorn(sound, model))

    def _untorn(self, sound: Faulted, model: Model) -> bool:
        """Tell whether a power cut at any moment breaks nothing, without a fault."""
        if not self._everywhere or not (model in self._durable or model.order == "returned"):
            return False
        records, events = _effective(sound.records, sound.events)
        return not any(self._anywhere(sound, 0, records, events, model))

    def judge(
        self, run: Faulted, models: tuple[Model, ...], at: int | None = None
    ) -> Iterator[Broken]:
        """Cut the power in one run.

        Args:
            run: The run; its fault has fired.
            models: Those of the models for which it was run.
            at: The one moment to cut it at, in half calls; None for all there are.

        Yields:
            At most one violation for each model.
        """
        found: dict[str, Broken] = {}
        if at is None:
            kept_by = tuple(model for model in models if model in self._durable)
            for broken in self.at_the_end(run, kept_by):
                found[broken.profiles[0]] = broken
                yield broken
        if not self._everywhere:
            return
        for lossy, kept, moved in self._traces(run, len(run.events), len(run.records)):
            for model in models:
                # Where the kernel lives on, memory has what the disk never got.
                lives = lossy and model.order == "returned"
                if model in self._atomic and model.name not in found and not lives:
                    if self._seen(model, True, kept, moved):  # noqa: FBT003 - a key
                        continue
                    begun = moved[run.struck].invoked
                    for broken in self._anywhere(run, begun, kept, moved, model, at):
                        found[model.name] = broken
                        broken.blame = _believed(run) if lossy else None
                        yield broken
                        break

    def at_the_end(self, run: Faulted, models: tuple[Model, ...]) -> Iterator[Broken]:
        """Cut the power when the operation had ended, and when all had.

        Args:
            run: The run; its fault has fired.
            models: Those of the models under which nothing is lost without the fault.

        Yields:
            At most one violation for each model.
        """
        found: set[str] = set()
        for count, position in (
            (run.struck + 1, run.ended),
            (len(run.events), len(run.records)),
        ):
            for lossy, kept, moved in self._traces(run, count, position):
                for model in models:
                    if model.name not in found:
                        broken = self._at_end(run, kept, moved, model)
                        if broken is not None:
                            found.add(model.name)
                            broken.blame = _believed(run) if lossy else None
                            yield broken

    def _traces(
        self, run: Faulted, count: int, position: int
    ) -> Iterator[tuple[bool, list[Record], list[Event]]]:
        """Give a run's trace as it stands, and without what a failed sync was to write.

        Where the memory went back, the disk has what the memory had: there is no other trace.
        """
        events = run.events[:count]
        if count == len(run.events) and events[-1].operation.kind == "open":
            events = events[:-1]
        records = run.records[:position]
        lost = dropped(records, self._recording.base, reverts=run.reverts)
        if not run.reverts or lost == records:
            yield False, *_effective(records, events)
        if lost != records:
            yield True, *_effective(lost, events)

    def _seen(
        self, model: Model, everywhere: bool, records: list[Record], events: list[Event]  # noqa: FBT001 - a key
    ) -> bool:  # fmt: skip
        """Tell whether an equal trace was judged before."""
        signature = model.name, everywhere, _signature(records, events)
        known = signature in self._known
        self._known.add(signature)
        return known

    def _at_end(
        self, run: Faulted, records: list[Record], events: list[Event], model: Model
    ) -> Broken | None:
        """Judge every crash state at the end of a trace; give the first that breaks a promise."""
        if self._seen(model, False, records, events):  # noqa: FBT003 - a key
            return None
        struck = run.events[run.struck]
        judge = Judge(events, self._recording.initial, syncs=self._syncs)
        moment = Segment(0, 1 << 61, len(events), None)
        explorer = self._explorer(records, model, _BUDGET, at=2 * len(records))
        for state in explorer.states():
            self.crashes += 1
            reading = self._readings.of_state(explorer, state)
            if reading.opened is not None:
                continue  # a matter of recovery
            for key, value in reading.values.items():
                allowed = judge.acceptable(key, moment)
                if value in allowed or key not in self._recording.workload.keys:
                    continue
                if len(events) != run.struck + 1:
                    kind = "unusable"  # what it took afterwards rests on what had failed
                elif promised(struck.operation, key) and struck.certain:
                    kind = "false-ack"
                else:
                    kind = "not-clean"
                told = f"after a power cut ({model.name}) it "
                one = case(kind, key, value, allowed, told, acknowledged=kind != "not-clean")
                violation = Violation("clean-failure", *one, 2 * len(records), None, struck.number)
                return Broken(violation, (model.name,), explorer, state)
        return None

    def _anywhere(
        self,
        run: Faulted,
        begun: int,
        records: list[Record],
        events: list[Event],
        model: Model,
        at: int | None = None,
    ) -> Iterator[Broken]:
        """Judge the crash states of a trace from some call on; give what breaks a promise."""
        judge = Judge(events, self._recording.initial, syncs=self._syncs)
        explorer = self._explorer(
            records, model, self._everywhere, at=at, from_position=2 * begun + 1
        )
        for state in explorer.states():
            self.crashes += 1
            reading = self._readings.of_state(explorer, state)
            if reading.opened is not None:
                continue
            first, last = (state.first, state.last) if at is None else (at, at)
            begin, end = judge.span(first, last)
            for segment in judge.segments[begin : end + 1]:
                position = max(segment.first, first)
                if position <= 2 * begun:
                    continue
                latest = segment.in_flight
                if latest is None:
                    latest = segment.acknowledged - 1
                for key, value in reading.values.items():
                    allowed = judge.acceptable(key, segment)
                    if value in allowed or key not in self._recording.workload.keys:
                        continue
                    kind = "not-clean" if latest <= run.struck else "unusable"
                    where = _words(position)
                    told = f"after a power cut {where} ({model.name}) it "
                    one = case(kind, key, value, allowed, told)
                    violation = Violation("clean-failure", *one, position, None, run.struck)
                    yield Broken(violation, (model.name,), explorer, state, during=where)
        self.exhaustive = self.exhaustive and explorer.exhaustive

    def _explorer(
        self,
        records: list[Record],
        model: Model,
        budget: int,
        *,
        at: int | None = None,
        from_position: int = 0,
    ) -> Explorer:
        return Explorer(
            constrain(derive(records, self._recording.base), model),
            budget=budget,
            seed=self._recording.seed,
            at=at,
            from_position=from_position if at is None else 0,
        )

    @cached_property
    def reaches_kernel(self) -> bool:
        """Whether a new process reads what is promised, as long as no call fails."""
        return self.keeps(self._sound, profile("kill"))

    def keeps(self, sound: Faulted, model: Model) -> bool:
        """Tell whether everything acknowledged without a fault survives a power cut."""
        records, events = _effective(sound.records, sound.events)
        effects = derive(records, self._recording.base)
        for calls, number in {event.returned: event.number for event in events}.items():
            judge = Judge(events[: number + 1], self._recording.initial, syncs=self._syncs)
            moment = Segment(0, 1 << 61, number + 1, None)
            explorer = Explorer(
                constrain(effects, model), budget=_BUDGET, seed=self._recording.seed, at=2 * calls
            )
            for state in explorer.states():
                for key, value in self._readings.of_state(explorer, state).values.items():
                    if value not in judge.acceptable(key, moment):
                        return False
        return True


def promised(operation: Operation, key: str) -> bool:
    """Tell whether an operation that returns promises something of a key: a sync does of all."""
    return key == operation.key or operation.kind == "sync"


def _words(position: int) -> str:
    calls = position // 2
    return f"in the middle of call {calls + 1}" if position % 2 else f"after call {calls}"


Case = tuple[str, Severity, str | None, str, tuple[str, ...]]


def case(
    kind: str,
    key: str,
    value: Outcome,
    allowed: tuple[Outcome, ...],
    told: str,
    *,
    acknowledged: bool = False,
    verb: str = "reads",
) -> Case:
    """Word what reading a key gave where something else was allowed.

    Args:
        kind: How the promise is broken.
        key: The key.
        value: What it gave.
        allowed: What it might have given.
        told: Comes before the verb.
        acknowledged: Whether something had been acknowledged that is not so.
        verb: What was done to get a value.
    """
    severity: Severity = severity_of(value)
    if acknowledged and severity != "silent-corruption":
        severity = "false-ack"
    return kind, severity, key, told + reads(value, verb), tuple(show(one) for one in allowed)


def _is_mark(record: Record) -> bool:
    return type(record).__name__ == "Mark"


def _effective(records: list[Record], events: list[Event]) -> tuple[list[Record], list[Event]]:
    """Leave out the calls that failed and did nothing, so that equal traces are seen as such."""
    kept: list[Record] = []
    before = [0]
    for record in records:
        idle = record.error is not None and not (isinstance(record, Write) and record.data)
        if not idle and not _is_mark(record):
            kept.append(record)
        before.append(len(kept))
    last = len(before) - 1
    return kept, [
        Event(
            event.number,
            event.operation,
            before[min(event.invoked, last)],
            before[min(event.returned, last)],
            certain=event.certain,
        )
        for event in events
    ]


def _signature(records: list[Record], events: list[Event]) -> bytes:
    """Equal for runs that a power cut can not tell apart."""
    bare = [msgspec.structs.replace(record, at=(), i=0, process=None) for record in records]
    return _digest(
        [bare, [[e.operation.kind, e.operation.key, e.operation.value, e.certain] for e in events]]
    )


def _digest(what: object) -> bytes:
    """Stand for something in a table: with its own bytes, memory would grow with what is stored."""
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).digest()


def _believed(run: Faulted) -> Record | None:
    """Find the sync that succeeded after one of the same file had failed."""
    failed: set[int | None] = set()
    for record in run.records:
        if isinstance(record, Fsync | Fdatasync):
            if record.error is not None:
                failed.add(record.ino)
            elif record.ino in failed:
                return record
        elif isinstance(record, Close) and record.error is not None:
            return None
    return None
