"""Examining one workload: every crash state of its trace, recovered once, judged by its history.

Three kinds of crash are judged here, all computed from recorded traces:

- a crash anywhere in the workload;
- a crash while the store recovers from one of those (it must leave what was allowed before);
- a power cut after a process died, and its successor recovered on what the page cache still held,
  and wrote (DESIGN.md section 7, mixed failures).
"""

from __future__ import annotations

from bisect import insort_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from harness.aftermath import NESTED_BUDGET, Aftermath, aftermath
from harness.disk import Machine
from harness.errors import CallLimitExceeded, Hung
from harness.explore import CrashState, Explorer, Shortcuts
from harness.history import DIRECTORY, Event, Recording
from harness.image import Image
from harness.intercept import active
from harness.meter import Meter
from harness.ops import Operation
from harness.oracle import Judge, Segment, Violation
from harness.persistence import Constraints, Model, constrain, derive
from harness.record import Recorder
from harness.recovery import RESTART, Observation, Prober, Reading, follow_values
from harness.reuse import Asked, Trie, translated
from harness.trace import Record, is_call

__all__ = [
    "Coverage",
    "Examination",
    "Sighting",
    "Sightings",
    "after_kill",
    "budget_of_kill",
    "examine",
    "history_until",
    "walk",
]


@dataclass(slots=True)
class Coverage:
    """What was looked at, for one profile.

    Attributes:
        workloads: Workloads run.
        faults: Crashes injected: positions of the traces, half calls, at which one struck.
        states: Distinct disk images judged.
        possible: Distinct images there are, where every one was visited; else the sets of
            effects there are, an upper bound; None where they cannot be counted. Of faults other
            than crashes alone: how many there are.
        exhaustive: Whether every one was visited.
        sampled: Workloads in which not every one was.
        acknowledged: Crash states that came after an acknowledged change.
        interrupted: Crash states that came in the middle of an operation.
        opened: Crash states the store opened on.
        judged: Crash states judged, equal images at different crashes counted each time.
        in_recovery: Faults that fired while a store recovered from a crash.
        in_recovery_exhaustive: Whether every fault was tried in the recovery of every crash state.
        left_out: Workloads that were not tried at all, to stay within the effort.
        fired: How often each fault fired that was asked for by itself.
        bound: Up to where the search went, in words, where that is not the states alone.
        doubt: What it could not tell, in words.
    """

    workloads: int = 0
    faults: int = 0
    states: int = 0
    possible: int | None = 0
    exhaustive: bool = True
    sampled: int = 0
    acknowledged: int = 0
    interrupted: int = 0
    opened: int = 0
    judged: int = 0
    in_recovery: int = 0
    in_recovery_exhaustive: bool = True
    left_out: int = 0
    fired: dict[str, int] = field(default_factory=dict)
    bound: str = ""
    doubt: str = ""

    def add(self, other: Coverage) -> None:
        """Add another workload's."""
        self.workloads += other.workloads
        self.faults += other.faults
        self.states += other.states
        if self.possible is None or other.possible is None:
            self.possible = None
        else:
            self.possible += other.possible
        self.exhaustive = self.exhaustive and other.exhaustive
        self.sampled += other.sampled
        self.acknowledged += other.acknowledged
        self.interrupted += other.interrupted
        self.opened += other.opened
        self.judged += other.judged
        self.in_recovery += other.in_recovery
        self.in_recovery_exhaustive = self.in_recovery_exhaustive and other.in_recovery_exhaustive
        self.left_out += other.left_out
        for text, count in other.fired.items():
            self.fired[text] = self.fired.get(text, 0) + count
        if other.bound not in self.bound:
            self.bound = f"{self.bound}; {other.bound}" if self.bound else other.bound
        self.doubt = self.doubt or other.doubt


