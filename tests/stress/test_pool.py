"""Workers that die: what becomes of their task is said, and the others go on."""

import ctypes
import os
import signal
import time

import pytest

from harness.errors import InternalError, UsageError
from harness.pool import Pool


def begin(argument):
    if argument == "cannot":
        raise UsageError("no such subject")

    def work(task, say):
        say(f"begun {task}")
        what = task[0]
        if what == "exit":
            ctypes.CDLL(None)._exit(5)
        if what == "crash":
            ctypes.string_at(0)
        if what == "raise":
            raise ValueError("broken")
        if what == "memory":
            bytearray(8 << 30)
        if what == "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
            while True:
                time.sleep(1000)
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "wait":
            while not os.path.exists(task[1]):
                time.sleep(0.01)
        return os.getpid() if what == "pid" else task[1] * 2

    return work


def done(tasks, count=2, **options):
    waiting = list(tasks)
    with Pool(count, begin, "", mute=True, **options) as pool:
        events = list(pool.run(lambda: waiting.pop(0) if waiting else None))
    return {event.task: event.value for event in events if event.kind != "said"}, events


def test_each_death_costs_its_task_and_is_told_apart():
    tasks = [("double", 1), ("exit", 0), ("crash", 0), ("double", 2), ("raise", 0), ("kill", 0)]
    results, events = done([*tasks, ("memory", 0), ("double", 3)], memory_bytes=4 << 30)
    assert [results["double", number] for number in (1, 2, 3)] == [2, 4, 6]
    kinds = {task[0]: value.kind for task, value in results.items() if task[0] != "double"}
    assert kinds == {
        "exit": "exit",
        "crash": "crash",
        "raise": "error",
        "kill": "killed",
        "memory": "memory",
    }
    assert "status 5" in results["exit", 0].detail
    assert "SIGSEGV" in results["crash", 0].detail
    assert "test_pool.py" in results["crash", 0].detail  # the line it was in
    assert "ValueError: broken" in results["raise", 0].detail
    assert sum(event.kind == "said" for event in events) == 8


def test_one_that_says_nothing_for_too_long_hangs():
    results, _ = done([("hang", 0)], count=1, silence_seconds=6)
    assert results["hang", 0].kind == "hang"
    assert "6 s" in results["hang", 0].detail


def test_workers_are_replaced_after_so_many_tasks():
    results, _ = done([("pid", number) for number in range(5)], count=1, recycle=2)
    assert len(set(results.values())) == 3


def test_a_worker_that_cannot_start_says_why():
    with Pool(1, begin, "cannot") as pool:
        tasks = [("double", 1)]
        with pytest.raises(InternalError, match="no such subject"):
            list(pool.run(lambda: tasks.pop() if tasks else None))


def test_it_ticks_while_a_task_takes_long(tmp_path):
    """The task ends only because of a tick: without one it would hang, and be told so."""
    tasks = [("wait", str(tmp_path / "ticked"))]
    with Pool(1, begin, "", mute=True, silence_seconds=20) as pool:
        tick = (tmp_path / "ticked").touch
        events = list(pool.run(lambda: tasks.pop() if tasks else None, tick))
    assert [event.kind for event in events] == ["said", "done"]
