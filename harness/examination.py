"""One trace under one persistence model: recovering its crash states, and judging each.

Which of them to look at is not decided here: `harness.examine` takes them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from harness.aftermath import NESTED_BUDGET, Aftermath, aftermath
from harness.explore import CrashState, Explorer, Shortcuts
from harness.history import Event, Recording
from harness.image import Image
from harness.moments import Segment
from harness.oracle import Judge
from harness.persistence import Constraints, Model, constrain, derive
from harness.recovery import Observation, Prober, Reading
from harness.reuse import Asked, Trie, translated
from harness.trace import Frame, Record
from harness.violation import Violation

__all__ = ["Examination"]

_READINGS_MAX: Final = 1 << 14
"""Readings without the operation in flight that are remembered."""

_UNSHARED_MAX: Final = 256
"""Readings remembered where none is reused, so that each has values of its own."""


@dataclass
class Examination:
    """One trace under one persistence model, with everything needed to judge its crash states.

    Attributes:
        recording: The run.
        model: The persistence model.
        records: The trace: the run's, or its beginning and what a successor did.
        events: The history that goes with it.
        prober: Recovers images.
        from_position: Crash states possible before this position are left to another examination.
        budget: Sets of effects visited before sampling.
        kill_at: Calls after which the first process died, in a mixed failure.
        given: Where a buffered file was given what a write of the trace brings, by the write's
            number (see `harness.givers`); by default as in the run.
    """

    recording: Recording
    model: Model
    records: list[Record]
    events: list[Event]
    prober: Prober
    from_position: int = 0
    budget: int = 20_000
    kill_at: int | None = None
    given: Mapping[int, tuple[Frame, ...]] | None = None
    constraints: Constraints = field(init=False)
    explorer: Explorer = field(init=False)
    judge: Judge = field(init=False)

    def __post_init__(self) -> None:
        subject = self.recording.subject
        if self.given is None:
            self.given = self.recording.given
        self.constraints = constrain(derive(self.records, self.recording.base), self.model)
        self.explorer = Explorer(
            self.constraints,
            budget=self.budget,
            seed=self.recording.seed,
            from_position=self.from_position,
        )
        self.judge = Judge(self.events, self.recording.initial, syncs=subject.sync is not None)
        self.looked_back = False
        self._before: dict[tuple[object, ...], Reading] = {}
        self._aftermaths: Trie[Aftermath] = Trie()
        self._shortcuts = Shortcuts[Aftermath](self.explorer)

    def observe(self, state: CrashState) -> Observation:
        """Recover the image of a state, or know already what comes of it."""
        return self.prober.probe(self.explorer.view(state))

    def aftermath(self, state: CrashState, *, nested: bool) -> Aftermath:
        """Recover the image of a state of the walk, and what a crash in that recovery leaves.

        Args:
            state: The state the explorer gave last.
            nested: Whether to crash in the recovery.
        """
        prober = self.prober
        found = self._shortcuts.find(state) if prober.reusing else None
        if found is not None:
            prober.reuse(found.observation, self._shortcuts.view(state))
            return found
        view = self._shortcuts.view(state)
        asked = Asked(view)
        if prober.reusing and nested:
            found = self._aftermaths.find(asked)
        if found is not None:
            prober.reuse(found.observation, view)
        elif nested:
            asked = Asked(asked)
            found = aftermath(prober, self.model, asked, seed=self.recording.seed)
            if prober.reusing:
                self._aftermaths.add(asked.notes, found)
        else:
            found = Aftermath(prober.probe(asked))
        if prober.reusing:
            self._shortcuts.add(state, view, found)
        return found

    def reading_before(self, state: CrashState, segment: Segment, now: Reading) -> Reading:
        """Give the reading of a crash state without the effects of the operation in flight.

        Args:
            state: The state.
            segment: The moment of the crash.
            now: What the state itself reads.
        """
        assert segment.in_flight is not None
        invoked = self.events[segment.in_flight].invoked
        if self._last_call(state) <= invoked:
            return now  # that operation has left nothing in it
        self.looked_back = True
        # Most states of a window differ in the operation in flight alone: ask once for them all.
        issued = max(self.explorer.issued_at(2 * invoked) - state.offset, 0)
        torn = state.torn if state.torn and state.torn.node < state.offset + issued else None
        known = (state.offset, state.taken & (1 << issued) - 1, issued, invoked, torn)
        found = self._before.get(known)
        if found is None:
            if len(self._before) >= (_READINGS_MAX if self.prober.reusing else _UNSHARED_MAX):
                self._before.clear()
            earlier = self.explorer.without(state, after_call=invoked)
            found = self._before[known] = self.observe(earlier).first
        return found

    def _last_call(self, state: CrashState) -> int:
        """Give the last call that has an effect in a state."""
        last = state.offset + state.taken.bit_length() - 1
        if state.torn is not None:
            last = max(last, state.torn.node)
        return self.constraints.nodes[last].call if last >= 0 else 0

    def violations(self, state: CrashState, observation: Observation) -> Iterator[Violation]:
        """Judge one crash state at every moment of the history it can follow."""
        judge = self.judge
        seen: set[tuple[str, str, str | None]] = set()
        first = observation.first
        for segment in judge.telling(first, judge.span(state.first, state.last)):
            position = max(segment.first, state.first)
            for violation in judge.values(
                first,
                segment,
                position,
                lambda segment: self.reading_before(state, segment, first),
            ):
                signature = (violation.guarantee, violation.kind, violation.key)
                if signature not in seen:
                    seen.add(signature)
                    yield violation
        yield from judge.listing(first, state.first)
        yield from judge.recovery(observation, state.first)

    def nested(self, state: CrashState, found: Aftermath) -> Iterator[tuple[Violation, CrashState]]:
        """Judge what the recovery after a crash in the recovery from a state shows.

        Yields:
            What is broken, and the crash state of the recovery that shows it.
        """
        judge, first = self.judge, found.observation.first
        span = judge.span(state.first, state.last)
        for inner, second in found.seconds:
            segments = judge.turning(first, second.first, span)
            for violation in judge.after_recovery_crash(first, second.first, segments, state.first):
                yield violation, inner

    def nested_explorer(self, state: CrashState, *, lines: bool = False) -> Explorer:
        """Explore the crash states of the recovery from a state.

        Args:
            state: The state.
            lines: Whether to run it again so that its trace names source lines.
        """
        image = self.explorer.image(state)
        if lines:
            records = self.prober.records(image)
        else:
            observation, asked = self.prober.numbered(image)
            records = translated(observation.records, asked, image.first_free())
        return Explorer(
            constrain(derive(records, image), self.model),
            budget=NESTED_BUDGET,
            seed=self.recording.seed,
            from_position=1,
        )

    def nested_violations(self, state: CrashState, image: Image) -> Iterator[Violation]:
        """Judge one image that a crash during the recovery from a state leaves."""
        first, second = self.observe(state), self.prober.probe(image)
        span = self.judge.span(state.first, state.last)
        segments = self.judge.turning(first.first, second.first, span)
        return self.judge.after_recovery_crash(first.first, second.first, segments, state.first)
