"""Sharing out: the same verdicts for any number of processes, and a dead one costs its unit."""

import os

import pytest

from harness.report import dump
from harness.runner import Plan, check


def stripped(outcome):
    text = dump(outcome.report).decode()
    return [line for line in text.splitlines() if "second" not in line], outcome.repros


# Of fewer guarantees tests/cli/test_check.py says the same, and of scenarios test_balance.py.
@pytest.mark.skipif(os.environ.get("HARNESS_FULL") != "1", reason="all guarantees: HARNESS_FULL=1")
def test_two_processes_give_what_one_gives():
    plans = [
        Plan("scenarios.zoo.rename_without_fsync:broken", ("ext4", "posix"), None, "quick", 0, n)
        for n in (1, 2)
    ]
    one, two = (stripped(check(plan)) for plan in plans)
    assert one == two


@pytest.mark.parametrize(
    ("which", "how"), [("exits", "left with status 7"), ("crashes", "ended by SIGSEGV")]
)
def test_a_worker_that_dies_costs_its_unit_and_is_named(which, how):
    plan = Plan(
        f"tests/engine/dying.py:{which}", ("kill",), ("atomicity", "integrity"), "quick", 0, 2
    )
    outcome = check(plan)
    assert [v.verdict for v in outcome.report.verdicts] == ["error", "error"]
    for verdict in outcome.report.verdicts:
        assert "workload 'grow'" in verdict.note
        assert how in verdict.note
    # The other ten were judged all the same.
    assert outcome.report.verdicts[0].workloads == 10
    assert outcome.exit_code() == 3
