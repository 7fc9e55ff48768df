"""The runner: from a subject's name to a report.

A plan is a list of workloads, the same for equal seeds on any machine. Each is a unit of work;
units are run here or shared out to worker processes, their results joined in the plan's order, and
each cause found is shrunk and replayed before it is reported. The command line and the pytest
plugin are thin shells over this.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import msgspec

from harness import __version__
from harness.errors import BaselineError, InternalError, UsageError
from harness.examine import Coverage
from harness.finding import Candidate
from harness.fix import prove
from harness.intercept import rerouted
from harness.ops import Operation, Workload, write
from harness.oracle import GUARANTEES, INJECTED, SEVERITIES, Severity
from harness.persistence import PROFILES, Model, profile
from harness.replay import replay_times
from harness.report import (
    SCHEMA,
    FindingRecord,
    Report,
    Stats,
    Verdict,
    VerdictName,
)
from harness.shrink import shrink
from harness.story import finding_record
from harness.subjects import Subject, load
from harness.unit import Depth, UnitResult, merge, run_unit
from harness.workloads import drawn, standing

__all__ = [
    "REFERENCE",
    "Effort",
    "Outcome",
    "Plan",
    "Progress",
    "check",
    "finish",
    "verdict_of",
]

REFERENCE: Final = "harness.reference.subjects:hardened"
"""The subject that is checked where none is given."""

Effort: TypeAlias = Literal["quick", "default", "thorough"]

_REPLAYS: Final = 10

NOT_JUDGED: Final = ("isolation",)
"""Guarantees of the contract that this version does not judge yet."""


@dataclass(frozen=True, slots=True)
class _EffortTable:
    drawn: int
    depth: Depth


_EFFORTS: Final[dict[str, _EffortTable]] = {
    "quick": _EffortTable(drawn=0, depth=Depth(budget=400, mixed=False, faults=100)),
    "default": _EffortTable(drawn=12, depth=Depth(budget=1500, mixed=True, faults=300)),
    "thorough": _EffortTable(drawn=60, depth=Depth(budget=20_000, mixed=True, faults=5000)),
}


@dataclass(frozen=True)
class Progress:
    """Where a check stands.

    Attributes:
        done: Units finished.
        total: Units there are.
        states: Crash states judged so far.
        findings: Causes found so far.
    """

    done: int
    total: int
    states: int
    findings: int


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
        budget_seconds: Stop cleanly after this much wall time; what was not reached makes its
            verdicts inconclusive.
        custom: Persistence models of the user's own, by name.
    """

    subject: str = REFERENCE
    profiles: tuple[str, ...] = ()
    guarantees: tuple[str, ...] | None = None
    effort: Effort = "default"
    seed: int = 0
    workers: int = 1
    budget_seconds: float | None = None
    custom: dict[str, Model] = field(default_factory=dict)

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
        known = (*GUARANTEES, *NOT_JUDGED)
        if self.guarantees:
            asked: Iterable[str] = self.guarantees
        elif self.loaded.guarantees is not None:
            asked = [name for name in self.loaded.guarantees if name not in NOT_JUDGED]
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
        return tuple(name for name in known if name in set(asked))

    @cached_property
    def depth(self) -> Depth:
        """How deep each unit looks."""
        return _EFFORTS[self.effort].depth

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """The units of work, in order."""
        subject = self.loaded
        keys = _drawn_from(subject, "keys", _KEYS, self.seed)
        values = _drawn_from(subject, "values", _VALUES, self.seed)
        syncs = subject.sync is not None
        stand = standing(keys) if keys else standing()
        if syncs:
            stand = [*stand, *(_synced(workload) for workload in stand)]
        count = _EFFORTS[self.effort].drawn
        everything = (*stand, *drawn(self.seed, count, keys, syncs=syncs))
        return tuple(_with_values(w, values) for w in everything) if values else everything

    @cached_property
    def hash(self) -> str:
        """Equal for plans that do the same work."""
        document = [
            __version__,
            self.subject,
            self.seed,
            self.effort,
            [_switches(model) for model in self.models],
            list(self.judged),
            [
                [w.name, [[o.kind, o.key, o.value] for o in (*w.setup, *w.operations)]]
                for w in self.workloads
            ],
        ]
        return hashlib.sha256(msgspec.json.encode(document)).hexdigest()[:16]


def _switches(model: Model) -> dict[str, object]:
    """A model's switches, without its rule table."""
    return {
        name: getattr(model, name)
        for name in model.__dataclass_fields__
        if name not in ("rules", "title")
    }


