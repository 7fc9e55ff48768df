"""Examining one workload: every crash state of its trace, recovered once, judged by its history.

Three kinds of crash are judged here, all computed from recorded traces:

- a crash anywhere in the workload;
- a crash while the store recovers from one of those (it must leave what was allowed before);
- a power cut after a process died, and its successor recovered on what the page cache still held,
  and wrote (DESIGN.md section 7, mixed failures).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.disk import Machine
from harness.errors import CallLimitExceeded, Hung
from harness.explore import CrashState, Explorer, ImageKey
from harness.history import DIRECTORY, Event, Recording
from harness.image import Image
from harness.intercept import active
from harness.ops import Operation
from harness.oracle import Judge, Segment, Violation
from harness.persistence import Constraints, Model, constrain, derive
from harness.record import Recorder
from harness.recovery import FOLLOW_SHORT, RESTART, Observation, Prober, Reading
from harness.trace import Record, is_call

__all__ = ["Coverage", "Examination", "Sighting", "after_kill", "examine"]


@dataclass(slots=True)
class Coverage:
    """What was looked at, for one profile.

    Attributes:
        workloads: Workloads run.
        faults: Crashes injected: positions of the traces, half calls, at which one struck.
        states: Distinct disk images judged.
        possible: Distinct images there are, where every one was visited; else the sets of
            effects there are, an upper bound; None where they cannot be counted.
        exhaustive: Whether every one was visited.
        sampled: Workloads in which not every one was.
        acknowledged: Crash states that came after an acknowledged change.
        interrupted: Crash states that came in the middle of an operation.
        opened: Crash states the store opened on.
        judged: Crash states judged, equal images at different crashes counted each time.
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


@dataclass
class Examination:
    """One trace under one persistence model, with everything needed to judge its crash states.

    Attributes:
        recording: The run.
        model: The persistence model.
        records: The trace: the run's, or its beginning and what a successor did.
        events: The history that goes with it.
        prober: Recovers images.
        observations: What each image led to, shared by all examinations of one workload.
        from_position: Crash states possible before this position are left to another examination.
        budget: Sets of effects visited before sampling.
        kill_at: Calls after which the first process died, in a mixed failure.
    """

    recording: Recording
    model: Model
    records: list[Record]
    events: list[Event]
    prober: Prober
    observations: dict[ImageKey, Observation]
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

    def observe(self, key: ImageKey, image: Image | None, state: CrashState) -> Observation:
        """Recover an image, unless an equal one was recovered before."""
        found = self.observations.get(key)
        if found is None:
            found = self.prober.probe(image or self.explorer.image(state))
            self.observations[key] = found
        return found

    def reading_before(self, state: CrashState, segment: Segment) -> Reading | None:
        """Give the reading of a crash state without the effects of the operation in flight."""
        assert segment.in_flight is not None
        invoked = self.events[segment.in_flight].invoked
        earlier = self.explorer.without(state, after_call=invoked)
        return self.observe(earlier.key, None, earlier).first

    def violations(self, state: CrashState, observation: Observation) -> Iterator[Violation]:
        """Judge one crash state at every moment of the history it can follow."""
        judge = self.judge
        seen: set[tuple[str, str, str | None]] = set()
        for segment in judge.spanned(state.first, state.last):
            position = max(segment.first, state.first)
            for violation in judge.values(
                observation.first,
                segment,
                position,
                lambda segment: self.reading_before(state, segment),
            ):
                signature = (violation.guarantee, violation.kind, violation.key)
                if signature not in seen:
                    seen.add(signature)
                    yield violation
        yield from judge.listing(observation.first, state.first)
        yield from judge.recovery(observation, state.first)

    def nested(self, state: CrashState, observation: Observation) -> Iterator[Sighting]:
        """Crash while the store recovers from a state, and judge what the next recovery shows."""
        if not observation.records or observation.first.opened is not None:
            return
        explorer = self.nested_explorer(observation)
        for inner in explorer.states():
            for violation in self.nested_violations(state, inner.key, explorer.image(inner)):
                yield Sighting(violation, self, state, inner)

    def nested_explorer(self, observation: Observation, *, lines: bool = False) -> Explorer:
        """Explore the crash states of a recovery.

        Args:
            observation: The recovery.
            lines: Whether to run it again so that its trace names source lines.
        """
        records = observation.records
        if lines:
            records = self.prober.records(observation.image)
        return Explorer(
            constrain(derive(records, observation.image), self.model),
            budget=_NESTED_BUDGET,
            seed=self.recording.seed,
            from_position=1,
        )

    def nested_violations(
        self, state: CrashState, key: ImageKey, image: Image
    ) -> Iterator[Violation]:
        """Judge one image that a crash during the recovery from a state leaves."""
        second = self.observations.get(key)
        if second is None:
            second = self.observations[key] = self.prober.probe(image)
        first = self.observe(state.key, None, state)
        segments = list(self.judge.spanned(state.first, state.last))
        return self.judge.after_recovery_crash(first.first, second.first, segments, state.first)


