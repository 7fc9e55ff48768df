"""The gate: one guarantee under one profile, asked for one at a time.

What the pytest scenarios stand on. It judges the same plan as `harness.runner.check` and gives the
same verdicts; work done for one guarantee is kept for the next under the same profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.examine import Coverage
from harness.finding import Candidate
from harness.intercept import rerouted
from harness.ops import Workload
from harness.persistence import Model
from harness.report import FindingRecord, Verdict
from harness.runner import Plan, finish, verdict_of
from harness.unit import UnitResult, merge, run_unit

__all__ = ["Gate", "GateResult"]


@dataclass(slots=True)
class GateResult:
    """What one question came to.

    Attributes:
        verdict: The verdict.
        findings: What broke the guarantee.
        repros: Reproduction file of each finding, by its id.
    """

    verdict: Verdict
    findings: list[FindingRecord] = field(default_factory=list)
    repros: dict[str, bytes] = field(default_factory=dict)


class Gate:
    """Answers for one plan.

    Args:
        plan: What to check.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._planned: dict[str, UnitResult] = {}
        self._drawn: dict[tuple[str, Workload], UnitResult] = {}
        self._more: dict[tuple[str, str], list[Candidate]] = {}
        self._coverage: dict[str, Coverage] = {}
        self._judged = self._executed = self._reused = 0

    def claims(self, guarantee: str) -> bool:
        """Tell whether the plan judges a guarantee: asked for, or claimed by the subject."""
        return guarantee in self.plan.judged

    def planned(self, guarantee: str, profile: str) -> bool:
        """Judge the plan's own workloads under a profile; tell whether a guarantee held."""
        total = self._planned.get(profile)
        if total is None:
            total, model = UnitResult(), self._model(profile)
            coverage = self._coverage.setdefault(profile, Coverage())
            with rerouted():
                for workload in self.plan.workloads:
                    result = self._run(workload, model)
                    total.candidates = merge(total.candidates, result.candidates)
                    total.errors |= result.errors
                    for part in result.coverage.values():
                        coverage.add(part)
            self._planned[profile] = total
        return not any(one.guarantee == guarantee for one in total.candidates)

    def holds(self, guarantee: str, profile: str, workload: Workload) -> str | None:
        """Judge one drawn workload; say what broke, if anything did."""
        question = profile, workload
        result = self._drawn.get(question)
        if result is None:
            result = self._drawn[question] = self._run(workload, self._model(profile))
            for part in result.coverage.values():
                self._coverage.setdefault(profile, Coverage()).add(part)
        broken = [one for one in result.candidates if one.guarantee == guarantee]
        if not broken:
            return None
        # Hypothesis ends with the simplest case: the latest one stands for all before it.
        self._more[guarantee, profile] = broken
        return f"{broken[0].kind}: {broken[0].observed}"

    def conclude(self, guarantee: str, profile: str) -> GateResult:
        """Shrink and replay what was found, and give the verdict."""
        planned = self._planned.get(profile, UnitResult())
        candidates = [
            one
            for one in merge(planned.candidates, self._more.get((guarantee, profile), []))
            if one.guarantee == guarantee
        ]
        with rerouted():
            findings, repros, unsteady = finish(self.plan, candidates)
        verdict = verdict_of(
            guarantee,
            profile,
            self._coverage.get(profile, Coverage()),
            findings,
            planned.errors,
            unsteady,
            complete=True,
        )
        return GateResult(verdict, findings, repros)

    def spent(self) -> tuple[int, int, int]:
        """Give what was done since this was last asked.

        Returns:
            Crash states judged, recoveries run, recoveries that an earlier one stood for.
        """
        spent = self._judged, self._executed, self._reused
        self._judged = self._executed = self._reused = 0
        return spent

    def _model(self, profile: str) -> Model:
        return next(model for model in self.plan.models if model.name == profile)

    def _run(self, workload: Workload, model: Model) -> UnitResult:
        plan = self.plan
        result = run_unit(
            plan.loaded, workload, (model,), frozenset(plan.judged), plan.depth, seed=plan.seed
        )
        self._judged += result.judged
        self._executed += result.executed
        self._reused += result.reused
        return result
