"""A store's thread that waits for ever ends with its process; one that is notified goes on."""

import asyncio
import queue
import threading
import time
from contextlib import closing

import pytest

from harness.disk import Machine
from harness.intercept import active, rerouted


def waits_for_an_event(done):
    threading.Event().wait()
    done.append("never")


def waits_in_a_queue(done):
    queue.Queue().get()
    done.append("never")


def waits_with_a_timeout(done):
    threading.Event().wait(3600)
    done.append("never")


def waits_in_an_event_loop(done):
    with closing(asyncio.new_event_loop()) as loop:
        loop.run_forever()
    done.append("never")


def settled(count):
    """Wait until there are no more real threads than so many; tell how many there are."""
    for _ in range(200):
        if threading.active_count() <= count:
            break
        time.sleep(0.02)
    return threading.active_count()


@pytest.mark.parametrize(
    "waits", [waits_for_an_event, waits_in_a_queue, waits_with_a_timeout, waits_in_an_event_loop]
)
def test_threads_of_dead_processes_do_not_pile_up(waits):
    before, done = threading.active_count(), []
    with rerouted():
        for _ in range(20):
            process = Machine().process()
            with active(process):
                threading.Thread(target=waits, args=(done,), daemon=True).start()
            process.kill()
        assert settled(before) == before
    assert done == []


def test_while_the_process_lives_they_wait_and_are_woken():
    before, got = threading.active_count(), []
    with rerouted():
        process = Machine().process()
        with active(process):
            items = queue.Queue()
            thread = threading.Thread(target=lambda: got.append(items.get()), daemon=True)
            thread.start()
            time.sleep(0.3)
            assert threading.active_count() == before + 1
            items.put("item")
            thread.join()
            assert threading.Event().wait(0.01) is False
        process.exit()
    assert got == ["item"]
    assert threading.active_count() == before