@dataclass(slots=True)
class Sighting:
    """A violation and the crash state that shows it.

    Attributes:
        violation: What is broken.
        examination: The trace it was found in.
        state: The set of effects on disk.
        nested: The crash state of the recovery, where the crash struck there.
    """

    violation: Violation
    examination: Examination
    state: CrashState
    nested: CrashState | None = None


class Sightings:
    """The violations seen: all of them counted, the simplest of each sort kept.

    Memory does not grow with them, though it grows with their sorts; of one guarantee broken in
    one way, sorts beyond the first few (another key, another operation) count as the last of them.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[object, ...], list[tuple[tuple[int, int], Sighting]]] = {}
        self._counts: Counter[tuple[object, ...]] = Counter()
        self._sorts: dict[tuple[object, ...], list[tuple[object, ...]]] = {}

    def add(self, sighting: Sighting) -> None:
        """Count a violation, and keep it if it is among the simplest of its sort."""
        violation = sighting.violation
        coarse = (
            violation.guarantee,
            violation.kind,
            sighting.nested is None,
            sighting.examination.kill_at is None,
        )
        sort: tuple[object, ...] = (
            *coarse,
            violation.key,
            violation.concerns,
            violation.destroyed_by,
        )
        group = self._groups.get(sort)
        if group is None:
            sorts = self._sorts.setdefault(coarse, [])
            if len(sorts) < _SORTS_MAX:
                sorts.append(sort)
                group = self._groups[sort] = []
            else:
                sort = sorts[-1]
                group = self._groups[sort]
        self._counts[sort] += 1
        state = sighting.state
        losses = state.issued - state.offset - state.taken.bit_count(), state.first
        if len(group) < DIAGNOSED_MAX or losses < group[-1][0]:
            insort_right(group, (losses, sighting), key=itemgetter(0))
            del group[DIAGNOSED_MAX:]

    def count(self, guarantee: str) -> int:
        """Count the violations of one guarantee."""
        return sum(count for sort, count in self._counts.items() if sort[0] == guarantee)

    def sorts(self, guarantees: Collection[str]) -> Iterator[tuple[int, list[Sighting]]]:
        """Yield, for each sort, how many there were, and the simplest, simplest first."""
        for sort, group in self._groups.items():
            if sort[0] in guarantees:
                yield self._counts[sort], [sighting for _, sighting in group]


DIAGNOSED_MAX: Final = 3
"""Crash states kept, to be diagnosed, of those that break one promise in one way."""

_SORTS_MAX: Final = 64
"""Sorts told apart of violations of one guarantee in one way."""


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
    """

    recording: Recording
    model: Model
    records: list[Record]
    events: list[Event]
    prober: Prober
    from_position: int = 0
    budget: int = 20_000
    kill_at: int | None = None
    constraints: Constraints = field(init=False)
    explorer: Explorer = field(init=False)
    judge: Judge = field(init=False)

    def __post_init__(self) -> None:
        subject = self.recording.subject
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
            if len(self._before) >= (_CLEAN_MAX if self.prober.reusing else _UNSHARED_MAX):
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

    def nested(self, state: CrashState, found: Aftermath) -> Iterator[Sighting]:
        """Judge what the recovery after a crash in the recovery from a state shows."""
        judge, first = self.judge, found.observation.first
        span = judge.span(state.first, state.last)
        for inner, second in found.seconds:
            segments = judge.turning(first, second.first, span)
            for violation in judge.after_recovery_crash(first, second.first, segments, state.first):
                yield Sighting(violation, self, state, inner)

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


