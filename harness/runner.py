"""The runner: from a subject's name to a report.

A plan is a list of workloads, the same for equal seeds on any machine. Each is a unit of work;
units are run here or shared out to worker processes, their results joined in the plan's order, and
each cause found is shrunk and replayed before it is reported. The command line and the pytest
plugin are thin shells over this.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Final, Literal, TypeAlias

import msgspec

from harness import __version__
from harness.chainshrink import shrink_chain
from harness.errors import BaselineError, UsageError
from harness.examine import Coverage
from harness.finding import Candidate
from harness.fingerprint import fingerprint
from harness.fix import prove
from harness.given import give
from harness.intercept import rerouted
from harness.isolation.races import Race, standing_races, with_operations
from harness.isolation.shortest import shorten
from harness.meter import Meter, Standing
from harness.ops import Operation, Workload, write
from harness.oracle import GUARANTEES, INJECTED, RACED, SEVERITIES, Severity, place_of
from harness.partial import Header, Partial, Settled, Stopped
from harness.persistence import PROFILES, Model, profile
from harness.pool import Death, Pool
from harness.replay import replay_times
from harness.report import (
    SCHEMA,
    SINGLE_WRITER,
    FindingRecord,
    Report,
    Stats,
    Verdict,
    VerdictName,
)
from harness.shards import cost_of, dearest_first, divided
from harness.shrink import shrink
from harness.story import finding_record
from harness.subjects import Subject, load
from harness.unit import Depth, UnitResult, run_unit
from harness.workloads import drawn, standing

__all__ = [
    "REFERENCE",
    "Effort",
    "Outcome",
    "Plan",
    "Progress",
    "check",
    "collect",
    "conclude",
    "drawn_from",
    "exercised",
    "finish",
    "ranked",
    "settle",
    "switches",
    "verdict_of",
    "write_up",
]

REFERENCE: Final = "harness.reference.subjects:hardened"
"""The subject that is checked where none is given."""

Effort: TypeAlias = Literal["quick", "default", "thorough"]

_REPLAYS: Final = 10

_GRACE: Final = 0.1
"""Share of the time budget, at least a second, for making findings small after its end."""


@dataclass(frozen=True, slots=True)
class _EffortTable:
    drawn: int
    depth: Depth


_EFFORTS: Final[dict[str, _EffortTable]] = {
    "quick": _EffortTable(
        drawn=0,
        depth=Depth(budget=400, mixed=False, faults=100, preemptions=1, cut=0, struck=None),
    ),
    "default": _EffortTable(
        drawn=12, depth=Depth(budget=1500, mixed=True, faults=300, compound=300)
    ),
    "thorough": _EffortTable(
        drawn=60,
        depth=Depth(budget=20_000, mixed=True, faults=5000, compound=5000, cut=2, struck=1),
    ),
}


_COMPOUND_ONLY: Final = 1500
"""Crash states looked at with each fault at least, where only a few are asked for."""


@dataclass(frozen=True)
class Progress:
    """Where a check stands.

    Attributes:
        done: Units finished.
        total: Units there are.
        states: Crash states judged so far.
        findings: Causes found so far.
        possible: Crash states there are in what was begun, so far as they can be counted.
        countable: Whether all of them can.
        share: How much of the units is done, those in progress counted by their part.
    """

    done: int
    total: int
    states: int
    findings: int
    possible: int = 0
    countable: bool = True
    share: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What to check.

    Attributes:
        subject: The store, as ``module:attribute`` or ``path.py:attribute``.
        profiles: Names of persistence models; none means all.
        guarantees: Names of guarantees; None means those the subject claims.
        effort: How much.
        seed: Of every draw.
        workers: Processes to share the units out to.
        budget_seconds: Stop cleanly after this much wall time, in the middle of a unit too; what
            was not reached makes its verdicts inconclusive. What was found by then is replayed,
            and shrunk as far as a tenth of that time more allows.
        custom: Persistence models of the user's own, by name.
        shard: Which part of the units to do, from 1, and of how many; None for all.
        faults: Faults to inject, as text, and no others; none means all.
    """

    subject: str = REFERENCE
    profiles: tuple[str, ...] = ()
    guarantees: tuple[str, ...] | None = None
    effort: Effort = "default"
    seed: int = 0
    workers: int = 1
    budget_seconds: float | None = None
    custom: dict[str, Model] = field(default_factory=dict)
    shard: tuple[int, int] | None = None
    faults: tuple[str, ...] = ()

    @cached_property
    def loaded(self) -> Subject:
        """The subject itself."""
        return load(self.subject)

    @cached_property
    def models(self) -> tuple[Model, ...]:
        """The persistence models asked for."""
        names = dict.fromkeys(self.profiles) if self.profiles else [*PROFILES, *self.custom]
        return tuple(self.custom[n] if n in self.custom else profile(n) for n in names)

    @cached_property
    def judged(self) -> tuple[str, ...]:
        """The guarantees to judge, in the contract's order."""
        known = tuple(GUARANTEES)
        if self.guarantees:
            asked: Iterable[str] = self.guarantees
        elif self.loaded.guarantees is not None:
            asked = self.loaded.guarantees
        else:
            asked = GUARANTEES
        asked = list(asked)
        if not asked:
            raise UsageError(
                f"subject {self.subject}: it claims no guarantee that this version judges; "
                "name some with --guarantee"
            )
        for name in asked:
            if name not in known:
                raise UsageError(
                    f"unknown guarantee {name!r}; there are {', '.join(known)} "
                    "(`harness list guarantees`)"
                )
        return self._concerned(tuple(name for name in known if name in set(asked)))

    def _concerned(self, judged: tuple[str, ...]) -> tuple[str, ...]:
        """Keep to the guarantees that are judged by the faults asked for, if any are."""
        if not self.faults:
            return judged
        concerned = {text: give(text).guarantee for text in self.faults}
        for text, guarantee in concerned.items():
            if guarantee not in judged:
                raise UsageError(
                    f"fault {text!r}: {guarantee} is judged by it, which is not asked for, or not "
                    f"claimed by the subject; add --guarantee {guarantee}"
                )
        return tuple(name for name in judged if name in concerned.values())

    @cached_property
    def depth(self) -> Depth:
        """How deep each unit looks."""
        depth = _EFFORTS[self.effort].depth
        if not self.faults:
            return depth
        return replace(depth, only=self.faults, compound=max(depth.compound, _COMPOUND_ONLY))

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """The units of work, in order."""
        subject = self.loaded
        keys = drawn_from(subject, "keys", _KEYS, self.seed)
        values = drawn_from(subject, "values", _VALUES, self.seed)
        syncs = subject.sync is not None
        stand = standing(keys) if keys else standing()
        if syncs:
            stand = [*stand, *(_synced(workload) for workload in stand)]
        count = _EFFORTS[self.effort].drawn
        everything = (*stand, *drawn(self.seed, count, keys, syncs=syncs), *self._races(keys))
        return tuple(_with_values(w, values) for w in everything) if values else everything

    def _races(self, keys: Sequence[str]) -> list[Race]:
        """What several writers do at once, where that is judged and the store is meant for it."""
        if RACED not in self.judged or self.loaded.single_writer or self.faults:
            return []
        lists = self.loaded.guarantees is None or "listing" in self.loaded.guarantees
        return standing_races(keys, lists=lists) if keys else standing_races(lists=lists)

    @cached_property
    def waived(self) -> list[str]:
        """Guarantees that nobody asked for and that the store says it is not meant for."""
        return [RACED] if self.loaded.single_writer and not self.guarantees else []

    @cached_property
    def units(self) -> list[int]:
        """Numbers of the workloads to run: all, or those of the shard."""
        if self.shard is None:
            return list(range(len(self.workloads)))
        number, count = self.shard
        return divided([cost_of(workload) for workload in self.workloads], count)[number - 1]

    @cached_property
    def header(self) -> Header:
        """What has to be equal in reports that are to be joined."""
        return Header(
            version=__version__,
            subject=self.subject,
            seed=self.seed,
            plan_hash=self.hash,
            fingerprint=fingerprint(self.loaded),
            profiles=[model.name for model in self.models],
            judged=list(self.judged),
            waived=self.waived,
            units=len(self.units),
            shard=None if self.shard is None else f"{self.shard[0]}/{self.shard[1]}",
        )

    @cached_property
    def hash(self) -> str:
        """Equal for plans that do the same work."""
        document = [
            __version__,
            self.subject,
            self.seed,
            self.effort,
            [switches(model) for model in self.models],
            list(self.judged),
            [
                [w.name, [[o.kind, o.key, o.value] for o in (*w.setup, *w.operations)]]
                for w in self.workloads
            ],
            *self.faults,
        ]
        return hashlib.sha256(msgspec.json.encode(document)).hexdigest()[:16]


