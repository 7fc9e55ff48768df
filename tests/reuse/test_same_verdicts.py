"""Reuse changes nothing that anybody is told: with it and without it, the same is found.

The default run takes part of the zoo and a few random stores; all of it with
HARNESS_REUSE_EVERYTHING=1 (some minutes).
"""

import os

import pytest
from stores import random_subject

from harness.errors import BaselineError
from harness.examine import examine
from harness.history import record
from harness.intercept import rerouted
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.recovery import Prober
from harness.subjects import load
from harness.unit import Depth, run_unit
from harness.workloads import standing
from scenarios.zoo import all_bugs

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

EVERYTHING = bool(os.environ.get("HARNESS_REUSE_EVERYTHING"))
MODELS = tuple(PROFILES.values())
WORKLOADS = {workload.name: workload for workload in standing()}
BUGS = all_bugs(since=3)
SAMPLE = BUGS if EVERYTHING else BUGS[::6]
CHOSEN = list(WORKLOADS) if EVERYTHING else ["shrink"]
BUDGET = 400 if EVERYTHING else 60


def everything_found(subject, workload, models, *, reuse, mixed=EVERYTHING):
    """Judge a workload; give what was covered and what was seen, in a form to compare."""
    found, executed, reused = [], 0, 0
    with rerouted(), quiet():
        recording = record(subject, workload)
        prober = Prober(subject, workload.keys, reuse=reuse)
        for model in models:
            coverage, sightings = examine(recording, model, prober, budget=BUDGET, mixed=mixed)
            sorts = [
                (
                    count,
                    [
                        (one.violation, place(one.state), one.nested and place(one.nested))
                        for one in group
                    ],
                )
                for count, group in sightings.sorts(
                    {"atomicity", "durability", "recovery", "listing"}
                )
            ]
            found.append((model.name, coverage, sorts))
        executed, reused = prober.executed, prober.reused
        assert prober.distrust is None
    assert bool(reused) is reuse
    return found, executed


def place(state):
    return state.first, state.last, state.offset, state.issued, state.taken, state.torn


def agree(subject, workload, models=MODELS):
    with_it, executed = everything_found(subject, workload, models, reuse=True)
    without, executed_all = everything_found(subject, workload, models, reuse=False)
    assert with_it == without
    assert executed < executed_all
    return with_it


@pytest.mark.parametrize("workload", CHOSEN)
@pytest.mark.parametrize("side", ["broken", "fixed"])
@pytest.mark.parametrize("bug", SAMPLE, ids=lambda bug: bug.name)
def test_the_zoo_is_judged_alike(bug, side, workload):
    subject = load(f"scenarios.zoo.{bug.name}:{side}")
    models = MODELS if EVERYTHING else MODELS[::3]
    agree(subject, WORKLOADS[workload], models)


@pytest.mark.parametrize("seed", range(60 if EVERYTHING else 8))
def test_random_stores_are_judged_alike(seed):
    workload = list(WORKLOADS.values())[seed % 9]
    try:
        found = agree(
            random_subject(seed), workload, MODELS if EVERYTHING else MODELS[seed % 7 :: 4]
        )
    except BaselineError:
        pytest.skip("this protocol does not even work without faults")
    assert found


def test_findings_are_the_same(monkeypatch):
    subject = load("scenarios.zoo.rename_without_fsync:broken")
    guarantees = frozenset({"atomicity", "durability", "recovery", "listing"})

    def unit():
        result = run_unit(
            subject, WORKLOADS["overwrite"], MODELS[2:5], guarantees, Depth(60, mixed=False), seed=0
        )
        return result.candidates, result.coverage, result.executed

    with_it = unit()
    monkeypatch.setattr(
        "harness.unit.Prober", lambda *args, **options: Prober(*args, **options, reuse=False)
    )
    without = unit()
    assert with_it[:2] == without[:2]
    assert with_it[0]
    assert with_it[2] < without[2]
