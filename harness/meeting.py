"""Faults that one workload can really meet, for whoever draws one: none is drawn in vain.

What a run does says which of its calls can fail and how; what it does about a failure, which call
can fail on top of that; what a successor does after a kill, what can fail in the next life. A fault
is composed out of choices among those, the simplest and most telling first, so that Hypothesis
shrinks towards them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

from harness.disk.calls import CALLS
from harness.explore import Explorer
from harness.failing import FailureJudge
from harness.failing_calls import TELLING
from harness.fault_after_kill import AfterKill
from harness.fault_hooks import FaultHooks
from harness.faults import AnyFault, Fault, Full, Seen, faults_of
from harness.given import killed_text
from harness.history import Recording
from harness.hygiene import repetitions
from harness.image import Image
from harness.live import read_back, run_faulted, seen_in
from harness.persistence import Model, constrain
from harness.trace import is_call
from harness.workloads import Chooser

__all__ = ["Meeting"]

_BLOCK: Final = 4096
_ROOMS: Final = 6
"""Blocks, or inodes, of the roomiest disk that is drawn."""


class Meeting:
    """What can go wrong in one recorded workload.

    Args:
        recording: Its run without faults.
        models: The persistence models.
    """

    def __init__(self, recording: Recording, models: tuple[Model, ...]) -> None:
        self._recording = recording
        self._models = models

    def compose(self, chooser: Chooser, guarantee: str) -> str:
        """Make one fault, as text, that a guarantee is judged by.

        Args:
            chooser: Where the choices come from.
            guarantee: One that is about faults other than crashes alone, or recovery.
        """
        if guarantee == "hygiene":
            return str(chooser.pick(self._repetitions))
        if guarantee == "recovery":
            return f"in recovery: {self._in_recovery(chooser)}"
        match chooser.pick(("a call", "a pair", "a pair", "the next life", "the disk")):
            case "the next life":
                killed = chooser.integer(1, self._calls)
                lives = self._next_life(killed)
                if lives:
                    return f"{killed_text(killed)}{chooser.pick(lives)}"
            case "the disk":
                unit, size = chooser.pick((("bytes", _BLOCK), ("inodes", 1)))
                return str(Full(size * chooser.integer(0, _ROOMS), unit))
            case "a pair":
                changing = [one for one in self._seen if _changes(one)]
                if changing:
                    first = chooser.pick(faults_of(chooser.pick(changing)))
                    return str(_second(chooser, first, run_faulted(self._recording, first).behind))
        return str(_first(chooser, self._seen))

    def _in_recovery(self, chooser: Chooser) -> AnyFault:
        image = self._image(chooser.integer(0, self._calls))
        hooks = self._read(image, None)
        first = _first(chooser, hooks.seen)
        if not chooser.integer(0, 1):
            return first
        return _second(chooser, first, self._read(image, first).behind)

    def _read(self, image: Image, fault: Fault | None) -> FaultHooks:
        recording, hooks = self._recording, FaultHooks(fault)
        keys = recording.workload.keys
        read_back(recording.subject, image, keys, seed=recording.seed, hooks=hooks)
        return hooks

    @cached_property
    def _seen(self) -> list[Seen]:
        return seen_in(self._recording)

    @cached_property
    def _repetitions(self) -> list[str]:
        return list(map(str, repetitions(self._recording, short=False)))

    @cached_property
    def _calls(self) -> int:
        return sum(map(is_call, self._recording.records))

    @cached_property
    def _explorer(self) -> Explorer:
        return Explorer(constrain(self._recording.effects, self._models[0]), budget=1)

    def _image(self, calls: int) -> Image:
        return self._explorer.image(self._explorer.everything_after(calls))

    @cached_property
    def _lives(self) -> AfterKill:
        cuts = FailureJudge(self._recording, self._models[:1]).cuts
        return AfterKill(self._recording, self._models, cuts)

    def _next_life(self, killed: int) -> list[Fault]:
        return [fault for one in self._lives.seen(killed) for fault in faults_of(one, short=True)]


def _first(chooser: Chooser, seen: Sequence[Seen]) -> Fault:
    """Choose a call's name, then one of those calls, then what becomes of it."""
    names = sorted({one.call for one in seen if faults_of(one)}, key=_telling)
    name = chooser.pick(names)
    one = chooser.pick([one for one in seen if one.call == name and faults_of(one)])
    return chooser.pick(faults_of(one))


def _changes(one: Seen) -> bool:
    """Tell whether a store may have something to put right where a call fails."""
    changes = CALLS[one.call].changes and one.call not in ("open", "close")
    return changes and bool(faults_of(one))


def _telling(call: str) -> tuple[int, str]:
    return (TELLING.index(call) if call in TELLING else len(TELLING)), call


def _second(chooser: Chooser, first: Fault, behind: Sequence[Seen]) -> Fault:
    """Let another call fail in what the store does about a failure, where it does anything."""
    then = [
        fault
        # That of a close, which everything ends with, only where there is nothing else.
        for one in sorted(behind, key=lambda one: one.call == "close")
        for fault in faults_of(one, short=True)
    ]
    return replace(first, then=chooser.pick(then)) if then else first
