"""One schedule, one run: switching, waiting, dying, and the same bytes every time."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness import watch
from harness.intercept.sync import SCHEDULED
from harness.ops import delete, listing, read, write
from harness.schedule import ConcurrentWorkload, Schedule, Uniform, run_schedule
from harness.trace import dump_line
from tests.schedule import locking, stores
from tests.schedule.conftest import TWO_WRITES, Plain, subject_of

ROOT = Path(__file__).parents[2]
PLAIN = subject_of(Plain)


def outcome(found):
    """Everything a run says, as text."""
    return (
        str(found.taken),
        [dump_line(record) for record in found.records],
        [str(step) for step in found.steps],
        [(str(event), event.invoked, event.returned, repr(event.answer)) for event in found.events],
        str(found.stuck),
        found.image,
    )


@pytest.mark.parametrize("mode", ["processes", "threads"])
@pytest.mark.parametrize("seed", range(8))
def test_a_schedule_taken_gives_the_same_bytes_again(mode, seed):
    workload = ConcurrentWorkload(
        "mixed",
        (
            (write("a", b"1" * 5000), read("b")),
            (write("b", b"2"), delete("a"), listing()),
            (read("a"),),
        ),
        setup=(write("a", b"0"),),
        mode=mode,
    )
    first = run_schedule(PLAIN, workload, Uniform(str(seed)))
    text = str(first.taken)
    again = run_schedule(PLAIN, workload, Schedule.parse(text))
    assert outcome(again) == outcome(first)
    assert not again.diverged
    assert text.count(" ") > 2


def test_control_changes_hands_where_the_schedule_says():
    found = run_schedule(PLAIN, TWO_WRITES, Schedule.parse("A*6 B+ A+"))
    writers = [step.writer for step in found.steps]
    assert writers[:6] == [0] * 6
    assert writers[6] == 1
    assert writers == sorted(writers[:6]) + [1] * writers.count(1) + [0] * (writers.count(0) - 6)


BOTH = ConcurrentWorkload("both", ((write("a", b"1"),), (write("b", b"2"),)))
THREADS = ConcurrentWorkload("both", BOTH.writers, mode="threads")


def answers(found):
    return [repr(event.answer) for event in found.events if event.operation.kind == "write"]


@pytest.mark.parametrize("store", [stores.Flocked, stores.Posix, stores.LockFile, stores.Spinning])
def test_a_process_that_meets_a_lock_waits_for_it(store):
    for turns in range(1, 14):
        found = run_schedule(subject_of(store), TWO_WRITES, Schedule.parse(f"A*{turns} B+"))
        assert found.stuck is None
        assert answers(found) == ["None", "None"]
        names = [(step.writer, step.call) for step in found.steps if "store/a" in step.paths]
        assert [who for who, _ in names] in ([0] * 3 + [1] * 3, [1] * 3 + [0] * 3)


@pytest.mark.parametrize("store", [stores.Locked, stores.Primitives, stores.Flusher])
def test_threads_that_meet_wait_for_each_other(store):
    ends = set()
    for seed in range(40):
        found = run_schedule(subject_of(store), THREADS, Uniform(str(seed)))
        assert found.stuck is None, (seed, found.stuck)
        assert answers(found) == ["None", "None"]
        ends.add(str(found.taken))
    assert len(ends) > 20


def test_a_deadlock_of_processes_names_the_cycle():
    found = run_schedule(subject_of(stores.Crossed), BOTH, Schedule.parse("A*7 B+ A+"))
    assert found.stuck is not None
    assert str(found.stuck) == (
        "deadlock: A waits for flock on 'store/.two', held by B; "
        "B waits for flock on 'store/.one', held by A"
    )


def test_a_deadlock_of_threads_names_the_cycle_and_where_the_locks_were_made():
    found = [
        run_schedule(subject_of(stores.CrossedThreads), THREADS, Schedule.parse(f"C+ A*{turns} B+"))
        for turns in range(1, 6)
    ]
    stuck = {str(one.stuck) for one in found if one.stuck is not None}
    assert len(stuck) == 1
    assert re.fullmatch(
        r"deadlock: A waits for the threading\.RLock made at stores\.py:\d+, held by B; "
        r"B waits for the threading\.Lock made at stores\.py:\d+, held by A",
        stuck.pop(),
    )


@pytest.mark.parametrize("store", [stores.LockFile, stores.Spinning])
def test_a_lock_file_of_a_dead_process_is_a_livelock(store):
    found = run_schedule(subject_of(store), TWO_WRITES, Schedule.parse("A*6 !A"))
    assert found.killed == (0,)
    assert found.stuck is not None
    assert found.stuck.kind == "livelock"
    assert str(found.stuck).startswith("livelock: B ")
    assert [event.certain for event in found.events] == [True, False, True, False]


@pytest.mark.parametrize("store", [stores.Flocked, stores.Posix])
def test_the_kernel_drops_the_locks_of_a_dead_process(store):
    found = run_schedule(subject_of(store), TWO_WRITES, Schedule.parse("A*6 !A"))
    assert found.killed == (0,)
    assert found.stuck is None
    assert [event.certain for event in found.events] == [True, False, True, True, True]


def test_a_machine_that_dies_takes_everybody():
    found = run_schedule(PLAIN, TWO_WRITES, Schedule.parse("A*4 B*2 !"))
    assert found.crashed
    assert len(found.steps) == 6
    assert str(found.taken) == "A*4 B*2 !"
    assert [event.returned for event in found.events if event.operation.kind == "write"] == [None]


def test_a_lock_given_up_after_a_time_is_an_answer():
    found = run_schedule(subject_of(stores.Polite), THREADS, Schedule())
    assert found.stuck is None
    assert answers(found) == ["None", "TimeoutError: the lock is taken"]


def test_a_thread_that_nobody_ends_dies_with_the_process():
    found = run_schedule(subject_of(stores.Forgotten), THREADS, Schedule())
    assert found.stuck is None


def test_a_writer_that_computes_for_ever_is_stopped(monkeypatch):
    monkeypatch.setattr(watch, "_hung", False)
    monkeypatch.setattr(watch.watched.__wrapped__, "__defaults__", (1.0,))
    found = run_schedule(subject_of(stores.Endless), BOTH, Schedule())
    assert found.stuck is not None
    assert str(found.stuck) == "hung: B computes without end"


def test_no_thread_is_left_after_many_runs():
    def count():
        return len([one for one in threading.enumerate() if one.is_alive()])

    before = count()
    for number in range(250):
        run_schedule(PLAIN, TWO_WRITES, Schedule.parse(f"A*{number % 9 + 1} B+"))
        run_schedule(subject_of(stores.Crossed), BOTH, Schedule.parse("A*7 B+ A+"))
        run_schedule(subject_of(stores.Forgotten), THREADS, Schedule())
        run_schedule(
            subject_of(stores.Flusher), THREADS, Schedule.parse(f"C+ A*{number % 7 + 1} B*2 !")
        )
    assert count() == before
    assert not SCHEDULED


def test_each_turn_and_record_names_the_line_that_made_it():
    found = run_schedule(subject_of(stores.Locked), THREADS, Schedule(), frames=True)
    here = {(step.call, step.at[0][2]) for step in found.steps if step.at}
    assert ("acquire", "write") in here
    assert ("open", "write") in here
    assert all(record.at[0][0] == "tests/schedule/conftest.py" for record in found.records)


@pytest.mark.parametrize("store", [locking.FileLocked, locking.SoftLocked, locking.PortaLocked])
def test_locks_from_pypi_hold_between_processes(store):
    waited = 0
    for turns in range(1, 60, 4):
        found = run_schedule(subject_of(store), TWO_WRITES, Schedule.parse(f"A*{turns} B+"))
        assert found.stuck is None
        assert answers(found) == ["None", "None"]
        writers = [step.writer for step in found.steps if "store/a" in step.paths]
        assert writers in ([0] * 3 + [1] * 3, [1] * 3 + [0] * 3)
        waited += any(step.call == "sleep" for step in found.steps)
    assert waited > 1


def test_filelock_between_threads():
    for seed in range(15):
        found = run_schedule(subject_of(locking.FileLocked), THREADS, Uniform(str(seed)))
        assert found.stuck is None
        assert answers(found) == ["None", "None"]


def test_a_lock_from_pypi_gives_up_when_its_virtual_time_is_over():
    found = run_schedule(subject_of(locking.Impatient), TWO_WRITES, Schedule())
    assert found.stuck is None
    assert sorted(text.partition(":")[0] for text in answers(found)) == ["AlreadyLocked", "None"]


SCRIPT = """
from harness.intercept import rerouted
from harness.quiet import quiet
from harness.schedule import Exploration, Uniform, run_schedule
from harness.trace import dump_line
from tests.schedule.conftest import subject_of
from tests.schedule.test_run import BOTH, THREADS
from tests.schedule import locking, stores
import hashlib, sys
seen = hashlib.sha256()
with rerouted(), quiet():
    for store, workload in (
        (locking.FileLocked, BOTH), (locking.SoftLocked, BOTH), (stores.Flusher, THREADS),
        (stores.Primitives, THREADS), (stores.CrossedThreads, THREADS),
    ):
        for number in range(6):
            found = run_schedule(subject_of(store), workload, Uniform(str(number)))
            for part in (found.taken, found.steps, found.events, found.stuck):
                seen.update(str(part).encode())
            for record in found.records:
                seen.update(dump_line(record).encode())
    search = Exploration(subject_of(stores.Flocked), BOTH, preemptions=1)
    for found in search:
        seen.update(str(found.taken).encode())
    seen.update(repr((search.visited, search.runs, search.possible)).encode())
sys.__stdout__.write(seen.hexdigest())
"""


def test_another_process_and_another_hash_seed_give_the_same_bytes():
    def run(seed):
        return subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert run("1") == run("2")
