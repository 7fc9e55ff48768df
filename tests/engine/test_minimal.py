"""Nothing in a finding can be made simpler by one step, whatever it takes to show it.

Of crashes `tests/zoo/test_found.py` says so for every bug of the zoo. Here are the other kinds: a
failing call, a full disk, rot, repetition, several writers, chains of faults. The dear ones with
HARNESS_FULL=1.
"""

import dataclasses
import os
from functools import cache

import pytest

from harness.chainshrink import ChainShrinking, shrink_chain
from harness.errors import HarnessError
from harness.intercept import rerouted
from harness.isolation.shortest import Shortening
from harness.meter import Meter
from harness.persistence import PROFILES, profile
from harness.quiet import quiet
from harness.runner import Plan, check, collect
from harness.shrink import Shrinking
from harness.subjects import load
from scenarios.zoo import all_bugs
from tests.stress.chained import chained

FULL = os.environ.get("HARNESS_FULL") == "1"
MODELS = {name: profile(name) for name in PROFILES}
GUARANTEES = {bug.name: bug.guarantee for bug in all_bugs()}

ALONE = (
    "checksum_without_key",  # rot
    "fsync_retried",  # a failing call
    "failed_cleanup_forgotten",  # a failing call, over and over
    "full_disk_swallowed",
    "orphans_never_swept",  # a kill, over and over
    "short_write_ignored",
)
RACES = (
    "check_then_create",
    "locks_in_opposite_order",
    "list_trips_over_delete",
    "lost_update_between_threads",
    "reader_sees_half_a_value",
)
CHAINS = {
    "journal_dropped_for_room": (38, frozenset({"full-disk"})),
    "compaction_in_place": (0, frozenset()),
    "unsynced_copy_trusted": (64, frozenset()),
}
"""In which round to begin, and what has to be among the faults that are drawn."""


def simpler(search, found):
    """The steps that make a case simpler and still show its cause."""
    for step in search.simpler(found):
        try:
            other = search.attempt(step, found)
        except HarnessError:
            continue  # not a workload that the store can do
        if other is not None and other.identity == found.identity and other.weight < found.weight:
            yield step, other.weight


@cache
def planned(name):
    return Plan(f"scenarios.zoo.{name}:broken", ("posix",), (GUARANTEES[name],), "quick")


def settled(name):
    found = [one.candidate for one in check(planned(name)).settled]
    assert found
    return found


def alone(plan):
    models = {model.name: model for model in plan.models}
    return Shrinking(plan.loaded, models, plan.depth, Meter())


@pytest.mark.parametrize("name", ALONE if FULL else ALONE[:3])
def test_of_a_fault_rot_or_repetition(name):
    search = alone(planned(name))
    for found in settled(name):
        crash = found.reproduction
        assert crash.fault or crash.rot
        assert list(simpler(search, found)) == []
        # Nor is there a plainer fault that shows it in the same workload.
        same = search.attempt((crash.workload(), crash.profile), found)
        assert same is not None
        assert same.weight >= found.weight


@pytest.mark.parametrize("name", RACES if FULL else RACES[:1])
def test_of_a_race(name):
    plan = planned(name)
    search = Shortening(plan.loaded, MODELS, Meter())
    for found in settled(name):
        assert found.reproduction.race is not None
        assert list(simpler(search, found)) == []


@cache
def drawn(name):
    """The first chain that shows the bug, as it is found: by its crashes about `recovery`."""
    with rerouted(), quiet():
        begin, needed = CHAINS[name]
        found = chained(f"scenarios.zoo.{name}:broken", range(begin, 100), needed=needed)
        return next(one for one in found if one.guarantee == "recovery")


@pytest.mark.skipif(not FULL, reason="a chain has many steps to try: HARNESS_FULL=1")
@pytest.mark.parametrize("name", CHAINS)
def test_of_a_chain(name):
    subject, first = load(f"scenarios.zoo.{name}:broken"), drawn(name)
    found = shrink_chain(subject, dataclasses.replace(first), MODELS)
    assert found.weight <= first.weight
    search = ChainShrinking(subject, MODELS[found.reproduction.profile])
    assert list(simpler(search, found)) == []


def test_a_case_as_it_is_found_can_be_made_simpler():
    """What is asked above has an answer: these cases were not minimal before they were shrunk."""
    plan = planned("orphans_never_swept")
    with rerouted():
        first = collect(plan).candidates()[0]
    assert next(simpler(alone(plan), first))
    chain = drawn("journal_dropped_for_room")
    subject = load("scenarios.zoo.journal_dropped_for_room:broken")
    assert next(simpler(ChainShrinking(subject, MODELS[chain.reproduction.profile]), chain))
