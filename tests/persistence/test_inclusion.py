"""Profiles that stand for more leave more: what one file system can leave, its weaker kin can too.

A rule that one profile lacks by mistake shows as a crash state outside the profile that should
contain it, on programs that nobody measured.
"""

import os
from functools import cache

import pytest

from harness.explore import Explorer
from harness.persistence import PROFILES, constrain, derive, profile_from_mapping
from tests.explore.traces import random_trace

FULL = os.environ.get("HARNESS_FULL") == "1"
SEEDS = range(400 if FULL else 40)
CALLS = 6

# `ordered` alone shows a size at the sector where the write was torn; everywhere else a size is
# set to what the write made it, so with torn pages it is no kin of the others.
WHOLE = profile_from_mapping("whole-ordered", {"base": "ordered", "torn": False})
MODELS = {**PROFILES, WHOLE.name: WHOLE}

KIN = [
    ("ext4-dioread-lock", "ext4"),
    *(("kill", name) for name in PROFILES if name != "kill"),
    *((name, "posix") for name in ("ext4", "ext4-dioread-lock", "xfs", "btrfs", WHOLE.name)),
]


@cache
def images(seed, name, calls):
    """Every image that a crash after some calls can leave; None where not all were visited."""
    explorer = Explorer(
        constrain(derive(random_trace(seed, CALLS)), MODELS[name]), budget=50_000, at=2 * calls
    )
    found = set()
    for state in explorer.states():
        image = explorer.image(state)
        found.add((tuple(sorted(image.files().items())), tuple(image.dirs())))
    return found if explorer.exhaustive else None


@pytest.mark.parametrize(("stricter", "weaker"), KIN, ids=lambda name: name)
def test_the_weaker_profile_allows_all_that_the_stricter_one_does(stricter, weaker):
    compared = 0
    for seed in SEEDS:
        for calls in (CALLS, CALLS - 1):
            less, more = images(seed, stricter, calls), images(seed, weaker, calls)
            if less is None or more is None:
                continue
            compared += len(less)
            assert less <= more, (seed, calls, min(less - more))
    assert compared > len(SEEDS)


@pytest.mark.parametrize(("stricter", "weaker"), KIN, ids=lambda name: name)
def test_and_something_that_it_does_not(stricter, weaker):
    """Otherwise the comparison above compares a profile with itself."""
    assert any(
        (images(seed, weaker, CALLS) or set()) - (images(seed, stricter, CALLS) or set())
        for seed in SEEDS
    )
