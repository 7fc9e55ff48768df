"""The whole machine dies while several write: crash states of the joined trace.

The trace of all writers is one trace, so what the disk may hold after a power cut is computed as
ever (`harness.examine`); what changes is what it may show. Several operations can be in flight at
once, and each of them may have happened or not: a key may read as whatever leaves the history
durably linearizable (`harness.linear.final_values`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.examination import Examination
from harness.explore import CrashState
from harness.guarantees import Severity
from harness.isolation.judging import name_of
from harness.isolation.runs import Run
from harness.linear import Act, Done, acts_of, final_values
from harness.recovery import Observation, Reading
from harness.subjects import MISSING, Outcome, Raised
from harness.violation import Violation, severity_of, show

__all__ = ["Moment", "RacedExamination"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A span of positions at which the same operations had begun and returned.

    Attributes:
        first: First position, in half calls.
        tick: When, on the history's clock: what had happened by then has.
        in_flight: Numbers of the operations that had begun and not returned.
    """

    first: int
    tick: int
    in_flight: tuple[int, ...]


@dataclass
class RacedExamination(Examination):
    """One joined trace under one persistence model.

    Attributes:
        history: What was called, by whom.
        ticks: For each call of the trace, when it was made on the history's clock.
        durable: Whether what returned has to survive; else any earlier value will do.
        run: The interleaving, for the story.
    """

    history: Sequence[Done] = ()
    ticks: Sequence[int] = ()
    durable: bool = True
    run: Run | None = None
    moments: list[Moment] = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.moments = list(_moments(self.history, self.ticks))
        self._firsts = [moment.first for moment in self.moments]
        self._values: dict[tuple[int, str], tuple[Outcome, ...] | None] = {}

    def span(self, state: CrashState) -> tuple[int, int]:
        """Give the numbers of the first and the last moment at which a crash leaves a state."""
        begin = bisect_right(self._firsts, state.first) - 1
        return begin, max(bisect_right(self._firsts, state.last) - 1, begin)

    def violations(self, state: CrashState, observation: Observation) -> Iterator[Violation]:
        first, last = self.span(state)
        seen: set[str | None] = set()
        for number in range(first, last + 1):
            moment = self.moments[number]
            position = max(moment.first, state.first)
            for violation in self._judged(observation.first, number, position):
                if violation.key not in seen:
                    seen.add(violation.key)
                    yield violation

    def _judged(self, reading: Reading, number: int, position: int) -> Iterator[Violation]:
        moment = self.moments[number]
        if reading.opened is not None:
            yield Violation(
                "isolation",
                "crash-will-not-open",
                "unavailable",
                None,
                f"opening raises {reading.opened}",
                ("opening succeeds",),
                position,
            )
            return
        for key in self.recording.workload.keys:
            allowed = self.allowed(number, key)
            value = reading.values.get(key, MISSING)
            if allowed is None or value in allowed:
                continue
            concerns = self._concerned(key, moment)
            yield Violation(
                "isolation",
                self._kind(key, value),
                _severity(value, self._ever(key)),
                key,
                show(value),
                tuple(show(one) for one in allowed),
                position,
                moment.in_flight[0] if moment.in_flight else None,
                concerns,
            )

    def allowed(self, number: int, key: str) -> tuple[Outcome, ...] | None:
        """Give what a key may read as after a crash at a moment; None where nobody knows."""
        known = (number, key)
        if known not in self._values:
            tick, initial = self.moments[number].tick, self.recording.initial.get(key, MISSING)
            if self.durable:
                self._values[known] = final_values(self.history, key, initial, tick)
            else:
                begun = [act for act in acts_of(self.history, key) if act.invoked <= tick]
                self._values[known] = tuple(_ever(begun, initial))
        return self._values[known]

    def _ever(self, key: str) -> dict[Outcome, None]:
        return _ever(acts_of(self.history, key), self.recording.initial.get(key, MISSING))

    def _kind(self, key: str, value: Outcome) -> str:
        if isinstance(value, Raised):
            return "crash-raises"
        if value in self._ever(key):
            return "crash-lost"
        return "crash-absent" if value is MISSING else "crash-mixed"

    def _concerned(self, key: str, moment: Moment) -> int | None:
        done = [
            one.number
            for one in self.history
            if one.operation.key == key
            and one.operation.kind in ("write", "delete")
            and one.returned is not None
            and one.returned <= moment.tick
        ]
        return done[-1] if done else None

    def told(self, position: int) -> str:
        """Say who was doing what when the crash struck."""
        moment = self.moments[bisect_right(self._firsts, position) - 1]
        by_number = {one.number: one for one in self.history}
        busy = [by_number[number] for number in moment.in_flight]
        return ", ".join(f"{name_of(one.writer)} in {one.operation}" for one in busy) or "nobody"


def _ever(acts: Sequence[Act], initial: Outcome) -> dict[Outcome, None]:
    values: dict[Outcome, None] = {initial: None}
    values.update((act.sets, None) for act in acts if act.sets is not None)
    return values


def _severity(value: Outcome, ever: dict[Outcome, None]) -> Severity:
    # An earlier value of the same key is acknowledged work gone, no corruption.
    return "data-loss" if value in ever else severity_of(value)


def _moments(history: Sequence[Done], ticks: Sequence[int]) -> Iterator[Moment]:
    """Cut the positions of a trace at each call before which something began or returned.

    A crash between call n and the next is judged as if it struck right before the next one: what
    returned in between has returned. What began there has changed nothing yet, and counts.
    """
    before: tuple[tuple[int, ...], int] | None = None
    end = max((one.returned or one.invoked for one in history), default=0) + 1
    for calls in range(len(ticks) + 1):
        tick = ticks[calls] if calls < len(ticks) else end
        begun = [one for one in history if one.invoked < tick]
        returned = [one.number for one in begun if one.returned is not None and one.returned < tick]
        in_flight = tuple(one.number for one in begun if one.number not in set(returned))
        now = (in_flight, len(returned))
        if now != before:
            before = now
            # The call's own turn is not over: an operation that returns in it has not returned.
            yield Moment(2 * calls, tick - 1, in_flight)