def switches(model: Model) -> dict[str, object]:
    """A model's switches, without its rule table."""
    return {
        name: getattr(model, name)
        for name in model.__dataclass_fields__
        if name not in ("rules", "title")
    }


_KEYS: Final = 2
_VALUES: Final = 8


def drawn_from(subject: Subject, attribute: str, count: int, seed: int) -> list[Any]:
    """Draw from a subject's own strategy, where it declares one."""
    strategy = getattr(subject, attribute)
    if strategy is None:
        return []
    from harness.strategies import draw_distinct  # noqa: PLC0415 - Hypothesis is optional

    return draw_distinct(subject, strategy, attribute, count, seed)


def _with_values(workload: Workload, values: list[bytes]) -> Workload:
    """The same workload with the subject's own values, equal ones for equal ones."""
    chosen: dict[bytes, bytes] = {}

    def replaced(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
        return tuple(
            op
            if op.value is None
            else write(op.key or "", chosen.setdefault(op.value, values[len(chosen) % len(values)]))
            for op in operations
        )

    if isinstance(workload, Race):
        return with_operations(workload, lambda operation: replaced((operation,))[0])
    return Workload(workload.name, replaced(workload.operations), replaced(workload.setup))


def _synced(workload: Workload) -> Workload:
    """The same workload with a sync after each change."""
    operations: list[Operation] = []
    for operation in workload.operations:
        operations.append(operation)
        if operation.kind in ("write", "delete"):
            operations.append(Operation("sync"))
    return Workload(f"{workload.name}-synced", tuple(operations), workload.setup)


@dataclass(frozen=True)
class Outcome:
    """What a check came to.

    Attributes:
        report: The report.
        repros: Reproduction file of each finding, by its id.
        partial: What it was concluded from.
        settled: The causes it was concluded from.
    """

    report: Report
    repros: dict[str, bytes]
    partial: Partial | None = None
    settled: tuple[Settled, ...] = ()

    def exit_code(self, fail_on: Severity | None = None) -> int:
        """Give the exit code of DESIGN.md section 4.2.

        Args:
            fail_on: Findings less severe than this do not count.
        """
        worst = SEVERITIES.index(fail_on) if fail_on else len(SEVERITIES)
        if any(SEVERITIES.index(f.severity) <= worst for f in self.report.findings):
            return 1
        names = {one.verdict for one in self.report.verdicts if one.note != SINGLE_WRITER}
        if self.report.shard is not None:
            return 3 if "error" in names else 0  # the merged report has the verdicts
        if "error" in names or names & {"inconclusive", "not-exercised"}:
            return 3
        return 0


def check(plan: Plan, progress: Callable[[Progress], None] | None = None) -> Outcome:
    """Check a subject.

    Args:
        plan: What to check.
        progress: Told a few times a second.

    Raises:
        UsageError: The plan cannot be carried out as given.
        BaselineError: The subject misbehaves without any fault.
    """
    started = time.monotonic()
    with rerouted():
        partial = collect(plan, progress)
        until = None
        if plan.budget_seconds is not None:
            until = started + plan.budget_seconds + max(_GRACE * plan.budget_seconds, 1.0)
        settled = [settle(plan, one, until) for one in ranked(partial.candidates())]
    return conclude(plan.header, partial, settled, time.monotonic() - started)


def collect(plan: Plan, progress: Callable[[Progress], None] | None = None) -> Partial:
    """Do the units of a plan, or of its shard, as far as its budget reaches.

    Args:
        plan: What to check.
        progress: Told a few times a second.

    Raises:
        BaselineError: The subject misbehaves without any fault.
    """
    partial = Partial(
        coverage={
            place_of(guarantee, model.name): Coverage()
            for guarantee in GUARANTEES
            for model in plan.models
        }
    )
    units = plan.units
    standings: dict[int, Standing] = {}

    def tell(unit: int, standing: Standing) -> None:
        standings[unit] = standing
        if progress is None:
            return
        every = standings.values()
        running = [one.findings for unit, one in standings.items() if unit not in partial.units]
        progress(
            Progress(
                len(partial.units),
                len(units),
                sum(one.states for one in every),
                # Of those still running some may be known already: they join at their end.
                max([len(partial.found), *running]),
                sum(one.possible for one in every),
                all(one.countable for one in every),
                sum(one.share for one in every) / len(units),
            )
        )

    until = None
    if plan.budget_seconds is not None:
        until = time.monotonic() + plan.budget_seconds
    for unit, result in _results(plan, units, until, tell, counting=progress is not None):
        name = plan.workloads[unit].name
        if isinstance(result, Death):
            partial.lose(unit, f"workload {name!r} ended its process: {result.detail}")
        else:
            partial.add(unit, result)
            if result.stopped is not None:
                partial.stop(unit, Stopped(name, result.stopped, result.unfinished))
        tell(unit, standings.get(unit, Standing())._replace(share=1.0))
    for unit in units:
        if unit not in partial.units:
            partial.stop(unit, Stopped(plan.workloads[unit].name))
    return partial


def conclude(header: Header, partial: Partial, settled: list[Settled], seconds: float) -> Outcome:
    """Give the verdicts on what was done.

    Args:
        header: Of the plan.
        partial: What its units came to.
        settled: The causes, shrunk and replayed.
        seconds: Time it took.
    """
    findings, repros, unsteady = write_up(header.profiles, settled)
    complete = len(partial.units) == header.units

    def unfinished(guarantee: str, profile: str) -> bool:
        return not complete or partial.unfinished(place_of(guarantee, profile))

    errors = partial.why()
    for _, why in sorted(partial.lost.items(), reverse=True):
        lost = [place_of(guarantee, name) for guarantee in GUARANTEES for name in header.profiles]
        errors |= dict.fromkeys(lost, why)
    verdicts = [
        verdict_of(
            guarantee,
            name,
            partial.coverage.get(place_of(guarantee, name), Coverage()),
            findings,
            errors,
            unsteady,
            ended=partial.how_far() if unfinished(guarantee, name) else None,
        )
        for guarantee in header.judged
        for name in header.profiles
    ]
    for verdict in verdicts:
        verdict.note = "; ".join(filter(None, [verdict.note, *partial.notes])) or None
        if verdict.guarantee in header.waived and verdict.verdict == "not-exercised":
            verdict.note = SINGLE_WRITER
            continue
        if header.shard is not None and verdict.verdict in ("held", "not-exercised"):
            verdict.verdict, verdict.exhaustive = "inconclusive", False
            verdict.note = f"shard {header.shard} only; join the shards with harness merge"
    distinct = sum(partial.coverage[name].states for name in header.profiles)
    return Outcome(
        Report(
            schema=SCHEMA,
            version=header.version,
            subject=header.subject,
            seed=header.seed,
            plan_hash=header.plan_hash,
            fingerprint=header.fingerprint,
            shard=header.shard,
            verdicts=verdicts,
            findings=findings,
            stats=Stats(
                crash_states=partial.judged,
                distinct=distinct,
                executed=partial.executed,
                reused=partial.reused,
                seconds=round(seconds, 3),
                states_per_second=round(partial.judged / seconds, 1) if seconds else 0.0,
            ),
        ),
        repros,
        partial,
        tuple(settled),
    )


# -- units ------------------------------------------------------------------------------------


def _results(
    plan: Plan,
    units: Sequence[int],
    until: float | None,
    tell: Callable[[int, Standing], None],
    *,
    counting: bool,
) -> Iterator[tuple[int, UnitResult | Death]]:
    """Yield what units came to, as far as the budget reaches."""
    if plan.workers > 1:
        yield from _shared_out(plan, units, until, tell, counting=counting)
        return
    for unit in units:
        if _over(until):
            return
        said = partial(tell, unit) if counting else None
        meter = Meter(until=until, tell=said, counting=counting)
        yield unit, _one(plan, plan.workloads[unit], meter)


def _over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until


def _one(plan: Plan, workload: Workload, meter: Meter) -> UnitResult:
    return run_unit(
        plan.loaded,
        workload,
        plan.models,
        frozenset(plan.judged),
        plan.depth,
        seed=plan.seed,
        meter=meter,
    )


@dataclass(frozen=True)
class _Job:
    """What a worker is started with."""

    plan: Plan
    until: float | None
    counting: bool


def _start_worker(job: _Job) -> Callable[[int, Callable[[Any], None]], Any]:
    def work(unit: int, say: Callable[[Any], None]) -> UnitResult | BaselineError:
        # Said whether or not anybody looks: it is a sign of life.
        meter = Meter(until=job.until, tell=say, counting=job.counting)
        try:
            return _one(job.plan, job.plan.workloads[unit], meter)
        except BaselineError as error:
            return BaselineError(str(error))

    return work


def _shared_out(
    plan: Plan,
    units: Sequence[int],
    until: float | None,
    tell: Callable[[int, Standing], None],
    *,
    counting: bool,
) -> Iterator[tuple[int, UnitResult | Death]]:
    """Share units out; each process takes the next one when it is done with the last."""
    if until is None:
        # Who ends up with the dearest one last keeps everybody waiting; with a budget, the
        # standing workloads come first, as they do for one process.
        costs = [cost_of(plan.workloads[unit]) for unit in units]
        units = [units[number] for number in dearest_first(costs)]
    waiting = deque(units)
    failed: dict[int, BaselineError] = {}

    def feed() -> int | None:
        if not waiting or _over(until):
            return None
        # The first failure in the plan's order is reported: what comes after it need not be done.
        while waiting and failed and waiting[0] > min(failed):
            waiting.popleft()
        return waiting.popleft() if waiting else None

    job = _Job(replace(plan, workers=1), until, counting)
    with Pool(plan.workers, _start_worker, job) as pool:
        for event in pool.run(feed):
            if event.kind == "said":
                tell(event.task, event.value)
            elif isinstance(event.value, BaselineError):
                failed[event.task] = event.value
            elif event.kind == "died" or not failed:
                yield event.task, event.value
    if failed:
        raise failed[min(failed)]


# -- findings ---------------------------------------------------------------------------------


def finish(
    plan: Plan, candidates: list[Candidate]
) -> tuple[list[FindingRecord], dict[str, bytes], list[str]]:
    """Shrink, replay and write up each cause.

    Args:
        plan: What they were found by.
        candidates: The causes.

    Returns:
        As `write_up`.
    """
    names = [model.name for model in plan.models]
    return write_up(names, [settle(plan, one) for one in ranked(candidates)])


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Order causes as they are reported: the worst first."""
    order = list(GUARANTEES)
    return sorted(
        candidates,
        key=lambda c: (SEVERITIES.index(c.severity), order.index(c.guarantee), c.identity),
    )


def settle(plan: Plan, one: Candidate, until: float | None = None) -> Settled:
    """Shrink a cause, replay it, and look for what would mend it.

    Args:
        plan: What it was found by.
        one: The cause.
        until: When to stop making it smaller and looking for what would mend it; it is replayed
            in any case.
    """
    models = {model.name: model for model in plan.models}
    meter = Meter(until=until)
    if one.reproduction.race is not None:
        small = shorten(plan.loaded, one, models)
    elif one.reproduction.chain is None:
        small = shrink(plan.loaded, one, models, frozenset(plan.judged), plan.depth, meter)
    else:
        small = shrink_chain(plan.loaded, one, models)
    replayed = replay_times(plan.loaded, small.reproduction, models, _REPLAYS)
    fix = None
    if replayed == _REPLAYS and one.reproduction.race is None and not meter.over():
        fix = prove(plan.loaded, small, models, plan.depth.budget, meter)
    return Settled(small, replayed, fix)


def of_one_cause(settled: Iterable[Settled]) -> list[Settled]:
    """Join what one change mends: of one guarantee, that is one cause, seen from several lines."""
    kept: list[Settled] = []
    for one in settled:
        known = next((other for other in kept if _same_cause(other, one)), None)
        if known is None:
            kept.append(one)
            continue
        into, more = known.candidate, one.candidate
        for name, count in more.profiles.items():
            into.profiles[name] = into.profiles.get(name, 0) + count
        into.workloads = list(dict.fromkeys([*into.workloads, *more.workloads]))
    return kept


def _same_cause(known: Settled, other: Settled) -> bool:
    one, two = known.candidate, other.candidate
    if one.guarantee != two.guarantee or min(known.replayed, other.replayed) < _REPLAYS:
        return False
    if known.fix is None:
        return False
    if other.fix is not None and known.fix.change == other.fix.change:
        return True
    return one.whole is not None and one.whole == two.whole


def write_up(
    profiles: Sequence[str], settled: Iterable[Settled]
) -> tuple[list[FindingRecord], dict[str, bytes], list[str]]:
    """Write settled causes up.

    Args:
        profiles: Names of all persistence models, in order.
        settled: The causes, in the order to report them.

    Returns:
        The findings, the reproduction file of each by its id, and a line for each cause that did
        not replay.
    """
    findings, repros, unsteady = [], {}, []
    for one in of_one_cause(settled):
        small = one.candidate
        if one.replayed < _REPLAYS:
            unsteady.append(
                f"{small.guarantee}: a violation ({small.kind}, {small.observed}) was seen but "
                f"replayed only {one.replayed} of {_REPLAYS} times: the subject is not "
                "deterministic"
            )
            continue
        findings.append(
            finding_record(small, list(profiles), f"{one.replayed}/{_REPLAYS}", one.fix)
        )
        repros[small.id] = msgspec.json.format(msgspec.json.encode(small.reproduction), indent=2)
    return findings, repros, unsteady


def verdict_of(
    guarantee: str,
    name: str,
    coverage: Coverage,
    findings: list[FindingRecord],
    errors: dict[str, str],
    unsteady: list[str],
    *,
    ended: str | None = None,
) -> Verdict:
    """Give the verdict on one guarantee under one profile.

    Args:
        guarantee: Its name.
        name: The profile's.
        coverage: What was looked at under that profile.
        findings: All findings.
        errors: For each profile that could not be judged, why.
        unsteady: Causes that did not replay, each beginning with its guarantee.
        ended: How far it got, where the time budget ended first.
    """
    ids = [f.id for f in findings if f.guarantee == guarantee and name in f.profiles]
    verdict: VerdictName
    note = None
    if ids:
        verdict, note = "violated", ended
    elif place_of(guarantee, name) in errors:
        verdict, note = "error", errors[place_of(guarantee, name)]
    elif any(text.startswith(f"{guarantee}:") for text in unsteady):
        verdict = "inconclusive"
        note = next(text for text in unsteady if text.startswith(f"{guarantee}:"))
    elif unfired := [text for text, count in coverage.fired.items() if not count]:
        verdict = "not-exercised"
        note = "; ".join(f"fault {text!r} fires in no workload" for text in unfired)
    elif ended is not None:
        verdict, note = "inconclusive", ended
    elif not exercised(guarantee, coverage):
        verdict, note = "not-exercised", "no fault put it to the test"
        if guarantee == RACED:
            note = "no race was run: the store declares a single writer, or other faults were given"
    elif coverage.doubt:
        verdict, note = "inconclusive", coverage.doubt
    else:
        verdict = "held"
        note = _extent(guarantee, coverage)
    return Verdict(
        guarantee=guarantee,
        profile=name,
        verdict=verdict,
        workloads=coverage.workloads,
        faults=coverage.faults,
        crash_states=coverage.states,
        # What was not reached has not been counted.
        crash_states_possible=coverage.possible if ended is None else None,
        exhaustive=coverage.exhaustive and ended is None,
        findings=ids,
        note=note,
        stopped=ended is not None,
    )


def _extent(guarantee: str, coverage: Coverage) -> str | None:
    """Say what was bounded."""
    if coverage.bound:
        return coverage.bound
    parts = []
    every = coverage.workloads - coverage.sampled
    if coverage.sampled and guarantee not in INJECTED:
        parts.append(
            f"every state of {every} of {coverage.workloads} workloads, "
            f"a sample of the other {coverage.sampled}"
        )
    if coverage.sampled and guarantee in INJECTED:
        parts.append(
            f"every fault in {every} of {coverage.workloads} workloads, "
            f"an even choice in the other {coverage.sampled}"
            if every
            else f"an even choice of the faults in each of {coverage.workloads} workloads"
        )
    if coverage.left_out and guarantee in INJECTED:
        parts.append(f"none in {coverage.left_out} more")
    if guarantee == "recovery" and coverage.in_recovery:
        extent = "every one" if coverage.in_recovery_exhaustive else "a choice"
        where = f", in {coverage.workloads - coverage.left_out} workloads"
        parts.append(f"{extent} of the faults during recovery{where if coverage.left_out else ''}")
    return ", ".join(parts) or None


def exercised(guarantee: str, coverage: Coverage) -> bool:
    """Tell whether some crash state could have broken a guarantee."""
    match guarantee:
        case "atomicity":
            return coverage.interrupted > 0 and coverage.opened > 0
        case "durability":
            return coverage.acknowledged > 0 and coverage.opened > 0
        case "listing":
            return coverage.opened > 0
        case "clean-failure" | "integrity" | "hygiene" | "isolation":
            return coverage.faults > 0
        case _:
            return coverage.states > 0
