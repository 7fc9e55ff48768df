"""The runner: from a subject's name to a report.

A plan is a list of workloads, the same for equal seeds on any machine. Each is a unit of work;
units are run here or shared out to worker processes, their results joined in the plan's order, and
each cause found is shrunk and replayed before it is reported. The command line and the pytest
plugin are thin shells over this.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from harness.coverage import Coverage
from harness.errors import BaselineError
from harness.guarantees import GUARANTEES, SEVERITIES, Severity, place_of
from harness.intercept import rerouted
from harness.meter import Meter, Standing
from harness.ops import Workload
from harness.partial import Header, Partial, Settled, Stopped
from harness.plan import REFERENCE, Effort, Plan
from harness.pool import Death, Pool
from harness.report import (
    SCHEMA,
    SINGLE_WRITER,
    Report,
    Stats,
)
from harness.settling import mended_together, ranked, settle, write_up
from harness.shards import cost_of, dearest_first
from harness.unit import UnitResult, run_unit
from harness.verdicts import verdict_of

__all__ = [
    "REFERENCE",
    "Effort",
    "Outcome",
    "Plan",
    "Progress",
    "check",
    "collect",
    "conclude",
]

_GRACE: Final = 0.1
"""Share of the time budget, at least a second, for making findings small after its end."""


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
        settled = mended_together(plan, settled, until)
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
