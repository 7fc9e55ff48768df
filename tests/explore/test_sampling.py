"""More crash states than the budget: what is visited then, and what is said about it."""

import os
import subprocess
import sys
from itertools import pairwise

import pytest

from harness.cut_after_kill import kills_of
from harness.explore import Explorer
from harness.persistence import PROFILES, constrain, derive, profile
from harness.trace import Create, Fsync, Rename, Write

from .traces import appends, random_trace

ROOM = 1_000_000


def scattered(files=4, pages=6):
    """Many new files of several pages, none synced: far more states than any budget."""
    records = []
    for k in range(files):
        records.append(Create(path=f"f{k}"))
        records.append(Write(path=f"f{k}", offset=0, data=bytes([65 + k]) * 4096 * pages))
    for i, record in enumerate(records, 1):
        record.i = i
    return records


def explorer_of(records, model="ext4", **settings):
    return Explorer(constrain(derive(records), profile(model)), **settings)


def identity(state):
    return state.first, state.offset, state.taken, state.torn


@pytest.mark.parametrize("model", PROFILES)
def test_a_sample_is_a_part_of_the_whole(model):
    smaller = 0
    for seed in range(25):
        records = random_trace(seed, 7)
        whole = explorer_of(records, model, budget=ROOM)
        everything = {identity(state) for state in whole.states()}
        sample = explorer_of(records, model, budget=10)
        some = [identity(state) for state in sample.states()]
        assert len(some) == len(set(some)) == sample.visited
        assert set(some) <= everything
        assert sample.exhaustive == (len(some) == len(everything))
        assert sample.possible == whole.possible == len(everything)
        smaller += len(some) < len(everything)
    assert smaller or model in {"kill", "ordered"}


def test_the_budget_is_kept_and_what_was_left_is_counted():
    explorer = explorer_of(scattered(), budget=2_000)
    states = list(explorer.states())
    # Each call may be given its few first states even when the budget is spent.
    assert 1_000 < len(states) == explorer.visited <= 2_000 + 24 * 8
    assert not explorer.exhaustive
    assert explorer.possible == explorer.count() > 10**9


def test_a_sample_begins_with_what_tells_most():
    explorer = explorer_of(scattered(files=2, pages=3), model="posix", budget=1_000)
    nodes = explorer.constraints.nodes
    lost = [
        {n for n in range(len(nodes)) if not state.holds(n)}
        for state in explorer.states()
        if state.issued == len(nodes) and state.torn is None
    ]
    assert set() in lost
    for n in range(len(nodes)):
        assert any(n in one for one in lost)
    assert any(len(one) == 1 for one in lost)
    assert any(len(one) >= len(nodes) - 4 for one in lost)


def test_a_seed_fixes_the_sample_and_another_gives_another():
    def sample(seed):
        explorer = explorer_of(scattered(), budget=1_500, seed=seed)
        return [identity(state) for state in explorer.states()]

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


PROGRAM = """
import sys, zlib
sys.path.insert(0, sys.argv[1])
from harness.explore import Explorer
from harness.persistence import constrain, derive, profile
from harness.trace import Create, Write
records = []
for k in range(4):
    records.append(Create(path=f"f{k}"))
    records.append(Write(path=f"f{k}", offset=0, data=bytes([65 + k]) * 20000))
explorer = Explorer(constrain(derive(records), profile("posix")), budget=600)
crc = 0
for state in explorer.states():
    told = (state.first, state.last, state.taken, state.torn, explorer.lost(state))
    crc = zlib.crc32(repr((told, explorer.image(state).files())).encode(), crc)
print(crc, explorer.visited, explorer.possible)
"""


def test_the_hash_seed_changes_nothing():
    def run(hash_seed):
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, os.getcwd()],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert run("1") == run("2") != ""


@pytest.mark.parametrize("model", PROFILES)
def test_a_long_synced_trace_is_explored_exhaustively(model):
    explorer = explorer_of(appends(400, synced=True), model, budget=20_000)
    keys = {state.key for state in explorer.states()}
    assert explorer.exhaustive
    assert explorer.possible == explorer.visited < 20_000
    assert len(keys) > 400


@pytest.mark.parametrize("model", ["ext4", "xfs", "posix"])
def test_a_long_unsynced_trace_says_what_was_left_out(model):
    explorer = explorer_of(appends(300, synced=False), model, budget=3_000)
    visited = sum(1 for _ in explorer.states())
    assert visited == explorer.visited <= 3_000 + 24 * 301
    assert not explorer.exhaustive
    assert explorer.possible is None


def test_a_state_without_later_calls_is_one_the_model_allows():
    records = [
        Create(path="tmp", i=1),
        Write(path="tmp", offset=0, data=b"N" * 6000, i=2),
        Rename(src="tmp", dst="t", i=3),
        Fsync(path=".", dir=True, i=4),
    ]
    explorer = explorer_of(records, "posix", budget=ROOM)
    states = list(explorer.states())
    after_two = {
        (state.key, state.possible_after(2)) for state in states if state.possible_after(2)
    }
    for state in states:
        earlier = explorer.without(state, after_call=2)
        assert (earlier.key, True) in after_two
        assert earlier.issued <= state.issued


def test_of_a_long_trace_the_kills_are_its_ends_and_an_even_spread():
    assert list(kills_of(5)) == [1, 2, 3, 4, 5]
    chosen = list(kills_of(30_000))
    assert chosen == sorted(set(chosen))
    assert (len(chosen), chosen[:3], chosen[-2:]) == (64, [1, 2, 3], [29_999, 30_000])
    assert max(b - a for a, b in pairwise(chosen)) < 2 * 30_000 / 48
