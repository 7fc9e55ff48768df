"""A time budget ends a check inside a workload, and loses nothing that was found by then.

The clock is a counter here: one second a look, so that nothing depends on how fast a machine is.
"""

from functools import cache
from itertools import count

import pytest

from harness import meter as meters
from harness import runner, settling, shrink
from harness.explore import Explorer
from harness.history import record
from harness.intercept import rerouted
from harness.meter import Meter, Standing
from harness.persistence import PROFILES, constrain, derive
from harness.runner import Plan, check, collect
from harness.settling import ranked, settle
from harness.subjects import load
from harness.unit import Depth, run_unit
from harness.workloads import standing

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

BROKEN = "scenarios.zoo.rename_without_fsync:broken"
FIXED = "scenarios.zoo.rename_without_fsync:fixed"
CRASHES = ("atomicity", "durability", "listing")
MODELS = tuple(PROFILES.values())
DEPTH = Depth(budget=60, mixed=True, compound=300)
OVERWRITE = next(workload for workload in standing() if workload.name == "overwrite")


@pytest.fixture
def looks(monkeypatch):
    """Make each look at the clock a second."""
    clock = count()
    monkeypatch.setattr(meters, "_now", lambda: float(next(clock)))
    monkeypatch.setattr(runner.time, "monotonic", lambda: float(next(clock)))


def run(subject, meter, guarantees=CRASHES):
    with rerouted():
        return run_unit(
            load(subject), OVERWRITE, MODELS, frozenset(guarantees), DEPTH, seed=0, meter=meter
        )


@cache
def everything_found():
    return run(BROKEN, Meter())


def explorer(budget=300):
    with rerouted():
        recording = record(load(FIXED), OVERWRITE)
    effects = derive(recording.records, recording.base)
    return Explorer(constrain(effects, PROFILES["posix"]), budget=budget)


@pytest.mark.usefixtures("looks")
def test_a_walk_stops_between_two_states_and_says_how_far_it_got():
    everything = len(list(explorer().states()))
    some, meter = explorer(), Meter(until=12.0)
    meter.begin("under posix", 0.0, 1.0)
    seen = list(meter.watch(some))
    assert 0 < len(seen) < everything
    assert not some.exhaustive
    assert some.possible == explorer().count()
    assert meter.where == f"under posix after {len(seen)} of {some.possible:,} crash states"


@pytest.mark.usefixtures("looks")
def test_a_walk_that_ends_in_time_is_not_told_from_one_without_a_clock():
    plain, watched = explorer(), explorer()
    assert list(Meter(until=1e9).watch(watched)) == list(plain.states())
    assert (watched.exhaustive, watched.possible) == (plain.exhaustive, plain.possible)


@pytest.mark.parametrize("seconds", [20, 150, 700])
@pytest.mark.usefixtures("looks")
def test_a_unit_keeps_what_it_found_before_the_time_was_up(seconds):
    everything, some = everything_found(), run(BROKEN, Meter(until=float(seconds)))
    assert some.stopped is not None
    assert {one.id for one in some.candidates} <= {one.id for one in everything.candidates}
    finished = [model.name for model in MODELS if model.name not in some.unfinished]
    assert finished + some.unfinished == [model.name for model in MODELS]
    for name in finished:
        assert some.coverage[name] == everything.coverage[name]
    for name in some.unfinished:
        if name in some.coverage:
            assert not some.coverage[name].exhaustive
            assert some.coverage[name].judged < everything.coverage[name].judged
    if finished:
        assert f"under {some.unfinished[0]}" in some.stopped


@pytest.mark.usefixtures("looks")
def test_no_profile_is_done_with_before_its_recoveries_met_every_fault():
    result = run(FIXED, Meter(until=410.0), ("recovery",))
    assert result.stopped == "at faults during recovery"
    assert result.unfinished == [model.name for model in MODELS]


@pytest.mark.usefixtures("looks")
def test_faults_that_were_not_reached_are_named():
    guarantees = ("clean-failure", "hygiene", "integrity")
    result = run(FIXED, Meter(until=2.0), guarantees)
    assert set(result.unfinished) | set(result.injected) >= set(guarantees)
    assert result.unfinished
    assert result.stopped.startswith("at faults for ")


@pytest.mark.usefixtures("looks")
def test_a_check_says_how_far_it_got_and_replays_what_it_found():
    plan = Plan(BROKEN, guarantees=("atomicity",), effort="quick", budget_seconds=910.0)
    report = check(plan).report
    assert report.findings
    assert {one.replays for one in report.findings} == {"10/10"}
    stopped = [one for one in report.verdicts if one.stopped]
    assert stopped
    assert not any(one.exhaustive for one in stopped)
    assert {one.crash_states_possible for one in stopped} == {None}
    (note,) = {one.note for one in stopped if one.verdict == "inconclusive"}
    assert "the time budget ended first: " in note
    assert " of 11 workloads judged; " in note
    assert " stopped under " in note
    assert " crash states" in note
    assert "not reached: " in note


@pytest.mark.usefixtures("looks")
def test_profiles_done_with_by_then_have_their_verdict():
    """Where the last workload is stopped under its last profile, the others were judged whole."""
    plan = Plan(FIXED, profiles=("kill", "ordered"), guarantees=("atomicity",), effort="quick")
    partial = collect(plan)
    last = len(plan.workloads) - 1
    partial.stop(last, runner.Stopped(plan.workloads[last].name, "under ordered", ["ordered"]))
    report = runner.conclude(plan.header, partial, [], 1.0).report
    verdicts = {one.profile: (one.verdict, one.stopped) for one in report.verdicts}
    assert verdicts == {"kill": ("held", False), "ordered": ("inconclusive", True)}


def test_a_worker_stops_inside_its_unit_and_gives_signs_of_life():
    plan = Plan(BROKEN, guarantees=CRASHES, effort="quick")
    said = []
    result = runner._start_worker(runner._Job(plan, 0.0, counting=True))(0, said.append)
    assert result.stopped == "under kill"
    assert result.unfinished == [model.name for model in MODELS]
    assert isinstance(said[-1], Standing)


def test_once_the_time_is_up_a_finding_is_replayed_but_not_shrunk(monkeypatch):
    plan = Plan(BROKEN, profiles=("btrfs",), guarantees=("atomicity",), effort="quick")
    one = ranked(collect(plan).candidates())[0]
    before = one.reproduction.operations
    monkeypatch.setattr(shrink, "run_unit", None)  # would raise if called
    monkeypatch.setattr(settling, "prove", None)
    settled = settle(plan, one, until=0.0)
    assert settled.replayed == 10
    assert settled.fix is None
    assert settled.candidate.reproduction.operations == before


@pytest.mark.usefixtures("looks")
def test_progress_moves_inside_a_workload_and_counts_what_is_possible():
    told = []
    plan = Plan(FIXED, profiles=("ordered", "btrfs"), guarantees=("atomicity",), effort="quick")
    report = check(plan, told.append).report
    within = [one for one in told if one.done == 0]
    assert len(within) > 1
    assert {one.total for one in told} == {11}
    shares = [one.share for one in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert [one.states for one in told] == sorted(one.states for one in told)
    assert told[-1].states == report.stats.crash_states
    assert all(one.possible >= one.states for one in told if one.countable)
    assert any(one.possible > one.states for one in told)
