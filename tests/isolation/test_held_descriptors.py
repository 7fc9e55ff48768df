"""Descriptors that a race leaves open are found, in processes and in threads; a pool is no leak."""

import os
from functools import cache

import pytest

from harness.intercept import rerouted
from harness.isolation.races import standing_races
from harness.isolation.racing import HELD, Bounds, judge_race
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.replay import replay
from harness.runner import Plan, check
from harness.subjects import load
from scenarios.zoo import descriptor_left_open_by_lost_race as lost_race
from scenarios.zoo._base import Store

FULL = os.environ.get("HARNESS_FULL") == "1"
BROKEN, FIXED = (f"scenarios.zoo.{lost_race.BUG.name}:{which}" for which in ("broken", "fixed"))
KILL = (PROFILES["kill"],)
BOUNDS = Bounds(preemptions=1, cut=0, struck=None, budget=100)


class Pool(Store):
    """Keeps its log open, and a descriptor of its directory for each write that goes on at once."""

    def __init__(self, directory):
        super().__init__(directory)
        self.log = os.open(self.path(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.spare = []

    def write(self, key, value):
        mine = self.spare.pop() if self.spare else os.open(self.directory, os.O_RDONLY)
        super().write(key, value)
        self.give_back(mine)

    def give_back(self, descriptor):
        self.spare.append(descriptor)


class Careless(Pool):
    def give_back(self, descriptor):
        self.spare = [descriptor]  # what another has put back meanwhile is lost


def pool(directory):
    return Pool(directory)


def careless(directory):
    return Careless(directory)


@cache
def race_named(name):
    return next(race for race in standing_races() if race.name == name)


def judged(subject, name, guarantees=(HELD,)):
    with rerouted(), quiet():
        return judge_race(load(subject), race_named(name), KILL, BOUNDS, seed=0, judged=guarantees)


@cache
def found():
    result = judged(BROKEN, "processes: different keys")
    (one,) = result.candidates
    return one


def test_a_descriptor_lost_with_each_lost_race_is_found_at_its_line():
    one = found()
    assert (one.guarantee, one.kind, one.severity) == ("hygiene", "descriptor-leak", "leak")
    assert (one.culprit.file, one.culprit.line) == (
        f"scenarios/zoo/{lost_race.BUG.name}.py",
        lost_race.BUG.culprit_at()[1],
    )
    assert one.observed.endswith("20 descriptors where there were 1 after the first")


def test_it_replays_exactly_and_no_longer_on_the_twin():
    one = found().reproduction
    assert [replay(load(BROKEN), one, PROFILES).exact for _ in range(3)] == [True] * 3
    assert replay(load(FIXED), one, PROFILES).outcome == "no longer"


RACES = [race for race in standing_races() if FULL or "different" in race.name]


@pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)
def test_the_twin_is_left_alone(race):
    result = judged(FIXED, race.name, (HELD, "isolation"))
    assert [one.observed for one in result.candidates] == []
    assert result.counted.faults > 0
    assert result.counted.exhaustive


def test_threads_that_lose_what_others_put_back_leak_and_a_pool_that_levels_off_does_not():
    name = "threads: same key"
    here = "tests/isolation/test_held_descriptors.py"
    leaks = judged(f"{here}:careless", name).candidates
    assert [(one.kind, one.culprit.function) for one in leaks] == [("descriptor-leak", "write")]
    assert judged(f"{here}:pool", name).candidates == []


def test_isolation_alone_does_not_count_them_and_hygiene_alone_judges_nothing_else():
    assert judged(BROKEN, "processes: different keys", ("isolation",)).candidates == []
    racy = judged("scenarios.zoo.lost_update:broken", "processes: different keys")
    assert racy.candidates == []
    assert racy.coverage == {}


@pytest.mark.skipif(not FULL, reason="every guarantee, at default effort: HARNESS_FULL=1")
def test_a_check_finds_that_and_nothing_else():
    outcome = check(Plan(subject=BROKEN))
    assert {one.id for one in outcome.report.findings} == {found().id}
    assert {v.verdict for v in outcome.report.verdicts if v.guarantee != "hygiene"} == {"held"}
    assert check(Plan(subject=FIXED)).exit_code() == 0
