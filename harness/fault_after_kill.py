"""A process dies, and a call of the next one fails: then it tries again, and the power goes.

The next process starts on what memory still holds, which need not be on disk: it may trust what
nobody ever made durable, and where its own attempt to do so fails, trust it all the same at the
second try. A process is killed after each call of a workload; the next one opens the store, reads
and writes; each call of that fails, and what raised is tried again. What was acknowledged by then
survives a power cut. A profile under which the same lives without the failing call lose something
is not judged here: that is a matter of `durability`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.explore import Explorer
from harness.fault_hooks import FaultHooks
from harness.faults import AnyFault, Fault, Seen, faults_of
from harness.history import Recording, history_until
from harness.live import Faulted, run_after_kill
from harness.persistence import Model, constrain
from harness.power_cuts import Broken, PowerCuts
from harness.record import Recorder
from harness.trace import is_call

__all__ = ["AfterKill"]

_BUDGET: Final = 64


class AfterKill:
    """Lives of one store: one that is killed, and one in which a call fails.

    Args:
        recording: The workload's run without faults.
        models: The persistence models.
        cuts: Cuts the power.
    """

    def __init__(self, recording: Recording, models: tuple[Model, ...], cuts: PowerCuts) -> None:
        self._recording = recording
        self._models = models
        self._cuts = cuts
        self._explorer = Explorer(constrain(recording.effects, models[0]), budget=_BUDGET)
        self._calls = [record for record in recording.records if is_call(record)]
        self._kept: dict[int, tuple[Model, ...]] = {}

    def every(self) -> Iterator[tuple[int, Fault]]:
        """Give each kill, as calls done before it, with each fault of the next life's calls."""
        for killed in range(1, len(self._calls) + 1):
            for one in self.seen(killed):
                for fault in faults_of(one, short=True):
                    yield killed, fault

    def seen(self, killed: int) -> list[Seen]:
        """Give the calls of the life after so many calls of the first."""
        hooks = FaultHooks()
        self._live(killed, hooks, None)
        return hooks.seen

    def judge(
        self, killed: int, fault: AnyFault, models: tuple[Model, ...], *, reverts: bool
    ) -> tuple[Faulted, list[Broken]]:
        """Live both lives, and cut the power at the end of the second.

        Args:
            killed: Calls that the first one made.
            fault: What fails in the second.
            models: Those of the models for which it is run.
            reverts: See `harness.fault_hooks.FaultHooks`.
        """
        hooks = FaultHooks(fault, Recorder(self._recording.subject.files), reverts=reverts)
        run = self._live(killed, hooks, fault)
        if not run.fired:
            return run, []
        kept = [model for model in self._keeping(killed) if model in models]
        return run, list(self._cuts.at_the_end(run, tuple(kept)))

    def _keeping(self, killed: int) -> tuple[Model, ...]:
        """Give the models under which nothing is lost without the fault."""
        if killed not in self._kept:
            hooks = FaultHooks(None, Recorder(self._recording.subject.files))
            sound = self._live(killed, hooks, None)
            self._kept[killed] = tuple(
                model
                for model in self._models
                if model.order != "returned" and self._cuts.keeps(sound, model)
            )
        return self._kept[killed]

    def _live(self, killed: int, hooks: FaultHooks, fault: AnyFault | None) -> Faulted:
        image = self._explorer.image(self._explorer.everything_after(killed))
        events = history_until(self._recording.events, killed)
        run = run_after_kill(self._recording, image, events, killed, hooks, fault)
        run.records[:0] = self._calls[:killed]
        for number, record in enumerate(run.records, 1):
            if number > killed:
                record.i = number
        return run
