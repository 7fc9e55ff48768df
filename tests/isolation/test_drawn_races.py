"""Races that are drawn: each has a writer, many differ, and one finds what the standing ones do."""

from harness.intercept import rerouted
from harness.isolation.races import compose_race
from harness.isolation.racing import Bounds, judge_race
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.subjects import load
from harness.workloads import SeededChooser
from scenarios.zoo import lost_update

KILL = (PROFILES["kill"],)
BOUNDS = Bounds(preemptions=1, cut=0, struck=None, budget=100, schedules=300)


def drawn(count, **options):
    choosers = (SeededChooser(f"race/{seed}") for seed in range(count))
    return [compose_race(chooser, "drawn", **options) for chooser in choosers]


def test_drawn_races_cover_what_scenarios_ask_for_and_are_the_same_again():
    races = drawn(200)
    assert races == drawn(200)
    assert {race.mode for race in races} == {"processes", "threads"}
    assert {len(race.writers) for race in races} == {2, 3}
    kinds = {op.kind for race in races for writer in race.writers for op in writer}
    assert kinds == {"write", "delete", "read", "list"}
    for race in races:
        assert any(op.kind == "write" for writer in race.writers for op in writer)
        values = [op.value for op in race.operations if op.value]
        assert len(set(values)) == len(values)
    assert not any(op.kind == "list" for race in drawn(50, lists=False) for op in race.operations)
    assert {op.key for race in drawn(20, keys=("p", "q")) for op in race.operations} <= {
        "p", "q", None,
    }  # fmt: skip


def test_a_lost_update_is_found_in_drawn_races_and_its_twin_is_left_alone():
    def found(which):
        subject = load(f"scenarios.zoo.{lost_update.BUG.name}:{which}")
        with rerouted(), quiet():
            return [
                one.kind
                for race in drawn(6, keys=("a", "b"))
                for one in judge_race(subject, race, KILL, BOUNDS, seed=0).candidates
            ]

    assert found("broken")
    assert found("fixed") == []
