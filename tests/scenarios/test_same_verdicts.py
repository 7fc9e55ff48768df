"""The gate that the scenarios stand on gives the verdicts of the command."""

from __future__ import annotations

from contextlib import suppress

import pytest

from harness.gate import Gate
from harness.runner import Plan, check
from scenarios._draws import draws

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

PROFILES = ("kill", "posix")
GUARANTEES = ("atomicity", "durability")


@pytest.mark.parametrize(
    ("store", "broken"),
    [
        ("no_directory_sync:broken", {("durability", "posix")}),
        ("no_directory_sync:fixed", set()),
    ],
)
def test_command_and_scenarios_agree(store: str, broken: set[tuple[str, str]]) -> None:
    plan = Plan(
        subject=f"scenarios.zoo.{store}", profiles=PROFILES, guarantees=GUARANTEES, effort="quick"
    )
    outcome = check(plan)
    command = {(v.guarantee, v.profile): v.verdict for v in outcome.report.verdicts}
    gate, scenarios, ids = Gate(plan), {}, set()
    for guarantee in GUARANTEES:
        for profile in PROFILES:
            if gate.planned(guarantee, profile):
                with suppress(AssertionError):  # the gate keeps what broke
                    draws(gate, guarantee, profile)
            result = gate.conclude(guarantee, profile)
            scenarios[guarantee, profile] = result.verdict.verdict
            ids |= {finding.id for finding in result.findings}
    assert scenarios == command
    assert {at for at, verdict in command.items() if verdict == "violated"} == broken
    assert ids == {finding.id for finding in outcome.report.findings}