def examine(
    recording: Recording,
    model: Model,
    prober: Prober,
    *,
    budget: int,
    mixed: bool,
    meter: Meter | None = None,
    sightings: Sightings | None = None,
) -> tuple[Coverage, Sightings]:
    """Judge every crash state of a recorded workload under one model.

    Args:
        recording: The workload's run.
        model: The persistence model.
        prober: Recovers images.
        budget: Sets of effects visited before sampling.
        mixed: Whether to judge power cuts after a kill as well.
        meter: Says when to stop; what was covered by then is not exhaustive.
        sightings: Takes the violations, where they are to be kept in a way of their own.

    Returns:
        What was covered, and the violations seen.
    """
    meter = meter or Meter()
    examination = Examination(
        recording, model, recording.records, recording.events, prober, budget=budget
    )
    coverage = Coverage(workloads=1)
    sightings = Sightings() if sightings is None else sightings
    mixed = mixed and model.order != "returned"
    half = 0.5 if mixed else 1.0
    states = meter.watch(examination.explorer, 0.0, half)
    walk(examination, states, coverage, sightings, nested=True)
    if mixed:
        calls = examination.constraints.effects.calls
        chosen = _kills(calls)
        # Recovering from a long trace takes as long as it is.
        share = 1 if len(chosen) < calls else 4
        each = budget_of_kill(budget, len(chosen), share=share) if chosen else 0
        if len(chosen) < calls:
            # Nobody has counted what the kills that are left out would lead to.
            coverage.exhaustive, coverage.possible = False, None
        for number, calls_done in enumerate(chosen):
            done = half + half * number / len(chosen)
            if meter.over(done):
                coverage.exhaustive, coverage.possible = False, None
                break
            successor = after_kill(examination, calls_done, each)
            if successor is not None:
                states = meter.watch(successor.explorer, done, done + half / len(chosen))
                walk(successor, states, coverage, sightings, nested=False)
    coverage.sampled = int(not coverage.exhaustive)
    return coverage, sightings


_KILLS_MAX: Final = 256
"""Calls of a trace after each of which a process is killed."""

_KILLS_LONG: Final = 64
"""Calls of a longer trace that are chosen. Each makes a trace of its own, as long as the first, and
recovering from one grows with what was written."""


_KILL_BUDGET: Final = 256
"""Sets visited in the trace after each kill, as long as the kills are few."""


