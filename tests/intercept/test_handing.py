"""What a thread is handed runs as ever, and its calls have the stack it was handed over with."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import partial

import pytest

from harness.disk import Machine
from harness.intercept import active, rerouted
from harness.record import Recorder

PLACE: ContextVar[str] = ContextVar("PLACE", default="nowhere")
HERE = "tests/intercept/test_handing.py"


@pytest.fixture
def process():
    with rerouted():
        process = Machine(hooks=Recorder()).process()
        with active(process):
            yield process
        process.exit()


def where(process, call):
    """The functions of this file behind a call, innermost first."""
    (record,) = [one for one in process.machine.hooks.records if type(one).__name__ == call]
    return [function for file, _, function in record.at if file == HERE]


@pytest.mark.usefixtures("process")
def test_what_is_handed_over_gives_what_it_gives():
    context = copy_context()
    context.run(PLACE.set, "here")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(max, 1, 2).result() == 2
        assert pool.submit(partial(partial(sorted, [1, 3, 2]), reverse=True)).result() == [3, 2, 1]
        assert pool.submit(context.run, PLACE.get).result() == "here"
        assert pool.submit(context.run, sorted, [1, 2], reverse=True).result() == [2, 1]
        assert pool.submit(context.get, PLACE).result() == "here"
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()


def test_a_pool_acts_for_the_process_that_hands_it_something():
    """One that a module keeps outlives the process that started its threads."""
    with rerouted(), ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            machine = Machine()
            process = machine.process()
            with active(process):
                pool.submit(os.mkdir, f"{Machine.MOUNT}/made").result()
            process.kill()
            assert machine.image().dirs() == ["made"]


def hands_to_a_pool(path):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(os.mkdir, path).result()


def hands_to_a_thread(path):
    thread = threading.Thread(target=os.mkdir, args=(path,))
    thread.start()
    thread.join()


def hands_on(path):
    thread = threading.Thread(target=hands_to_a_pool, args=(path,))
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("hands", "stack"),
    [
        (hands_to_a_pool, ["hands_to_a_pool"]),
        (hands_to_a_thread, ["hands_to_a_thread"]),
        (hands_on, ["hands_to_a_pool", "hands_on"]),
    ],
)
def test_a_call_has_the_stack_of_the_thread_that_handed_it_over(process, hands, stack):
    hands(f"{Machine.MOUNT}/made")
    assert where(process, "Mkdir")[: len(stack)] == stack


def test_the_next_that_a_thread_is_handed_has_a_stack_of_its_own(process):
    def first(pool):
        pool.submit(len, "").result()

    def second(pool):
        pool.submit(os.mkdir, f"{Machine.MOUNT}/made").result()

    with ThreadPoolExecutor(1) as pool:
        first(pool)
        second(pool)
    assert where(process, "Mkdir")[0] == "second"
    assert "first" not in where(process, "Mkdir")
