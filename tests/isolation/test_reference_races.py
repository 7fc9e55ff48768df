"""The reference manager holds isolation, as threads and as processes, and the check of it can fail.

Two races by default; all of them, with kills and failing calls in schedules of two preemptions, as
power cuts are, with ``HARNESS_FULL=1``: what ``--thorough`` does.
"""

import os
from functools import cache

import pytest

from harness.intercept import rerouted
from harness.isolation.races import standing_races
from harness.isolation.racing import Bounds, judge_race, prepared
from harness.isolation.staging import Stage
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.reference import hardened_files
from harness.runner import REFERENCE
from harness.schedule import Schedule
from harness.subjects import load

FULL = os.environ.get("HARNESS_FULL") == "1"
SOME = ("processes: write and remove", "threads: same key")
RACES = [race for race in standing_races() if FULL or race.name in SOME]
BOUNDS = Bounds(preemptions=2, cut=2, struck=2 if FULL else 0, budget=20_000)


@pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)
def test_every_schedule_with_two_preemptions_holds_crash_points_included(race):
    with rerouted(), quiet():
        result = judge_race(load(REFERENCE), race, tuple(PROFILES.values()), BOUNDS, seed=0)
    assert [(one.kind, one.observed) for one in result.candidates] == []
    assert result.error is None
    for name in PROFILES:
        coverage = result.coverage[name]
        assert coverage.exhaustive
        assert coverage.doubt == ""
        assert coverage.faults > 50
        assert coverage.states > 0 or "list" in race.name


@cache
def race_named(name):
    return next(race for race in standing_races() if race.name == name)


def test_the_reference_without_its_lock_on_new_files_is_caught(monkeypatch):
    """The gap its text describes: a sweeper takes a file that is open and not yet locked."""
    monkeypatch.setattr(hardened_files, "_remove_orphan", lambda path: os.unlink(path) or True)
    bounds = Bounds(preemptions=2, cut=0, struck=None, budget=400)
    with rerouted(), quiet():
        race = race_named("processes: different keys")
        result = judge_race(load(REFERENCE), race, (PROFILES["kill"],), bounds, seed=0)
    assert result.candidates


def test_a_schedule_run_twice_gives_the_same_run():
    subject, race = load(REFERENCE), race_named("threads: same key")
    with rerouted(), quiet():
        base, _ = prepared(subject, race, seed=0)

        stage = Stage(subject, race, base)
        _, runs = stage.explore(1, budget=1000)
        tried = 0
        for run in runs:
            tried += 1
            again = stage.run(run.taken)
            assert (again.taken, again.history, again.records, again.ticks) == (
                run.taken,
                run.history,
                run.detail.records,
                run.ticks,
            )
            # What a person is shown leads to the same run, too.
            assert stage.run(Schedule.parse(run.schedule)).taken == run.taken
        assert tried > 10


def test_what_is_left_off_a_schedule_is_all_that_needs_no_saying():
    subject, race = load(REFERENCE), race_named("processes: different keys")
    with rerouted(), quiet():
        base, _ = prepared(subject, race, seed=0)
        stage = Stage(subject, race, base)
        _, runs = stage.explore(1, kills=1, budget=60)
        lengths = set()
        for run in filter(lambda run: run.complete, runs):
            said = Schedule.parse(run.schedule)
            assert stage.run(said).taken == run.taken
            if said.steps:
                assert stage.run(Schedule(said.steps[:-1])).taken != run.taken
            lengths.add(len(run.taken.steps) - len(said.steps))
        assert len(lengths) > 1
