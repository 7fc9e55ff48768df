"""The gate: one guarantee under one profile, asked for one at a time.

What the pytest scenarios stand on. It judges the same plan as `harness.runner.check` and gives the
same verdicts; work done for one guarantee is kept for the next under the same profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from harness.coverage import Coverage
from harness.finding import Candidate
from harness.guarantees import INJECTED, RACED, place_of
from harness.history import record
from harness.intercept import rerouted
from harness.isolation.races import Race
from harness.isolation.racing import HELD
from harness.meeting import Meeting
from harness.ops import Workload
from harness.plan import Plan
from harness.quiet import quiet
from harness.report import FindingRecord, Verdict
from harness.schedule.fresh import fresh
from harness.settling import finish
from harness.unit import UnitResult, merge, run_unit
from harness.verdicts import verdict_of

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


_COMPOUND_DRAWN: Final = 200
"""Crash states looked at with each drawn fault at least."""


class Gate:
    """Answers for one plan.

    Args:
        plan: What to check.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._planned: dict[str, UnitResult] = {}
        self._drawn: dict[tuple[str, Workload, str | None], UnitResult] = {}
        self._more: dict[tuple[str, str], list[Candidate]] = {}
        self._coverage: dict[str, Coverage] = {}
        self._met: tuple[Workload, Meeting] | None = None
        self._judged = self._executed = self._reused = 0

    def claims(self, guarantee: str) -> bool:
        """Tell whether the plan judges a guarantee: asked for, or claimed by the subject."""
        return guarantee in self.plan.judged

    def planned(self, guarantee: str, profile: str) -> bool:
        """Judge the plan's own workloads under a profile; tell whether a guarantee held."""
        place = _place(guarantee, profile)
        total = self._planned.get(place)
        if total is None:
            total = UnitResult()
            with rerouted():
                for workload in self.plan.workloads:
                    result = self._run(workload, place)
                    total.candidates = merge(total.candidates, result.candidates)
                    total.errors |= result.errors
            self._planned[place] = total
        return not any(
            one.guarantee == guarantee and profile in one.profiles for one in total.candidates
        )

    def holds(
        self, guarantee: str, profile: str, workload: Workload, fault: str | None = None
    ) -> str | None:
        """Judge one drawn workload; say what broke, if anything did.

        Args:
            guarantee: The guarantee.
            profile: The persistence model.
            workload: The workload.
            fault: The one fault to inject, as text; None for all that the effort has.
        """
        question = _place(guarantee, profile), workload, fault
        result = self._drawn.get(question)
        if result is None:
            result = self._drawn[question] = self._run(workload, question[0], fault)
        broken = [
            one
            for one in result.candidates
            if one.guarantee == guarantee and profile in one.profiles
        ]
        if not broken:
            return None
        # Hypothesis ends with the simplest case: the latest one stands for all before it.
        self._more[guarantee, profile] = broken
        return f"{broken[0].kind}: {broken[0].observed}"

    def meeting(self, workload: Workload) -> Meeting:
        """Give what can go wrong in a drawn workload.

        Args:
            workload: The workload.

        Raises:
            BaselineError: The store misbehaves in it without any fault.
        """
        if self._met is None or self._met[0] != workload:
            plan = self.plan
            with rerouted(), quiet(workload.stored_bytes), fresh(plan.loaded):
                recording = record(plan.loaded, workload, seed=plan.seed)
            self._met = workload, Meeting(recording, plan.models)
        return self._met[1]

    def conclude(self, guarantee: str, profile: str) -> GateResult:
        """Shrink and replay what was found, and give the verdict."""
        place = _place(guarantee, profile)
        planned = self._planned.get(place, UnitResult())
        # Copies: causes are merged in place, and the next profile asks again.
        found = [replace(one, profiles=dict(one.profiles)) for one in planned.candidates]
        candidates = [
            replace(one, profiles={profile: one.profiles[profile]})
            for one in merge(found, self._more.get((guarantee, profile), []))
            if one.guarantee == guarantee and profile in one.profiles
        ]
        with rerouted():
            findings, repros, unsteady = finish(self.plan, candidates)
        verdict = verdict_of(
            guarantee,
            profile,
            self._coverage.get(place_of(guarantee, profile), Coverage()),
            findings,
            planned.errors,
            unsteady,
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

    def _run(self, workload: Workload, place: str, fault: str | None = None) -> UnitResult:
        """Judge one workload by crashes under one profile, or by the faults of one guarantee."""
        plan = self.plan
        raced = isinstance(workload, Race)
        if raced is not (place == RACED) and not (raced and place == HELD):
            return UnitResult()
        if place in (*INJECTED, RACED):
            models, guarantees = plan.models, frozenset({place})
        else:
            models = tuple(model for model in plan.models if model.name == place)
            guarantees = frozenset(plan.judged) - set(INJECTED)
        depth = plan.depth
        if fault is not None:
            depth = replace(depth, only=(fault,), compound=max(depth.compound, _COMPOUND_DRAWN))
        result = run_unit(plan.loaded, workload, models, guarantees, depth, seed=plan.seed)
        # A fault alone says nothing of crashes, which other scenarios count under each profile.
        crashed = {} if place in INJECTED else result.coverage
        for name, part in (*crashed.items(), *result.injected.items()):
            if fault is not None:
                part.fired = {}  # a drawn fault may miss: others hit
            self._coverage.setdefault(name, Coverage()).add(part)
        self._judged += result.judged
        self._executed += result.executed
        self._reused += result.reused
        return result


def _place(guarantee: str, profile: str) -> str:
    """Name what is run together: a profile, or a guarantee that hardly depends on one.

    A race is run once for all profiles, too: only the power cuts in it differ.
    """
    return guarantee if guarantee in (*INJECTED, RACED) else profile
