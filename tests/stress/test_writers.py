"""Several writers in stress rounds: what they break is found and replays; no alarm otherwise."""

import json
from dataclasses import replace

import msgspec
import pytest
from stressing import FULL, ROOT, report_of, run, stress

from harness.finding import load_reproduction
from harness.intercept import rerouted
from harness.isolation.races import race_of
from harness.isolation.sampling import sample_race
from harness.ops import write
from harness.persistence import PROFILES, profile
from harness.plan import Plan
from harness.quiet import quiet
from harness.replay import replay_times
from harness.stress.plans import RacePlan, draw_round, dump_plan, load_plan, plan_id
from harness.stress.records import Stress
from harness.stress.rounds import run_plan
from harness.stress.smaller import smaller
from harness.subjects import load

MODELS = {name: profile(name) for name in PROFILES}
ZOO = "scenarios.zoo"


def rounds(name, count, profiles=("posix",), guarantees=("isolation",)):
    """What the rounds of a run come to: records, and causes as they are found."""
    run_ = Stress(Plan(name, profiles, guarantees, "quick"), "unused")
    found = []
    records = [
        run_plan(run_, str(number), run_.drawn(str(number)), found.append)
        for number in range(count)
    ]
    return run_, records, found


def test_the_feature_is_drawn_with_every_kind_of_writer_and_without_others_noticing():
    run_ = Stress(Plan(f"{ZOO}.lost_update:fixed", effort="quick"), "unused")
    plans = [run_.drawn(str(number)) for number in range(200)]
    races = [plan.race for plan in plans if isinstance(plan.race, RacePlan)]
    assert 40 < len(races) < 100
    assert {race.mode for race in races} == {"processes", "threads"}
    assert {len(race.writers) for race in races} == {2, 3, 4}
    assert max(len(steps) for race in races for steps in race.writers) == 5
    kinds = {step.op for race in races for steps in race.writers for step in steps}
    assert kinds == {"write", "delete", "read", "list"}
    for plan in plans:
        assert ("several-writers" in plan.features) is isinstance(plan.race, RacePlan)
        again = load_plan(dump_plan(plan), "x.plan.json")
        assert again == plan
    # What else a round does is drawn as if there were one writer.
    alone = replace(run_.traits, judged=tuple(g for g in run_.judged if g != "isolation"))
    for number in range(20):
        one = draw_round(alone, 0, number)
        assert one.operations == plans[number].operations


BROKEN = {
    # Each with how many rounds it takes at most.
    "lost_update": 2,
    "check_then_create": 2,
    "lock_file_removed": 1,
    "shared_temporary_file": 2,
    "lost_update_between_threads": 4,
    "reader_sees_half_a_value": 6,
    "list_trips_over_delete": 12,
    "sweep_takes_live_file": 6,
    "locks_in_opposite_order": 24,
}


@pytest.mark.parametrize("name", BROKEN if FULL else ("lost_update", "lock_file_removed"))
def test_a_racing_store_is_caught_and_what_is_found_replays_ten_times(name):
    subject = load(f"{ZOO}.{name}:broken")
    _, records, found = rounds(f"{ZOO}.{name}:broken", BROKEN[name])
    assert found
    assert all(one.guarantee == "isolation" for one in found)
    assert any(record.exercised.get("isolation") for record in records)
    for one in found[:2]:
        file = load_reproduction(msgspec.json.encode(one.reproduction), "x.repro.json")
        assert replay_times(subject, file, MODELS, 10) == 10


def test_a_round_with_several_writers_comes_out_the_same_again():
    first = rounds(f"{ZOO}.lost_update:broken", 2)
    second = rounds(f"{ZOO}.lost_update:broken", 2)
    for one, two in zip(first[1], second[1], strict=True):
        assert replace_seconds(one) == replace_seconds(two)
    assert [one.reproduction for one in first[2]] == [one.reproduction for one in second[2]]


def replace_seconds(record):
    return msgspec.structs.replace(record, seconds=0.0)


RIGHT = ("lost_update", "shared_temporary_file", "lock_file_removed")
ALL_RIGHT = [
    path.stem
    for path in sorted((ROOT / "scenarios" / "zoo").glob("[a-z]*.py"))
    if "single_writer" not in path.read_text()
]


