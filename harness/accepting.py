"""Which line of a recovery takes half of a write for the whole.

A store that tells some halves from the whole and not others has a check that this half passes. It
is found by running the recovery on the disk that shows the violation and on each disk that holds
another half and shows none, and noting every step of the store's own code: where the two part for
the first time, a decision was taken, and the latest of those decisions is the last that could have
told. Where it only tests what a function just returned, the line that returned it is meant.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from harness.diagnose import Site
from harness.examination import Examination
from harness.explore import CrashState
from harness.finding import Candidate, state_of
from harness.halves import in_part, pieces
from harness.history import Recording, record
from harness.image import Image
from harness.intercept import rerouted
from harness.persistence import Model
from harness.quiet import quiet
from harness.record import Recorder
from harness.recovery import Prober
from harness.schedule.fresh import fresh
from harness.source import ordinal, statement
from harness.subjects import Subject

__all__ = ["accepting"]

_HALVES_MAX: Final = 64
"""Other halves that a recovery is run on; each takes a millisecond or two, step by step."""

_STATES_MAX: Final = 2_000
"""Crash states looked at under one model to find them."""

_STEPS_MAX: Final = 200_000
"""Steps noted of one recovery."""


class _Step(NamedTuple):
    code: CodeType
    offset: int


def accepting(subject: Subject, found: Candidate, models: dict[str, Model]) -> Site | None:
    """Find the last decision of the recovery that tells halves of a write from the whole.

    Args:
        subject: The store.
        found: A finding of a crash whose culprit writes what must be all there.
        models: The persistence models, by name: each leaves other halves.

    Returns:
        The line; None where no recovery tells any half.
    """
    case, culprit = found.reproduction, found.culprit
    if culprit is None or case.second is not None or case.kill_at is not None:
        return None
    workload = case.workload()
    with rerouted(), quiet(), fresh(subject):
        recording = record(subject, workload, seed=case.seed)
        prober = Prober(subject, workload.keys, seed=case.seed, follow=False)
        examination = _examination(recording, models[case.profile], prober)
        state = state_of(examination.explorer, case.crash)
        if state is None:
            return None
        walk = _Walk(subject, prober)
        taken = walk.steps(examination.explorer.image(state))
        parting = 0
        others = (
            image for model in models.values() for image in _told(recording, model, prober, found)
        )
        for image in islice(others, _HALVES_MAX):
            parting = max(parting, _shared(taken, walk.steps(image)))
        step = _decision(taken[:parting])
        return None if step is None else walk.site(step)


def _examination(recording: Recording, model: Model, prober: Prober) -> Examination:
    return Examination(recording, model, recording.records, recording.events, prober)


def _told(recording: Recording, model: Model, prober: Prober, found: Candidate) -> Iterator[Image]:
    """Give the images that hold half of what the culprit writes, and break nothing."""
    assert found.culprit is not None
    examination = _examination(recording, model, prober)
    masks = pieces(examination, found.culprit)

    def fine(state: CrashState) -> bool:
        observation = examination.observe(state)
        return all(
            violation.guarantee != found.guarantee
            for violation in examination.violations(state, observation)
        )

    seen = set[object]()
    for state in islice(examination.explorer.states(), _STATES_MAX):
        if state.key in seen or not any(in_part(state, mask) for mask in masks):
            continue
        seen.add(state.key)
        if fine(state):
            yield examination.explorer.image(state)


class _Walk:
    """Runs recoveries step by step.

    Args:
        subject: The store.
        prober: Recovers images.
    """

    def __init__(self, subject: Subject, prober: Prober) -> None:
        self._recorder = Recorder(subject.files)
        self._prober = prober

    def steps(self, image: Image) -> list[_Step]:
        """Give every step that the store's own code takes in the recovery of an image."""
        steps: list[_Step] = []

        def local(frame: FrameType, event: str, argument: object) -> Any:
            del argument
            if event == "opcode" and len(steps) < _STEPS_MAX:
                steps.append(_Step(frame.f_code, frame.f_lasti))
            return local

        def entered(frame: FrameType, event: str, argument: object) -> Any:
            del event, argument
            if self._recorder.place(frame.f_code) is None:
                return None
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
            return local

        with _traced(entered):
            self._prober.records(image)
        return steps

    def site(self, step: _Step) -> Site | None:
        """Name the line of a step."""
        place = self._recorder.place(step.code)
        line = _instructions(step.code)[step.offset][1]
        if place is None or line is None:
            return None
        file, function = place
        return Site(file, line, function, "", statement(file, line), ordinal(file, line))


@contextmanager
def _traced(function: Any) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(function)
    try:
        yield
    finally:
        sys.settrace(before)


@lru_cache(maxsize=256)
def _instructions(code: CodeType) -> dict[int, tuple[str, int | None]]:
    """Give name and line of each instruction, by its offset."""
    return {
        one.offset: (one.opname, one.positions.lineno if one.positions else None)
        for one in dis.get_instructions(code)
    }


def _shared(one: list[_Step], other: list[_Step]) -> int:
    """Count the steps before two runs part; 0 where they never do."""
    for number, (ours, theirs) in enumerate(zip(one, other, strict=False)):
        if ours != theirs:
            return number
    return 0 if len(one) == len(other) else min(len(one), len(other))


_TESTING: Final = ("POP_JUMP", "JUMP_IF", "TO_BOOL", "UNARY_NOT", "COPY", "NOT_TAKEN", "NOP")
"""How the instructions begin that do no more than test a value."""


def _decision(steps: list[_Step]) -> _Step | None:
    """Find the step that made what the last ones only test."""
    if not steps:
        return None
    last = steps[-1]
    for step in reversed(steps):
        if step.code is not last.code:
            return step  # the return of a function called last
        if not _instructions(step.code)[step.offset][0].startswith(_TESTING):
            break
    return last
