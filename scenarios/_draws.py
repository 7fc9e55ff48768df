"""Drawing workloads, and faults, with Hypothesis until one breaks a guarantee, and shrinking it."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st

from harness.gate import Gate
from harness.isolation.races import Race
from harness.isolation.strategies import races
from harness.ops import Workload
from harness.strategies import faults, workloads

__all__ = ["EXAMPLES", "RACES", "draws", "faulty_draws", "faulty_recovery_draws", "race_draws"]

EXAMPLES = {"quick": 4, "default": 12, "thorough": 100}
"""Workloads drawn for each scenario and profile, by effort."""

RACES = {"quick": 2, "default": 4, "thorough": 40}
"""Races drawn, once for all profiles, by effort: every order of each is tried."""


def draws(gate: Gate, guarantee: str, profile: str) -> None:
    """Draw workloads and judge every crash state of each.

    Raises:
        AssertionError: One broke the guarantee; the gate keeps the simplest.
    """
    _draw(gate, guarantee, profile, None)


def faulty_draws(gate: Gate, guarantee: str, profile: str) -> None:
    """Draw workloads with a failing call or a full disk each, and power cuts at any time after it.

    Raises:
        AssertionError: One broke the guarantee; the gate keeps the simplest.
    """
    _draw(gate, guarantee, profile, "")


def faulty_recovery_draws(gate: Gate, guarantee: str, profile: str) -> None:
    """Draw as `draws`; and again with a fault each, in the recovery from every crash state.

    Raises:
        AssertionError: One broke the guarantee; the gate keeps the simplest.
    """
    _draw(gate, guarantee, profile, None)
    _draw(gate, guarantee, profile, "in recovery: ")


def _draw(gate: Gate, guarantee: str, profile: str, where: str | None) -> None:
    """Draw until something breaks; without a ``where``, without a fault."""
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
    @hypothesis.given(
        workloads(keys, syncs=plan.loaded.sync is not None),
        st.none() if where is None else faults(),
    )
    def holds(workload: Workload, fault: object) -> None:
        text = None if fault is None else f"{where}{fault}"
        broken = gate.holds(guarantee, profile, workload, text)
        assert broken is None, broken

    holds()


def race_draws(gate: Gate, guarantee: str, profile: str) -> None:
    """Draw what several writers do at once, and judge every order of each.

    Raises:
        AssertionError: One broke the guarantee; the gate keeps the simplest.
    """
    plan = gate.plan
    if plan.loaded.single_writer or plan.loaded.values is not None:
        return  # no race is asked for, or only of the store's own values
    keys = tuple(plan.workloads[0].keys) if plan.loaded.keys is not None else ()
    lists = plan.loaded.guarantees is None or "listing" in plan.loaded.guarantees

    @hypothesis.seed(plan.seed)
    @hypothesis.settings(
        max_examples=RACES[plan.effort],
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(races(keys, lists=lists))
    def holds(race: Race) -> None:
        broken = gate.holds(guarantee, profile, race)
        assert broken is None, broken

    holds()