_KEYS: Final = 2
_VALUES: Final = 8


def _drawn_from(subject: Subject, attribute: str, count: int, seed: int) -> list[Any]:
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
    """

    report: Report
    repros: dict[str, bytes]

    def exit_code(self, fail_on: Severity | None = None) -> int:
        """Give the exit code of DESIGN.md section 4.2.

        Args:
            fail_on: Findings less severe than this do not count.
        """
        worst = SEVERITIES.index(fail_on) if fail_on else len(SEVERITIES)
        if any(SEVERITIES.index(f.severity) <= worst for f in self.report.findings):
            return 1
        names = {verdict.verdict for verdict in self.report.verdicts}
        if "error" in names or names & {"inconclusive", "not-exercised"}:
            return 3
        return 0


def check(plan: Plan, progress: Callable[[Progress], None] | None = None) -> Outcome:
    """Check a subject.

    Args:
        plan: What to check.
        progress: Told after each unit.

    Raises:
        UsageError: The plan cannot be carried out as given.
        BaselineError: The subject misbehaves without any fault.
    """
    started = time.monotonic()
    total = UnitResult()
    coverage = {name: Coverage() for name in (*(m.name for m in plan.models), *INJECTED)}
    done = 0
    with rerouted():
        for result in _results(plan, started):
            done += 1
            for name, part in (*result.coverage.items(), *result.injected.items()):
                coverage[name].add(part)
            total.candidates = merge(total.candidates, result.candidates)
            total.executed += result.executed
            total.reused += result.reused
            total.notes |= result.notes
            total.judged += result.judged
            total.errors |= result.errors
            if progress is not None:
                progress(Progress(done, len(plan.workloads), total.judged, len(total.candidates)))
        findings, repros, unsteady = finish(plan, total.candidates)
    complete = done == len(plan.workloads)
    verdicts = [
        verdict_of(
            guarantee,
            model.name,
            coverage[guarantee if guarantee in INJECTED else model.name],
            findings,
            total.errors,
            unsteady,
            complete=complete,
        )
        for guarantee in plan.judged
        for model in plan.models
    ]
    for verdict in verdicts:
        verdict.note = "; ".join(filter(None, [verdict.note, *sorted(total.notes)])) or None
    seconds = time.monotonic() - started
    distinct = sum(coverage[model.name].states for model in plan.models)
    return Outcome(
        Report(
            schema=SCHEMA,
            version=__version__,
            subject=plan.subject,
            seed=plan.seed,
            plan_hash=plan.hash,
            verdicts=verdicts,
            findings=findings,
            stats=Stats(
                crash_states=total.judged,
                distinct=distinct,
                executed=total.executed,
                reused=total.reused,
                seconds=round(seconds, 3),
                states_per_second=round(total.judged / seconds, 1) if seconds else 0.0,
            ),
        ),
        repros,
    )


# -- units ------------------------------------------------------------------------------------


def _results(plan: Plan, started: float) -> Iterator[UnitResult]:
    """Yield the units' results in the plan's order, as far as the budget reaches."""
    workloads = plan.workloads
    if plan.workers > 1:
        yield from _shared_out(plan, started)
        return
    for workload in workloads:
        if _over(plan, started):
            return
        yield _one(plan, workload)


def _over(plan: Plan, started: float) -> bool:
    return plan.budget_seconds is not None and time.monotonic() - started > plan.budget_seconds


def _one(plan: Plan, workload: Workload) -> UnitResult:
    return run_unit(
        plan.loaded,
        workload,
        plan.models,
        frozenset(plan.judged),
        plan.depth,
        seed=plan.seed,
    )


_worker_plan: Plan | None = None


def _start_worker(plan: Plan) -> None:
    global _worker_plan  # noqa: PLW0603 - one plan for the worker's whole life
    _worker_plan = plan


def _work(number: int) -> UnitResult | BaselineError:
    assert _worker_plan is not None
    try:
        return _one(_worker_plan, _worker_plan.workloads[number])
    except BaselineError as error:
        return BaselineError(str(error))


def _shared_out(plan: Plan, started: float) -> Iterator[UnitResult]:
    bare = Plan(
        plan.subject,
        plan.profiles,
        plan.guarantees,
        plan.effort,
        plan.seed,
        1,
        plan.budget_seconds,
        plan.custom,
    )
    count = len(plan.workloads)
    # Spawned, not forked: the parent may have threads, and a worker must not inherit its state.
    with ProcessPoolExecutor(
        plan.workers,
        multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(bare,),
    ) as pool:
        waiting: dict[int, Future[UnitResult | BaselineError]] = {}
        submitted = following = 0
        while following < count:
            while submitted < count and len(waiting) < 2 * plan.workers:
                if _over(plan, started):
                    break
                waiting[submitted] = pool.submit(_work, submitted)
                submitted += 1
            if following not in waiting:
                return
            while not waiting[following].done():
                wait(waiting.values(), return_when=FIRST_COMPLETED)
                if not waiting[following].done() and len(waiting) >= 2 * plan.workers:
                    wait([waiting[following]])
            try:
                result = waiting.pop(following).result()
            except Exception as error:
                raise InternalError(
                    f"a worker died on workload {plan.workloads[following].name!r}: {error}"
                ) from error
            if isinstance(result, BaselineError):
                pool.shutdown(cancel_futures=True)
                raise result
            following += 1
            yield result


# -- findings ---------------------------------------------------------------------------------


def finish(
    plan: Plan, candidates: list[Candidate]
) -> tuple[list[FindingRecord], dict[str, bytes], list[str]]:
    """Shrink, replay and write up each cause.

    Args:
        plan: What they were found by.
        candidates: The causes.

    Returns:
        The findings, the reproduction file of each by its id, and a line for each cause that did
        not replay.
    """
    guarantees = frozenset(plan.judged)
    findings, repros, unsteady = [], {}, []
    models = {model.name: model for model in plan.models}
    order = list(GUARANTEES)
    for one in sorted(
        candidates,
        key=lambda c: (SEVERITIES.index(c.severity), order.index(c.guarantee), c.identity),
    ):
        small = shrink(plan.loaded, one, models, guarantees, plan.depth)
        replayed = replay_times(plan.loaded, small.reproduction, models, _REPLAYS)
        if replayed < _REPLAYS:
            unsteady.append(
                f"{small.guarantee}: a violation ({small.kind}, {small.observed}) was seen but "
                f"replayed only {replayed} of {_REPLAYS} times: the subject is not deterministic"
            )
            continue
        fix = prove(plan.loaded, small, models, plan.depth.budget)
        findings.append(finding_record(small, list(models), f"{replayed}/{_REPLAYS}", fix))
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
    complete: bool,
) -> Verdict:
    """Give the verdict on one guarantee under one profile.

    Args:
        guarantee: Its name.
        name: The profile's.
        coverage: What was looked at under that profile.
        findings: All findings.
        errors: For each profile that could not be judged, why.
        unsteady: Causes that did not replay, each beginning with its guarantee.
        complete: Whether the whole plan was carried out.
    """
    ids = [f.id for f in findings if f.guarantee == guarantee and name in f.profiles]
    verdict: VerdictName
    note = None
    if ids:
        verdict = "violated"
    elif (guarantee if guarantee in INJECTED else name) in errors:
        verdict, note = "error", errors[guarantee if guarantee in INJECTED else name]
    elif any(text.startswith(f"{guarantee}:") for text in unsteady):
        verdict = "inconclusive"
        note = next(text for text in unsteady if text.startswith(f"{guarantee}:"))
    elif guarantee in NOT_JUDGED:
        verdict, note = "not-exercised", "this version has no scenario for it yet"
    elif not complete:
        verdict, note = "inconclusive", "the time budget ended first"
    elif not _exercised(guarantee, coverage):
        verdict, note = "not-exercised", "no fault put it to the test"
    else:
        verdict = "held"
        if coverage.sampled and guarantee not in INJECTED:
            every = coverage.workloads - coverage.sampled
            note = (
                f"every state of {every} of {coverage.workloads} workloads, "
                f"a sample of the other {coverage.sampled}"
            )
    return Verdict(
        guarantee=guarantee,
        profile=name,
        verdict=verdict,
        workloads=coverage.workloads,
        faults=coverage.faults,
        crash_states=coverage.states,
        crash_states_possible=coverage.possible,
        exhaustive=coverage.exhaustive and complete,
        findings=ids,
        note=note,
    )


def _exercised(guarantee: str, coverage: Coverage) -> bool:
    """Tell whether some crash state could have broken a guarantee."""
    match guarantee:
        case "atomicity":
            return coverage.interrupted > 0 and coverage.opened > 0
        case "durability":
            return coverage.acknowledged > 0 and coverage.opened > 0
        case "listing":
            return coverage.opened > 0
        case "clean-failure" | "integrity" | "hygiene":
            return coverage.faults > 0
        case _:
            return coverage.states > 0
