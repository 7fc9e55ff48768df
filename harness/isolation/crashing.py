"""Power cuts in a race: every crash state of every joined trace, recovered once, or by two at once.

Traces of one race begin alike, so a crash state that only the common beginning can leave is judged
with the first of them. Recoveries are reused across all traces and models as ever
(`harness.reuse`); two processes that recover at once are a function of the answers of the disk,
too, and are tried once for all crash states that give them the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from harness.coverage import Coverage
from harness.explore import CrashState
from harness.finding import Candidate, merge
from harness.history import Recording
from harness.image import BootSource
from harness.isolation.crashes import RacedExamination
from harness.isolation.races import Race, race_of
from harness.isolation.runs import LATER, Run
from harness.isolation.staging import Stage, run_race
from harness.isolation.telling import crash_candidate, recovery_candidate
from harness.linear import acts_of, linearize
from harness.ops import read
from harness.persistence import Model
from harness.recovery import Prober
from harness.reuse import Asked, Trie
from harness.schedule import Schedule
from harness.sightings import Sighting, Sightings
from harness.subjects import Outcome, Raised
from harness.trace import Close, Fdatasync, Fsync, Record
from harness.violation import Violation

__all__ = [
    "CutResult",
    "RacedExamination",
    "both_recover",
    "cut_power",
    "examination_of",
    "judge_both",
    "recover_again",
]

_PREEMPTIONS_RECOVERING: Final = 1
_RECOVERIES_MAX: Final = 5_000
_DIAGNOSED_MAX: Final = 2


@dataclass(slots=True)
class CutResult:
    """What power cuts in one race showed under one model.

    Attributes:
        coverage: What was looked at.
        candidates: Causes, each once.
        executed: Recoveries and schedules run.
        reused: Recoveries that another one stood for.
    """

    coverage: Coverage = field(default_factory=Coverage)
    candidates: list[Candidate] = field(default_factory=list)
    executed: int = 0
    reused: int = 0


def examination_of(
    recording: Recording, run: Run, model: Model, prober: Prober, *, budget: int, durable: bool
) -> RacedExamination:
    """Prepare to judge the crash states of one run under one model."""
    return RacedExamination(
        replace(recording, records=run.records),
        model,
        run.records,
        [],
        prober,
        budget=budget,
        history=[done for done in run.history if done.writer != LATER],
        ticks=run.ticks,
        durable=durable,
    )


def cut_power(
    recording: Recording,
    runs: list[Run],
    models: tuple[Model, ...],
    *,
    budget: int,
    durable: bool,
) -> dict[str, CutResult]:
    """Cut the power at every point of every run, under every model.

    Args:
        recording: The race, with the disk and the values before it.
        runs: Its runs, those without any preemption first.
        models: The persistence models.
        budget: Sets of effects visited for one trace under one model before sampling.
        durable: Whether what returned has to survive.
    """
    prober = Prober(recording.subject, recording.workload.keys, seed=recording.seed, follow=False)
    recoverers = _Recoverers(recording)
    shared = _shared_calls(runs)
    found: dict[str, CutResult] = {}
    for model in models:
        before = prober.executed, prober.reused, recoverers.executed
        result = found[model.name] = CutResult()
        sightings, alone = Sightings(), Sightings()
        both: dict[str, Candidate] = {}
        for run, calls in zip(runs, shared, strict=True):
            examination = examination_of(
                recording, run, model, prober, budget=budget, durable=durable
            )
            where = alone if run.serial else sightings
            _walk(examination, run, calls, result.coverage, where, recoverers, both)
        result.candidates = _conclude(result, alone, sightings, list(both.values()))
        result.executed = prober.executed - before[0] + recoverers.executed - before[2]
        result.reused = prober.reused - before[1]
    return found


def _conclude(
    result: CutResult, alone: Sightings, raced: Sightings, both: list[Candidate]
) -> list[Candidate]:
    broken = next(iter(alone.sorts({"isolation"})), None)
    if broken is not None:
        # Lost without anybody in between: another guarantee's business, which hides ours.
        seen = broken[1][0].violation
        where = "" if seen.key is None else f"key {seen.key!r}: "
        result.coverage.doubt = (
            f"a power cut breaks it with each writer alone already ({where}{seen.observed})"
        )
        return []
    found: list[Candidate] = list(both)
    for count, group in raced.sorts({"isolation"}):
        for number, sighting in enumerate(group[:_DIAGNOSED_MAX]):
            one = crash_candidate(sighting)
            one.profiles = dict.fromkeys(one.profiles, count if number == 0 else 1)
            found = merge(found, [one])
    return found


def _walk(
    examination: RacedExamination,
    run: Run,
    shared: int,
    coverage: Coverage,
    sightings: Sightings,
    recoverers: _Recoverers,
    both: dict[str, Candidate],
) -> None:
    explorer = examination.explorer
    examination.run = run
    clean: dict[tuple[int, int, int], object] = {}
    seen: set[int] = set()
    positions: set[int] = set()
    for state in explorer.states():
        if state.last < 2 * shared:
            continue  # an earlier run had the same beginning
        if not run.complete and state.first >= 2 * len(run.records):
            continue  # where a run is ended early, another one goes on from
        coverage.judged += 1
        seen.add(hash(state.key))
        positions.add(state.first)
        found = examination.aftermath(state, nested=False)
        observation = found.observation
        coverage.opened += observation.first.opened is None
        span = examination.span(state)
        known = (id(found), *span)
        if known in clean:
            continue
        broken = list(examination.violations(state, observation))
        for violation in broken:
            sightings.add(Sighting(violation, examination, state))
        if not broken:
            clean[known] = found
            if observation.records:
                _together(examination, state, observation.records, recoverers, both)
    coverage.states += len(seen)
    coverage.faults += len(positions)
    coverage.exhaustive = coverage.exhaustive and explorer.exhaustive
    if explorer.exhaustive and coverage.possible is not None:
        coverage.possible += len(seen)
    else:
        coverage.possible = None


# -- two that recover at once ----------------------------------------------------------------------


class _Recoverers:
    """Two processes that open the store on one crash state, in every order; known ones once."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.executed = 0
        self._known: Trie[tuple[Run, ...]] = Trie()

    def runs(self, source: BootSource) -> tuple[Run, ...]:
        """Give one run for each thing that can come of it."""
        asked = Asked(source)
        found = self._known.find(asked)
        if found is None:
            asked = Asked(asked)
            runs: dict[object, Run] = {}
            for run in both_recover(self.recording, asked):
                self.executed += 1
                answers = tuple(repr(one.answer) for one in run.history)
                runs.setdefault((answers, run.cycle, _changes(run.records)), run)
            found = tuple(runs.values())
            self._known.add(asked.notes, found)
        return found


