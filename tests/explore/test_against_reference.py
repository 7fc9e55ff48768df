"""The explorer finds what the definition says: the same sets, spans, images and counts."""

import pytest

from harness.explore import Explorer
from harness.persistence import PROFILES, constrain, derive, profile_from_mapping
from harness.trace import Image, Truncate

from . import reference
from .traces import random_trace

SEEDS = range(30)
NODES_MAX = 9
MODELS = {
    **PROFILES,
    # Switches that no shipped profile combines: tearing, and needs that an fsync lifts.
    "torn-btrfs": profile_from_mapping("torn-btrfs", {"base": "btrfs", "torn": True}),
    "late-zeros": profile_from_mapping("late-zeros", {"base": "ext4", "cut-tail": "data"}),
}


def constraints_of(seed, model):
    """A random trace with few enough nodes that can be lost at once to try all subsets."""
    for calls in range(8, 0, -1):
        made = constrain(derive(random_trace(seed, calls)), MODELS[model])
        if len(made.nodes) <= NODES_MAX:
            return made
    raise AssertionError("one call has too many nodes")


def explored(explorer):
    found = {}
    for state in explorer.states():
        chosen = frozenset(n for n in range(state.issued) if state.holds(n))
        key = chosen, tuple(state.torn) if state.torn else None
        assert key not in found, "a set twice"
        found[key] = state
    return found


def calls_returned(made, positions):
    """How many calls can have returned: while a sync runs that brings this, those before it."""
    first = min(positions)
    found = {position // 2 for position in positions if not position % 2}
    return sorted(found | ({first // 2} if reference.lifts(made.nodes, first) else set()))


def image_of(explorer, state):
    image = explorer.image(state)
    return (
        tuple(sorted(image.files().items())),
        tuple(image.dirs()),
        tuple(sorted(image.symlinks().items())),
    )


@pytest.mark.parametrize("model", MODELS)
def test_the_same_sets_with_the_same_spans_and_images(model):
    tried = torn = 0
    for seed in SEEDS:
        made = constraints_of(seed, model)
        explorer = Explorer(made, budget=1_000_000)
        expected = reference.crash_states(made)
        found = explored(explorer)
        assert found.keys() == expected.keys(), seed
        assert explorer.exhaustive
        assert explorer.possible == explorer.visited == explorer.count() == len(expected)
        end = 2 * made.effects.calls
        keys = {}
        for key, state in found.items():
            assert {*range(state.first, min(state.last, end) + 1)} == expected[key], (seed, key)
            image = reference.paint(made, *key)
            assert image_of(explorer, state) == image, (seed, key)
            assert keys.setdefault(state.key, image) == image
            between = calls_returned(made, expected[key])
            assert [n for n in range(end // 2 + 1) if state.possible_after(n)] == between
            assert state.after == (between[0] if between else min(expected[key]) // 2)
            torn += state.torn is not None
        assert len({*keys.values()}) == len(keys)
        tried += len(expected)
    assert tried > 150
    assert (torn > 0) == MODELS[model].torn


@pytest.mark.parametrize("model", MODELS)
def test_one_position_alone_has_the_sets_that_are_possible_there(model):
    for seed in SEEDS[:12]:
        made = constraints_of(seed, model)
        expected = reference.crash_states(made)
        for calls in range(made.effects.calls + 1):
            explorer = Explorer(made, budget=1_000_000, at=2 * calls)
            found = explored(explorer)
            assert found.keys() == {
                key for key, where in expected.items() if calls in calls_returned(made, where)
            }
            assert explorer.exhaustive
            assert explorer.possible == len(found)
            for key, state in found.items():
                assert state.first == min(expected[key]), (seed, calls, key)


@pytest.mark.parametrize("model", [name for name in PROFILES if name != "posix"])
def test_posix_allows_what_any_filesystem_does(model):
    cut_and_grown = [
        Image(files={"t": b"O" * 4096}),
        Truncate(path="t", size=100),
        Truncate(path="t", size=3000),
    ]
    for seed, records in enumerate([cut_and_grown, *(random_trace(k, 5) for k in range(60))]):
        made, least = (constrain(derive(records), MODELS[name]) for name in (model, "posix"))
        if len(made.nodes) > NODES_MAX:
            continue
        end = 2 * made.effects.calls
        weak = Explorer(least, budget=1_000_000)
        allowed = {}
        for state in weak.states():
            span = range(state.first, min(state.last, end) + 1)
            allowed.setdefault(state.key, set()).update(span)
        assert weak.exhaustive
        strong = Explorer(made, budget=1_000_000)
        for state in strong.states():
            if model == "ordered" and state.torn:
                continue  # a file ends in the middle of a page there, at the sector that was last
            here = {*range(state.first, min(state.last, end) + 1)}
            assert here <= allowed.get(state.key, set()), (seed, strong.lost(state))
