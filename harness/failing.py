"""Judging what a store does when a call fails or the disk is full: the guarantee `clean-failure`.

The operation raises, or really took full effect, durable as promised. Afterwards its key reads
entirely old or entirely new, and old where the failure came before the new value could be seen;
other keys read as before; a new process reads the same; and the store works without a restart.

Kinds of violation, each the same word for every store:

- ``false-ack``: it returned, and the effect is not there, or would not survive a power cut;
- ``false-answer``: a read or list returned something that is not so;
- ``not-clean``: it raised, and left what must not be;
- ``unusable``: the fault is over, and the store does not work, or does not keep what it takes;
- ``hangs``: it never returned.

One run gives one violation, the first in the order in which a user would meet them: what follows
from a broken state is no news. What a power cut does to a store that loses acknowledged work
without any fault is a matter of `durability`, and not judged again here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from harness.explore import CrashState, Explorer, ImageKey
from harness.history import Event, Recording
from harness.image import Image
from harness.live import Faulted, read_back
from harness.oracle import Judge, Segment, Severity, Violation, severity_of, show
from harness.persistence import Model, constrain, derive
from harness.recovery import Reading
from harness.subjects import MISSING, Outcome, Raised
from harness.syncfail import dropped
from harness.trace import Close, Fdatasync, Fsync, Record, Write

__all__ = ["Broken", "FailureJudge"]

_BUDGET: Final = 64
"""Crash states looked at after one faulted run under one model. Where everything acknowledged was
synced there are one or two; where it was not, the first few show it."""


@dataclass(slots=True)
class Broken:
    """A violation, and where it shows.

    Attributes:
        violation: What is broken.
        profiles: Names of the models under which.
        explorer: Of the trace, where it takes a power cut.
        state: What the power cut left.
        blame: A call that is to blame rather than the one that failed.
    """

    violation: Violation
    profiles: tuple[str, ...]
    explorer: Explorer | None = None
    state: CrashState | None = None
    blame: Record | None = None


class FailureJudge:
    """Judges faulted runs of one recorded workload.

    Args:
        recording: The run without faults.
        models: The persistence models to crash it under.

    Attributes:
        crashes: Crash states judged.
        executed: Recoveries run.
    """

    def __init__(self, recording: Recording, models: tuple[Model, ...]) -> None:
        self._recording = recording
        self._syncs = recording.subject.sync is not None
        self._models = models
        self._readings: dict[ImageKey, Reading] = {}
        self._disks: dict[bytes, Reading] = {}
        self._known: set[tuple[str, bytes]] = set()
        self.crashes = self.executed = 0
        # A store that loses what it acknowledged without any fault is durability's business.
        self._durable = tuple(model for model in models if self._keeps(model))

    def judge(self, run: Faulted, models: tuple[Model, ...]) -> Iterator[Broken]:
        """Judge one run.

        Args:
            run: The run; its fault has fired.
            models: Those of the judge's models for which it was run.

        Yields:
            At most one violation for all models, or one for some of them.
        """
        position = 2 * run.ended
        for kind, severity, key, observed, allowed in self._alive(run):
            violation = Violation(
                "clean-failure", kind, severity, key, observed, allowed, position, None, run.struck
            )
            yield Broken(violation, tuple(model.name for model in models))
            return
        yield from self._power_cuts(run, models)

    # -- while the machine lives ---------------------------------------------------------------

    def _alive(self, run: Faulted) -> Iterator[_Case]:
        """Judge what the store showed, the first thing first."""
        operation, answer = run.events[run.struck].operation, run.answer
        judge, moment = self._judge(run.events[: run.struck + 1], syncs=False)
        raised = isinstance(answer, Raised)
        if isinstance(answer, Raised) and answer.type in ("CallLimitExceeded", "Hung"):
            yield "hangs", "unavailable", operation.key, f"{operation} never returns", ("an error",)
        if operation.kind == "read" and operation.key is not None and not raised:
            allowed = judge.acceptable(operation.key, moment)
            if answer not in allowed:
                assert answer is MISSING or isinstance(answer, bytes)
                yield _case("false-answer", operation.key, answer, allowed, f"{operation} returns ")
        if operation.kind == "list" and isinstance(answer, tuple):
            there = sorted(
                key
                for key in self._recording.workload.keys
                if MISSING not in judge.acceptable(key, moment)
            )
            if sorted(answer) != there:
                shown = f"list returns {sorted(answer)}"
                yield "false-answer", "unavailable", None, shown, (str(there), "an error")
        follow = run.follow
        if follow.refused is not None and follow.refused[0].kind == "open":
            yield _refused(*follow.refused)
            return
        done = "not-clean" if raised else "false-ack"
        for key, value in follow.values.items():
            allowed = judge.acceptable(key, moment)
            if value not in allowed:
                mine = done if key == operation.key else "not-clean"
                yield _case(
                    mine, key, value, allowed, "afterwards it reads ", acknowledged=not raised
                )
        yield from self._elsewhere(run, done, judge, moment)
        if follow.refused is not None:
            yield _refused(*follow.refused)
        for name, written, got in follow.back:
            if got != written:
                told = "a write after the fault reads back as "
                yield _case("unusable", name, got, (written,), told)
        yield from self._later(run)

    def _elsewhere(self, run: Faulted, done: str, judge: Judge, moment: Segment) -> Iterator[_Case]:
        """Judge what a new process reads, and whether the new value came after the failure."""
        operation, follow = run.events[run.struck].operation, run.follow
        if follow.disk is None:
            return
        reading = self._read(follow.disk)
        if reading.opened is not None:
            shown = f"afterwards a new process cannot open it: {reading.opened}"
            yield done, "unavailable", None, shown, ("opening succeeds",)
            return
        for key, value in reading.values.items():
            if key not in follow.values:
                continue
            allowed = judge.acceptable(key, moment)
            if not self._syncs and value != follow.values[key]:
                mine = done if key == operation.key else "not-clean"
                told = f"this process reads {show(follow.values[key])}, a new one "
                yield _case(mine, key, value, allowed, told, acknowledged=done == "false-ack")
        mine_key = operation.key
        if (
            done == "not-clean"
            and not self._syncs
            and operation.kind in ("write", "delete")
            and mine_key is not None
            and run.before is not None
        ):
            new: Outcome = MISSING if operation.value is None else operation.value
            earlier = self._read(run.before).values.get(mine_key)
            if follow.values[mine_key] == new and earlier is not None and earlier != new:
                old = tuple(one for one in judge.acceptable(mine_key, moment) if one != new)
                if earlier in old:
                    told = "it failed before the new value could be seen, and yet it reads "
                    yield _case("not-clean", mine_key, new, old, told)

    def _later(self, run: Faulted) -> Iterator[_Case]:
        """Judge what was read in the end."""
        later = run.follow.later
        if isinstance(later, Raised):
            shown = f"after a clean shutdown, opening raises {later}"
            yield "unusable", "unavailable", None, shown, ("opening succeeds",)
            return
        if later is None:
            return
        judge, moment = self._judge(run.events, syncs=False)
        for key, value in later.items():
            allowed = judge.acceptable(key, moment)
            if value not in allowed:
                yield _case("unusable", key, value, allowed, "after a clean shutdown it reads ")

    def _read(self, image: Image) -> Reading:
        """Open a copy of a disk in a new process and read everything, once for equal disks."""
        key = msgspec.json.encode([image.files(), image.dirs()], order="deterministic")
        found = self._disks.get(key)
        if found is None:
            recording = self._recording
            self.executed += 1
            found = self._disks[key] = read_back(
                recording.subject, image, recording.workload.keys, seed=recording.seed
            )
        return found

    def _judge(self, events: list[Event], *, syncs: bool) -> tuple[Judge, Segment]:
        """Make a judge of a history that has ended, and its last moment."""
        judge = Judge(events, self._recording.initial, syncs=syncs)
        return judge, Segment(0, 1 << 61, len(events), None)

    # -- power cuts ----------------------------------------------------------------------------

    def _power_cuts(self, run: Faulted, models: tuple[Model, ...]) -> Iterator[Broken]:
        """Cut the power when the operation had ended, and when the follow-up had."""
        found: dict[str, Broken] = {}
        wanted = [model for model in models if model in self._durable]
        for count, position in (
            (run.struck + 1, run.ended),
            (len(run.events), len(run.records)),
        ):
            events = run.events[:count]
            if count == len(run.events) and (events[-1].operation.kind == "open"):
                events = events[:-1]
            for lossy in (False, True):
                records = run.records[:position]
                if lossy:
                    records = dropped(records, self._recording.base)
                    if records == run.records[:position]:
                        continue
                kept, moved = _effective(records, events)
                signature = _signature(kept, moved)
                for model in wanted:
                    if model.name in found or (model.name, signature) in self._known:
                        continue
                    self._known.add((model.name, signature))
                    broken = self._cut(run, kept, moved, model)
                    if broken is not None:
                        found[model.name] = broken
                        broken.blame = _believed(run) if lossy else None
                        yield broken

    def _cut(
        self, run: Faulted, records: list[Record], events: list[Event], model: Model
    ) -> Broken | None:
        """Judge every crash state at the end of a trace; give the first that breaks a promise."""
        struck = run.events[run.struck]
        judge, moment = self._judge(events, syncs=self._syncs)
        explorer = Explorer(
            constrain(derive(records, self._recording.base), model),
            budget=_BUDGET,
            seed=self._recording.seed,
            at=2 * len(records),
        )
        for state in explorer.states():
            self.crashes += 1
            reading = self._reading(explorer, state)
            if reading.opened is not None:
                continue  # a matter of recovery
            for key, value in reading.values.items():
                allowed = judge.acceptable(key, moment)
                if value in allowed or key not in self._recording.workload.keys:
                    continue
                first = len(events) == run.struck + 1
                if not first:
                    kind = "unusable"  # what it took afterwards rests on what had failed
                elif key == struck.operation.key and struck.certain:
                    kind = "false-ack"
                else:
                    kind = "not-clean"
                case = _case(
                    kind,
                    key,
                    value,
                    allowed,
                    f"after a power cut ({model.name}) it reads ",
                    acknowledged=kind != "not-clean",
                )
                violation = Violation("clean-failure", *case, 2 * len(records), None, struck.number)
                return Broken(violation, (model.name,), explorer, state)
        return None

    def _reading(self, explorer: Explorer, state: CrashState) -> Reading:
        found = self._readings.get(state.key)
        if found is None:
            found = self._readings[state.key] = self._read(explorer.image(state))
        return found

    def _keeps(self, model: Model) -> bool:
        """Tell whether everything acknowledged without a fault survives a power cut."""
        if model.order == "returned":
            return False  # the kernel lives: what a new process reads was looked at
        recording = self._recording
        records = [record for record in recording.records if not _is_mark(record)]
        effects = derive(records, recording.base)
        ends = {event.returned: event.number for event in recording.events}
        for calls, number in ends.items():
            judge, _ = self._judge(recording.events[: number + 1], syncs=self._syncs)
            moment = Segment(0, 1 << 61, number + 1, None)
            explorer = Explorer(
                constrain(effects, model), budget=_BUDGET, seed=recording.seed, at=2 * calls
            )
            for state in explorer.states():
                reading = self._reading(explorer, state)
                for key, value in reading.values.items():
                    if value not in judge.acceptable(key, moment):
                        return False
        return True


_Case = tuple[str, Severity, str | None, str, tuple[str, ...]]


def _case(
    kind: str,
    key: str,
    value: Outcome,
    allowed: tuple[Outcome, ...],
    told: str,
    *,
    acknowledged: bool = False,
) -> _Case:
    severity: Severity = severity_of(value)
    if acknowledged and severity != "silent-corruption":
        severity = "false-ack"
    return kind, severity, key, told + show(value), tuple(show(one) for one in allowed)


def _refused(operation: object, raised: Raised) -> _Case:
    key = getattr(operation, "key", None)
    told = f"the fault is over, and {operation} raises {raised}"
    return "unusable", "unavailable", key, told, ("it succeeds",)


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
    return msgspec.json.encode(
        [bare, [[e.operation.kind, e.operation.key, e.operation.value, e.certain] for e in events]]
    )


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