def _changes(records: Iterable[Record]) -> frozenset[object]:
    """What a recovery changed, by name: who changed it, and what was synced, does not matter."""
    return frozenset(
        (type(record).__name__, getattr(record, "path", None), getattr(record, "src", None),
         getattr(record, "dst", None), getattr(record, "offset", None),
         getattr(record, "data", None), getattr(record, "size", None))
        for record in records
        if not isinstance(record, Fsync | Fdatasync | Close) and record.error is None
    )  # fmt: skip


def recovery_race(recording: Recording) -> Race:
    """Two processes that open the store at once; then, another one reads everything."""
    reads = [read(key) for key in recording.workload.keys]
    # Its keys are what is read at the end; nothing is set up on a disk that a crash left.
    return race_of("recovering at once", "processes", [[], []], reads, lists=False)


def both_recover(recording: Recording, source: BootSource) -> Iterator[Run]:
    """Run every order of two recoveries of one disk, with at most one preemption.

    Args:
        recording: The race that a power cut ended.
        source: The disk it left.
    """
    race = recovery_race(recording)
    stage = Stage(recording.subject, race, source, seed=recording.seed + 1, look=False)
    _, runs = stage.explore(_PREEMPTIONS_RECOVERING, budget=_RECOVERIES_MAX)
    return (run for run in runs if run.complete)


