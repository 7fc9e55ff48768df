"""A store's executors and event loops are scheduled: what they wait for is seen, and told apart."""

import concurrent.futures.thread as futures
import threading

import pytest

from harness.intercept.modulelocks import ModuleLock
from harness.isolation.races import standing_races
from harness.isolation.racing import Bounds, judge_race
from harness.persistence import PROFILES
from harness.schedule import Exploration, Schedule, run_schedule
from tests.schedule import pooled
from tests.schedule.conftest import TWO_WRITES, subject_of
from tests.schedule.test_run import BOTH, THREADS, answers

BOUNDS = Bounds(preemptions=1, cut=0, struck=None, budget=100)


@pytest.mark.parametrize("store", [pooled.Pooled, pooled.Looped])
@pytest.mark.parametrize("workload", [BOTH, THREADS, TWO_WRITES])
def test_a_writer_interrupted_anywhere_keeps_nobody_waiting(store, workload):
    opener = "C+ " * (workload.mode == "threads")
    for turns in range(1, 30):
        schedule = Schedule.parse(f"{opener}A*{turns} B+")
        found = run_schedule(subject_of(store), workload, schedule)
        assert found.stuck is None, (turns, str(found.stuck))
        assert answers(found) == ["None", "None"]
        assert run_schedule(subject_of(store), workload, found.taken).taken == found.taken


@pytest.mark.parametrize("store", [pooled.Pooled, pooled.Looped])
def test_a_writer_and_its_threads_are_one_family(store):
    search = Exploration(subject_of(store), BOTH, preemptions=0)
    orders = [[step.writer for step in found.steps] for found in search]
    assert search.exhaustive
    # Without a preemption one process ends before the other begins, whatever it waits for.
    assert sorted(order.index(1) < order.index(0) for order in orders) == [False, True]
    for order in orders:
        first = order[0]
        end = max(turn for turn, writer in enumerate(order) if writer == first)
        assert 1 - first not in order[:end]
    wider = Exploration(subject_of(store), BOTH, preemptions=1)
    assert 10 < sum(1 for _ in wider) < 200
    assert wider.exhaustive


def test_an_event_loop_that_nobody_wakes_is_a_deadlock():
    found = run_schedule(subject_of(pooled.Stranded), THREADS, Schedule.parse("C+ A*2 B+"))
    assert str(found.stuck) == "deadlock: B waits for what its selector watches"


def test_what_its_threads_race_for_is_found():
    for race in standing_races(lists=False, modes=("processes",)):
        if race.name == "processes: same key":
            result = judge_race(
                subject_of(pooled.Replaced), race, (PROFILES["kill"],), BOUNDS, seed=0, claims=()
            )
    assert result.error is None
    assert {one.kind for one in result.candidates} >= {"raises"}
    assert result.coverage["kill"].exhaustive


def test_a_lock_that_a_module_keeps_is_a_process_own_and_real_to_others():
    lock = futures._global_shutdown_lock
    assert isinstance(lock, ModuleLock)
    assert lock.quiet
    with lock:
        assert lock.original.locked()
    assert not lock.locked()


def test_a_dead_writer_starts_no_thread():
    before = threading.active_count()
    for turns in range(1, 40, 3):
        run_schedule(subject_of(pooled.Looped), BOTH, Schedule.parse(f"A*{turns} !"))
        run_schedule(subject_of(pooled.Looped), BOTH, Schedule.parse(f"A*{turns} !A B+"))
    assert threading.active_count() == before