def budget_of_kill(budget: int, kills: int, *, share: int = 4) -> int:
    """Say how many sets the trace after one of so many kills may visit.

    An eighth of what the workload itself has, or a few hundred; but all kills together take no
    more than a multiple of what the trace does.

    Args:
        budget: Sets visited in the trace itself.
        kills: How many processes are killed.
        share: The multiple.
    """
    return min(max(budget // 8, _KILL_BUDGET), max(share * budget // kills, 24))


def _kills(calls: int) -> Sequence[int]:
    """Say after which calls of a trace to kill the process: all, or the ends and an even spread."""
    if calls <= _KILLS_MAX:
        return range(1, calls + 1)
    ends = _KILLS_LONG // 8
    between = calls - 2 * ends
    spread = _KILLS_LONG - 2 * ends
    return [
        *range(1, ends + 1),
        *(ends + 1 + number * between // spread for number in range(spread)),
        *range(calls - ends + 1, calls + 1),
    ]


def walk(
    examination: Examination,
    states: Iterator[CrashState],
    coverage: Coverage,
    sightings: Sightings,
    *,
    nested: bool,
) -> None:
    """Judge states of one examination.

    Args:
        examination: What they are states of.
        states: The states, as its explorer gives them.
        coverage: Counts what was looked at.
        sightings: Takes the violations.
        nested: Whether to judge crashes in the recovery from each of them, too.
    """
    explorer, judge = examination.explorer, examination.judge
    seen, positions = set[int](), set[int]()
    distinct = 0
    # Spans of the history in which an observation broke nothing: nothing will, the next time.
    clean: dict[tuple[int, int, int], Aftermath] = {}
    first = last = -1
    for state in states:
        coverage.judged += 1
        key = hash(state.key)
        if key not in seen:
            if len(seen) >= _SEEN_MAX:
                seen.clear()
            seen.add(key)
            distinct += 1
        if state.first != first or state.last != last:
            first, last = state.first, state.last
            positions.add(first)
            span = judge.span(first, last)
            begun = judge.segments[span[0]]
            acknowledged, in_flight = begun.acknowledged > 1, begun.in_flight is not None
        coverage.acknowledged += acknowledged
        coverage.interrupted += in_flight
        found = examination.aftermath(state, nested=nested)
        observation = found.observation
        coverage.opened += observation.first.opened is None
        known = (id(found), *span)
        if known in clean:
            continue
        examination.looked_back = False
        broken = [
            Sighting(v, examination, state) for v in examination.violations(state, observation)
        ]
        broken += examination.nested(state, found)
        for sighting in broken:
            sightings.add(sighting)
        # Where nothing is reused, no outcome comes back, and to keep them all would fill memory.
        if not broken and not examination.looked_back and examination.prober.reusing:
            if len(clean) >= _CLEAN_MAX:
                clean.clear()
            clean[known] = found  # kept, so that no other object gets its identity
    coverage.states += distinct
    coverage.faults += len(positions)
    coverage.exhaustive = coverage.exhaustive and explorer.exhaustive
    if explorer.exhaustive and coverage.possible is not None:
        coverage.possible += distinct
    elif explorer.possible is None:
        coverage.possible = None
    elif coverage.possible is not None:
        coverage.possible += explorer.possible


_SEEN_MAX: Final = 1 << 18
"""Images told apart in one walk; one that comes back after as many others counts again."""


_CLEAN_MAX: Final = 1 << 14
"""Pairs of an outcome and a span of the history remembered as fine."""

_UNSHARED_MAX: Final = 256
"""Readings remembered where none is reused, so that each has values of its own."""


def after_kill(
    examination: Examination, calls: int, budget: int | None = None
) -> Examination | None:
    """Kill the process after some calls, let a successor recover and write, and start over.

    Args:
        examination: Of the trace.
        calls: How many calls have returned by the kill.
        budget: Sets visited afterwards; None for what one kill alone has.

    Returns:
        The examination of the joined trace; None where the successor changed nothing on disk
        or would not open.
    """
    recording = examination.recording
    subject = recording.subject
    image = examination.explorer.image(examination.explorer.everything_after(calls))
    recorder = Recorder(subject.files)
    machine = Machine(image, seed=recording.seed + 2 * RESTART, hooks=recorder)
    process = machine.process()
    events = history_until(recording.events, calls)
    if not recording.workload.keys:
        return None
    value, _ = follow_values(subject, recording.workload)
    operation = Operation("write", recording.workload.keys[0], value)
    try:
        with active(process):
            session = subject.open(DIRECTORY)
            list(session.list())
            for key in recording.workload.keys:
                subject.read(session, key)
            opened = calls + len(recorder.records)
            events.append(Event(len(events), Operation("open"), calls, opened))
            session.write(operation.key or "", value)
            written = calls + len(recorder.records)
            events.append(Event(len(events), operation, opened, written))
    except (Exception, CallLimitExceeded, Hung):  # noqa: BLE001 - what recovery may not do is judged elsewhere
        return None
    if not recorder.records:
        return None
    before, done = [], 0
    for record in recording.records:
        if is_call(record):
            if done == calls:
                break
            done += 1
        before.append(record)
    # One numbering for the joined trace: losses are named by it.
    following = max((record.i for record in before), default=0) + 1
    for number, record in enumerate(recorder.records, following):
        record.i = number
    return Examination(
        recording,
        examination.model,
        [*before, *recorder.records],
        events,
        examination.prober,
        from_position=2 * calls + 1,
        budget=budget_of_kill(examination.budget, 1) if budget is None else budget,
        kill_at=calls,
    )


def history_until(events: list[Event], calls: int) -> list[Event]:
    """Keep the history up to a kill; what was in flight then is uncertain for ever."""
    kept = []
    for event in events:
        if event.returned <= calls:
            kept.append(event)
        elif event.invoked < calls:
            kept.append(Event(event.number, event.operation, event.invoked, calls, certain=False))
    return kept
