"""Judging what a store does when a call fails or the disk is full: the guarantee `clean-failure`.

The operation raises, or really took full effect, durable as promised. Afterwards its key reads
entirely old or entirely new, and old where the failure came before the new value could be seen;
other keys read as before; a new process reads the same; and the store works without a restart.

A store that declares `sync` promises less: what it acknowledged since the last sync or shutdown
that returned may be gone after one that raised, and in a new process. Otherwise it reads what it
wrote, as everywhere.

Kinds of violation, each the same word for every store:

- ``false-ack``: it returned, and the effect is not there, or would not survive a power cut;
- ``false-answer``: a read or list returned something that is not so;
- ``not-clean``: it raised, and left what must not be;
- ``unusable``: the fault is over, and the store does not work, or does not keep what it takes;
- ``hangs``: it never returned.

One run gives one violation, the first in the order in which a user would meet them: what follows
from a broken state is no news. Power cuts come last (`harness.power_cuts`).
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.history import Event, Recording
from harness.live import Faulted
from harness.moments import Segment
from harness.ops import Operation
from harness.oracle import Judge
from harness.persistence import Model
from harness.power_cuts import Broken, Case, PowerCuts, Readings, case, promised
from harness.subjects import MISSING, Outcome, Raised
from harness.violation import Violation, show

__all__ = ["FailureJudge"]


class FailureJudge:
    """Judges faulted runs of one recorded workload.

    Args:
        recording: The run without faults.
        models: The persistence models to crash it under.
        everywhere: See `harness.power_cuts.PowerCuts`.
    """

    def __init__(
        self, recording: Recording, models: tuple[Model, ...], everywhere: int = 0
    ) -> None:
        self._recording = recording
        self._syncs = recording.subject.sync is not None
        self._readings = Readings(recording)
        self._cuts = PowerCuts(recording, models, self._readings, everywhere)

    @property
    def cuts(self) -> PowerCuts:
        """What cuts the power."""
        return self._cuts

    @property
    def crashes(self) -> int:
        """Crash states judged."""
        return self._cuts.crashes

    @property
    def executed(self) -> int:
        """Recoveries run."""
        return self._readings.executed

    @property
    def exhaustive(self) -> bool:
        """Whether every crash state was judged of each trace that was cut everywhere."""
        return self._cuts.exhaustive

    def judge(
        self, run: Faulted, models: tuple[Model, ...], at: int | None = None
    ) -> Iterator[Broken]:
        """Judge one run.

        Args:
            run: The run; its fault has fired.
            models: Those of the judge's models for which it was run.
            at: The one moment at which to cut the power, in half calls; None for all, and for what
                shows without.

        Yields:
            At most one violation for all models, or one for some of them.
        """
        position = 2 * run.ended
        for kind, severity, key, observed, allowed in self._alive(run) if at is None else ():
            violation = Violation(
                "clean-failure", kind, severity, key, observed, allowed, position, None, run.struck
            )
            yield Broken(violation, tuple(model.name for model in models))
            return
        yield from self._cuts.judge(run, models, at)

    # -- while the machine lives ---------------------------------------------------------------

    def _alive(self, run: Faulted) -> Iterator[Case]:
        """Judge what the store showed, the first thing first."""
        operation, answer = run.events[run.struck].operation, run.answer
        raised = isinstance(answer, Raised)
        # What was to be made to last may be what is left: nobody was told that it lasts.
        unsaved = raised and operation.kind in ("sync", "close")
        judge, moment = self._judge(run.events[: run.struck + 1], syncs=self._syncs and unsaved)
        if isinstance(answer, Raised) and answer.type in ("CallLimitExceeded", "Hung"):
            yield "hangs", "unavailable", operation.key, f"{operation} never returns", ("an error",)
        if operation.kind == "read" and operation.key is not None and not raised:
            allowed = judge.acceptable(operation.key, moment)
            if answer not in allowed:
                assert answer is MISSING or isinstance(answer, bytes)
                told = f"{operation} "
                yield case("false-answer", operation.key, answer, allowed, told, verb="returns")
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
                mine = done if self._promised(operation, key) else "not-clean"
                yield case(mine, key, value, allowed, "afterwards it ", acknowledged=not raised)
        yield from self._elsewhere(run, done, judge, moment)
        if follow.refused is not None:
            yield _refused(*follow.refused)
        for name, written, got in follow.back:
            if got != written:
                told = "a write after the fault "
                yield case("unusable", name, got, (written,), told, verb="reads back as")
        yield from self._later(run)

    def _elsewhere(self, run: Faulted, done: str, judge: Judge, moment: Segment) -> Iterator[Case]:
        """Judge what a new process reads, and whether the new value came after the failure."""
        operation, follow = run.events[run.struck].operation, run.follow
        if follow.disk is None:
            return
        reading = self._readings.of_disk(follow.disk)
        if reading.opened is not None:
            shown = f"afterwards a new process cannot open it: {reading.opened}"
            yield done, "unavailable", None, shown, ("opening succeeds",)
            return
        for key, value in reading.values.items():
            if key not in follow.values:
                continue
            if self._syncs:
                yield from self._unsynced(run, done, key, value)
                continue
            allowed = judge.acceptable(key, moment)
            if value != follow.values[key]:
                mine = done if key == operation.key else "not-clean"
                told = f"this process reads {show(follow.values[key])}, a new one "
                yield case(mine, key, value, allowed, told, acknowledged=done == "false-ack")
        mine_key = operation.key
        if (
            done == "not-clean"
            and not self._syncs
            and operation.kind in ("write", "delete")
            and mine_key is not None
            and run.before is not None
        ):
            new: Outcome = MISSING if operation.value is None else operation.value
            earlier = self._readings.of_disk(run.before).values.get(mine_key)
            if follow.values[mine_key] == new and earlier is not None and earlier != new:
                old = tuple(one for one in judge.acceptable(mine_key, moment) if one != new)
                if earlier in old:
                    told = "it failed before the new value could be seen, and yet it "
                    yield case("not-clean", mine_key, new, old, told)

    def _unsynced(self, run: Faulted, done: str, key: str, value: Outcome) -> Iterator[Case]:
        """Judge what a new process reads of a store that declares `sync`."""
        operation = run.events[run.struck].operation
        judge, moment = self._judge(run.events[: run.struck + 1], syncs=True)
        allowed = judge.acceptable(key, moment)
        if value not in allowed and self._cuts.reaches_kernel:
            mine = done if self._promised(operation, key) else "not-clean"
            told = "afterwards, in a new process, it "
            yield case(mine, key, value, allowed, told, acknowledged=done == "false-ack")

    def _later(self, run: Faulted) -> Iterator[Case]:
        """Judge what was read in the end."""
        later = run.follow.later
        if isinstance(later, Raised):
            shown = f"after a clean shutdown, opening raises {later}"
            yield "unusable", "unavailable", None, shown, ("opening succeeds",)
            return
        if later is None:
            return
        # All of it was synced, and shut down cleanly.
        judge, moment = self._judge(run.events, syncs=self._syncs)
        for key, value in later.items():
            allowed = judge.acceptable(key, moment)
            if value not in allowed:
                yield case("unusable", key, value, allowed, "after a clean shutdown it ")

    def _promised(self, operation: Operation, key: str) -> bool:
        """Tell whether an operation that returns promises something of a key, to the living."""
        return promised(operation, key) or (self._syncs and operation.kind == "close")

    def _judge(self, events: list[Event], *, syncs: bool) -> tuple[Judge, Segment]:
        """Make a judge of a history that has ended, and its last moment."""
        judge = Judge(events, self._recording.initial, syncs=syncs, closes=True)
        return judge, Segment(0, 1 << 61, len(events), None)


def _refused(operation: object, raised: Raised) -> Case:
    key = getattr(operation, "key", None)
    told = f"the fault is over, and {operation} raises {raised}"
    return "unusable", "unavailable", key, told, ("it succeeds",)
