"""Drawing workloads with Hypothesis until one breaks a guarantee, and shrinking it."""

from __future__ import annotations

import hypothesis

from harness.gate import Gate
from harness.ops import Workload
from harness.strategies import workloads

__all__ = ["EXAMPLES", "draws"]

EXAMPLES = {"quick": 4, "default": 12, "thorough": 100}
"""Workloads drawn for each scenario and profile, by effort."""


def draws(gate: Gate, guarantee: str, profile: str) -> None:
    """Draw workloads and judge every crash state of each.

    Raises:
        AssertionError: One broke the guarantee; the gate keeps the simplest.
    """
    plan = gate.plan
    keys = tuple(plan.workloads[0].keys) if plan.loaded.keys is not None else ()
    if plan.loaded.values is not None:
        return  # the plan's own draws already use the values the store accepts

    @hypothesis.seed(plan.seed)
    @hypothesis.settings(
        max_examples=EXAMPLES[plan.effort],
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(workloads(keys, syncs=plan.loaded.sync is not None))
    def holds(workload: Workload) -> None:
        broken = gate.holds(guarantee, profile, workload)
        assert broken is None, broken

    holds()
