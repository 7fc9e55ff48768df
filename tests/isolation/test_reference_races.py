"""The reference manager holds isolation, as threads and as processes, and the check of it can fail.

Two races by default; all of them, with power cuts in schedules of two preemptions and kills and
failing calls in those of one, with ``HARNESS_FULL=1``.
"""

import os
from functools import cache

import pytest

from harness.intercept import rerouted
from harness.isolation import scheduling
from harness.isolation.exploring import Extent, interleavings
from harness.isolation.races import standing_races
from harness.isolation.racing import Bounds, judge_race, prepared
from harness.isolation.schedules import parse_schedule, schedule_text, switches
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.reference import hardened_files
from harness.runner import REFERENCE
from harness.subjects import load

FULL = os.environ.get("HARNESS_FULL") == "1"
SOME = ("processes: write and remove", "threads: same key")
RACES = [race for race in standing_races() if FULL or race.name in SOME]
BOUNDS = Bounds(preemptions=2, cut=2, struck=1, budget=20_000)


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

        def perform(schedule):
            return scheduling.run_race(subject, race, base, schedule)

        for run in interleavings(perform, 1, Extent()):
            again = perform(parse_schedule(run.schedule))
            assert (again.schedule, again.history, again.records, again.ticks) == (
                run.schedule,
                run.history,
                run.records,
                run.ticks,
            )


def test_a_schedule_reads_back_as_it_was_written():
    schedule = (0, 0, 1, ~0, 1, 1)
    assert schedule_text(schedule) == "A*2 B*1 !A B*2"
    assert parse_schedule(schedule_text(schedule)) == schedule
    assert switches(schedule) == 1
    for nonsense in ("A", "A*0", "a*2", "!!A", "A*2B*1", "A*"):
        with pytest.raises(ValueError, match="is no turn of a schedule"):
            parse_schedule(nonsense)
