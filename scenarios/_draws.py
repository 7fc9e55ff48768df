"""Drawing workloads, and faults, with Hypothesis until one breaks a guarantee, and shrinking it."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st

from harness.gate import Gate
from harness.intercept import rerouted
from harness.isolation.drawn_races import races
from harness.isolation.races import Race
from harness.ops import Workload
from harness.quiet import quiet
from harness.strategies import Drawn, workloads

__all__ = [
    "EXAMPLES",
    "PHASES",
    "RACES",
    "draws",
    "draws_with_faults_too",
    "faulty_draws",
    "race_draws",
]

EXAMPLES = {"quick": 4, "default": 12, "thorough": 100}
"""Workloads drawn for each scenario and profile, by effort."""

PHASES = (hypothesis.Phase.generate, hypothesis.Phase.shrink)
"""Not ``explain``: it traces every line that is run while it shrinks, the whole simulated disk."""

RACES = {"quick": 2, "default": 4, "thorough": 40}
"""Races drawn, once for all profiles, by effort: every order of each is tried."""


def draws(gate: Gate, guarantee: str, profile: str) -> None:
    """Draw workloads and judge every crash state of each.

    Raises:
        AssertionError: One broke the guarantee; the gate keeps the simplest.
    """
    _draw(gate, guarantee, profile)


def faulty_draws(gate: Gate, guarantee: str, profile: str) -> None:
    """Draw workloads with a fault each that they can really meet.

    A failing call; two, the second in what the store does about the first; one in the life after a
    kill; a full disk; and power cuts at any time after it.

    Raises:
        AssertionError: One broke the guarantee; the gate keeps the simplest.
    """
    _draw(gate, guarantee, profile, faulty=True)


def draws_with_faults_too(gate: Gate, guarantee: str, profile: str) -> None:
    """Draw as `draws`, and again with a fault each.

    For hygiene a crash, a power cut or a failure that comes again and again; for recovery one or
    two failing calls in the recovery from each crash state.

    Raises:
        AssertionError: One broke the guarantee; the gate keeps the simplest.
    """
    _draw(gate, guarantee, profile)
    _draw(gate, guarantee, profile, faulty=True)


def _draw(gate: Gate, guarantee: str, profile: str, *, faulty: bool = False) -> None:
    """Draw until something breaks."""
    plan = gate.plan
    keys = tuple(plan.workloads[0].keys) if plan.loaded.keys is not None else ()
    if plan.loaded.values is not None:
        return  # the plan's own draws already use the values the store accepts

    @hypothesis.seed(plan.seed)
    @hypothesis.settings(
        max_examples=EXAMPLES[plan.effort],
        phases=PHASES,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(workloads(keys, syncs=plan.loaded.sync is not None), st.data())
    def holds(workload: Workload, data: st.DataObject) -> None:
        fault = None
        if faulty:
            with rerouted(), quiet(workload.stored_bytes):
                fault = gate.meeting(workload).compose(Drawn(data.draw), guarantee)
        broken = gate.holds(guarantee, profile, workload, fault)
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
        phases=PHASES,
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
