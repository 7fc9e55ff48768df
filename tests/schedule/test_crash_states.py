"""Pruning loses no crash state either: against full enumeration, under the models that keep order.

Two changes of different files commute for those who look, and not for a power cut: a journal loses
the later one first. So with ``crashes`` they are ordered, and this fails if they are not.
"""

import os

import pytest

from harness.explore import Explorer
from harness.image import from_tree
from harness.ops import write
from harness.persistence import PROFILES, constrain, derive
from harness.schedule import ConcurrentWorkload, Exploration
from harness.trace import Close
from tests.schedule.conftest import Plain, subject_of
from tests.schedule.test_exploration import FULL, PROGRAM, program, tree

MODELS = [PROFILES[name] for name in ("kill", "ordered", "ext4")]


class Named(Plain):
    """Makes two names, and only then changes a file that is there."""

    def write(self, key, value):
        os.mkdir(self._path(f"{key}1"))
        os.mkdir(self._path(f"{key}2"))
        descriptor = os.open(self._path(key), os.O_WRONLY)
        os.write(descriptor, value)


NAMED = subject_of(Named)
TWO = ConcurrentWorkload("two", ((write("a", b"1"),), (write("b", b"2"),)))
THERE = from_tree({"store/a": b"0", "store/b": b"0"})


def crash_states(subject, workload, **options):
    """Every disk that a power cut can leave under each model."""
    found = set()
    search = Exploration(subject, workload, preemptions=2, budget=100_000, **options)
    for run in search:
        for model in MODELS:
            explorer = Explorer(constrain(derive(run.records, run.base), model), budget=100_000)
            found |= {
                (model.name, tree(explorer.image(state)))
                for state in explorer.states()
                # Where a run was ended early, the one that it met goes on.
                if run.complete or state.first < 2 * len(run.records)
            }
    assert search.exhaustive
    return found, search


@pytest.mark.parametrize("number", range(12 if FULL else 2))
def test_no_crash_state_of_random_programs_is_lost(number):
    pruned, search = crash_states(PROGRAM, program(number), crashes=True)
    complete, full = crash_states(PROGRAM, program(number), prune=False)
    assert pruned == complete
    assert search.runs < full.runs


def orders(**options):
    """Every order of changes on disk, to wherever it went: what a journal's states come from."""
    search = Exploration(NAMED, TWO, base=THERE, preemptions=2, **options)
    found = set()
    for run in search:
        made = [one.path for one in run.records if not isinstance(one, Close)]
        found |= {tuple(made[:count]) for count in range(len(made) + 1)}
    return found, search


def test_no_order_of_changes_is_lost_and_without_crashes_some_are():
    complete, full = orders(prune=False)
    pruned, search = orders(crashes=True)
    assert pruned == complete
    assert search.runs < full.runs
    # For those who only look fewer will do: this test can fail.
    fewer, less = orders(crashes=False)
    assert fewer < complete
    assert less.runs < search.runs


def test_no_crash_state_of_two_that_make_names_is_lost():
    complete, _ = crash_states(NAMED, TWO, base=THERE, prune=False)
    pruned, _ = crash_states(NAMED, TWO, base=THERE, crashes=True)
    assert pruned == complete