_NESTED_BUDGET = 256


def examine(
    recording: Recording,
    model: Model,
    prober: Prober,
    observations: dict[ImageKey, Observation],
    *,
    budget: int,
    mixed: bool,
) -> tuple[Coverage, list[Sighting]]:
    """Judge every crash state of a recorded workload under one model.

    Args:
        recording: The workload's run.
        model: The persistence model.
        prober: Recovers images.
        observations: What images led to so far; added to.
        budget: Sets of effects visited before sampling.
        mixed: Whether to judge power cuts after a kill as well.

    Returns:
        What was covered, and every violation seen.
    """
    examination = Examination(
        recording, model, recording.records, recording.events, prober, observations, budget=budget
    )
    coverage, sightings = Coverage(workloads=1), list[Sighting]()
    _walk(examination, coverage, sightings, nested=True)
    if mixed and model.order != "returned":
        calls = examination.constraints.effects.calls
        for calls_done in range(1, calls + 1):
            successor = after_kill(examination, calls_done)
            if successor is not None:
                _walk(successor, coverage, sightings, nested=False)
    coverage.sampled = int(not coverage.exhaustive)
    return coverage, sightings


def _walk(
    examination: Examination, coverage: Coverage, sightings: list[Sighting], *, nested: bool
) -> None:
    explorer, seen, positions = examination.explorer, set[ImageKey](), set[int]()
    nested_seen: set[ImageKey] = set()
    for state in explorer.states():
        positions.add(state.first)
        coverage.judged += 1
        if state.key not in seen:
            seen.add(state.key)
            coverage.states += 1
        observation = examination.observe(state.key, None, state)
        segment = next(examination.judge.spanned(state.first, state.first))
        coverage.acknowledged += segment.acknowledged > 1
        coverage.interrupted += segment.in_flight is not None
        coverage.opened += observation.first.opened is None
        sightings.extend(
            Sighting(violation, examination, state)
            for violation in examination.violations(state, observation)
        )
        if nested and state.key not in nested_seen:
            nested_seen.add(state.key)
            sightings.extend(examination.nested(state, observation))
    coverage.faults += len(positions)
    coverage.exhaustive = coverage.exhaustive and explorer.exhaustive
    if explorer.exhaustive and coverage.possible is not None:
        coverage.possible += len(seen)
    elif explorer.possible is None:
        coverage.possible = None
    elif coverage.possible is not None:
        coverage.possible += explorer.possible


def after_kill(examination: Examination, calls: int) -> Examination | None:
    """Kill the process after some calls, let a successor recover and write, and start over.

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
    events = _cut(recording.events, calls)
    if not recording.workload.keys:
        return None
    operation = Operation("write", recording.workload.keys[0], FOLLOW_SHORT)
    try:
        with active(process):
            session = subject.open(DIRECTORY)
            list(session.list())
            for key in recording.workload.keys:
                subject.read(session, key)
            opened = calls + len(recorder.records)
            events.append(Event(len(events), Operation("open"), calls, opened))
            session.write(operation.key or "", FOLLOW_SHORT)
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
        examination.observations,
        from_position=2 * calls + 1,
        budget=max(examination.budget // 8, 256),
        kill_at=calls,
    )


def _cut(events: list[Event], calls: int) -> list[Event]:
    """Keep the history up to a kill; what was in flight then is uncertain for ever."""
    kept = []
    for event in events:
        if event.returned <= calls:
            kept.append(event)
        elif event.invoked < calls:
            kept.append(Event(event.number, event.operation, event.invoked, calls, certain=False))
    return kept
