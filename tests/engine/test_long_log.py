"""A log too long to try everything is judged by a spread of its crashes, and the report says so."""

import pytest

from harness.ops import Workload, write
from harness.persistence import PROFILES
from harness.subjects import load
from harness.unit import Depth, run_unit

OPERATIONS = 250
LOG = Workload("log", tuple(write("abcd"[n % 4], b"%d" % n) for n in range(OPERATIONS)))
CRASHES = frozenset({"atomicity", "listing"})
BUDGET = 100


def judged(subject, profile):
    model = PROFILES[profile]
    depth = Depth(budget=BUDGET, mixed=False)
    result = run_unit(load(subject), LOG, (model,), CRASHES, depth, seed=0)
    assert not result.errors
    return result.coverage[profile], {one.guarantee for one in result.candidates}


@pytest.mark.parametrize("profile", ["ext4", "posix"])
@pytest.mark.parametrize("which", ["synced", "unsynced"])
def test_a_long_log_holds_what_it_claims_and_its_coverage_is_stated(which, profile):
    coverage, broken = judged(f"tests.benchmarks.stores:{which}_log", profile)
    assert broken == set()
    assert not coverage.exhaustive
    assert coverage.possible is None or coverage.possible > coverage.states
    # The ends of the trace and a spread between them, each a few states: not all, and not a square.
    assert BUDGET < coverage.faults < OPERATIONS
    assert coverage.judged < 30 * coverage.faults


@pytest.mark.parametrize("profile", ["ext4", "posix"])
def test_a_spread_is_enough_to_see_a_log_whose_records_nobody_checks(profile):
    coverage, broken = judged("scenarios.zoo.log_without_checksum:broken", profile)
    assert "listing" in broken
    assert not coverage.exhaustive