def recover_again(recording: Recording, source: BootSource, schedule: Schedule) -> Run:
    """Run two recoveries in one order, and have another process read everything."""
    return run_race(
        recording.subject,
        recovery_race(recording),
        source,
        schedule,
        seed=recording.seed + 1,
    )


def judge_both(run: Run, key_values: dict[str, tuple[Outcome, ...] | None]) -> list[Violation]:
    """Judge two recoveries: nobody fails, and all read one and the same allowed value."""
    if run.cycle is not None:
        kind = run.stuck or "deadlock"
        return [
            Violation("isolation", kind, "unavailable", None, run.cycle, ("everybody gets on",), 0)
        ]
    for done in run.history:
        if isinstance(done.answer, Raised):
            what = "opening" if done.operation.kind == "open" else str(done.operation)
            return [
                Violation(
                    "isolation",
                    "recovering-raises",
                    "unavailable",
                    done.operation.key,
                    f"while two processes recover at once, {what} raises {done.answer}",
                    ("both recover",),
                    done.number,
                    concerns=done.number,
                )
            ]
    found = []
    for key, allowed in key_values.items():
        acts = acts_of(run.history, key)
        if allowed is None or any(
            linearize(acts, value).holds for value in allowed if not isinstance(value, Raised)
        ):
            continue
        found.append(
            Violation(
                "isolation",
                "recovering-differs",
                "data-loss",
                key,
                f"two processes that recover at once do not read one value of {key!r}",
                tuple(map(repr, allowed)),
                0,
                concerns=acts[0].number if acts else None,
            )
        )
    return found


def _together(
    examination: RacedExamination,
    state: CrashState,
    alone: list[Record],
    recoverers: _Recoverers,
    both: dict[str, Candidate],
) -> None:
    first, _ = examination.span(state)
    recording = examination.recording
    values = {key: examination.allowed(first, key) for key in recording.workload.keys}
    for known in recoverers.runs(examination.explorer.view(state)):
        run = known
        if known.cycle is None and not any(isinstance(d.answer, Raised) for d in known.history):
            if _changes(known.records) == _changes(alone):
                continue  # the disk is as one recovery leaves it: that was judged already
            run = recover_again(recording, examination.explorer.image(state), known.taken)
        for violation in judge_both(run, values):
            name = f"{violation.kind}/{violation.key}"
            if name not in both:
                both[name] = recovery_candidate(examination, state, run, violation)
            else:
                cause = both[name]
                cause.profiles = {one: count + 1 for one, count in cause.profiles.items()}


def _shared_calls(runs: list[Run]) -> list[int]:
    """Count, for each run, the calls of the longest beginning that an earlier run had, too."""
    beginnings: set[int] = set()
    counts = []
    for run in runs:
        items = _items(run)
        shared, calls, digest = True, 0, 0
        for is_call, what in items:
            digest = hash((digest, what))
            shared = shared and digest in beginnings
            if not shared:
                beginnings.add(digest)
            elif is_call:
                calls += 1
        counts.append(calls)
    return counts


def _items(run: Run) -> list[tuple[bool, object]]:
    told: list[tuple[int, bool, object]] = [
        (
            tick,
            True,
            (record.process, type(record).__name__, getattr(record, "path", None),
             getattr(record, "offset", None), getattr(record, "data", None)),
        )
        for tick, record in zip(run.ticks, run.records, strict=True)
    ]  # fmt: skip
    for done in run.history:
        if done.writer == LATER:
            continue
        told.append((done.invoked, False, (done.number, done.writer, str(done.operation))))
        if done.returned is not None:
            told.append((done.returned, False, (done.number, repr(done.answer))))
    told.sort(key=lambda item: item[0])
    return [(is_call, what) for _, is_call, what in told]