@pytest.mark.parametrize("name", ALL_RIGHT if FULL else RIGHT)
def test_a_store_that_is_right_is_left_alone(name):
    _, records, found = rounds(f"{ZOO}.{name}:fixed", 8 if FULL else 2)
    assert [(one.kind, one.observed) for one in found] == []
    assert [record.broke for record in records if record.broke] == []


def test_writers_are_killed_and_the_power_goes_in_them():
    subject = load("harness.reference.subjects:hardened")
    race = race_of(
        "x", "processes", [[write("a", b"1" * 600)], [write("a", b"22")], [write("b", b"333")]]
    )
    with rerouted(), quiet():
        sampled = sample_race(
            subject, race, [MODELS["posix"]], range(12), draw="test", seed=0, budget=100
        )
        again = sample_race(subject, race, [], [5], draw="test", seed=0, budget=100)
    assert sampled.candidates == []
    assert sampled.orders > 6
    assert sampled.kills > 1
    assert sampled.cuts > 10
    assert sampled.judged > 100
    assert not sampled.doubt
    # One order alone is the same as among all.
    assert again.signs[5] == sampled.signs[5]


def test_what_a_dead_writer_leaves_behind_is_found(tmp_path):
    path = tmp_path / "stuck.py"
    path.write_text(
        "import os, time\n"
        "from scenarios.zoo._base import Store\n\n\n"
        "class Locked(Store):\n"
        "    def save(self, name, content):\n"
        "        lock = self.path('.mine')\n"
        "        while True:\n"
        "            try:\n"
        "                os.close(os.open(lock, os.O_CREAT | os.O_EXCL))\n"
        "                break\n"
        "            except FileExistsError:\n"
        "                time.sleep(0.01)\n"
        "        try:\n"
        "            super().save(name, content)\n"
        "        finally:\n"
        "            os.unlink(lock)\n\n\n"
        "def store(directory):\n"
        "    return Locked(directory)\n"
    )
    name = f"{path}:store"
    _, _, found = rounds(name, 2)
    stuck = [one for one in found if one.kind in ("livelock", "deadlock")]
    assert stuck
    assert "!" in stuck[0].reproduction.race.schedule
    assert replay_times(load(name), stuck[0].reproduction, MODELS, 10) == 10


def test_a_plan_with_several_writers_is_made_smaller_and_reads_a_step_a_line():
    run_ = Stress(Plan(f"{ZOO}.lost_update:broken", ("posix",), ("isolation",), "quick"), "unused")
    plan = next(
        plan
        for plan in (run_.drawn(str(number)) for number in range(50))
        if len(plan.race.writers) > 2 and min(map(len, plan.race.writers)) > 1
    )
    wanted = plan.race.writers[1][0]
    steps = smaller(plan, None, [3], 100)
    tried = next(steps)
    try:
        while True:
            sees = (
                isinstance(tried.race, RacePlan)
                and tried.race.drawn_orders == [3]
                and any(wanted in each for each in tried.race.writers)
            )
            tried = steps.send(sees)
    except StopIteration as end:
        small = end.value
    assert len(small.race.writers) == 2
    assert sum(map(len, small.race.writers)) == 2
    text = dump_plan(small).decode()
    assert json.loads(text)["race"]["only"] == [3]
    assert max(map(len, text.splitlines())) < 100
    assert plan_id(load_plan(text.encode(), "x")) == plan_id(small)


def test_the_command_finds_it_shrinks_it_and_its_file_replays(tmp_path):
    name = f"{ZOO}.lost_update:broken"
    words = (name, "--rounds", 1, "--guarantee", "isolation", "--profile", "posix")
    stress(*words, "--report", tmp_path, code=1)
    report = report_of(tmp_path)
    (finding,) = report["findings"]
    assert finding["replays"] == "10/10"
    assert finding["fault"]["kind"]
    assert report["table"]["several-writers"]["isolation"] == 1
    run("replay", tmp_path / finding["repro"], code=1)


def test_a_store_for_one_writer_is_told_so():
    done = stress(f"{ZOO}.memory_ahead_of_disk:broken", "--guarantee", "isolation", code=2)
    assert "declares a single writer" in done.stderr
    assert done.stderr.count("\n") == 1
