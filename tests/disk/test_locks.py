"""Locks conflict, block, and are gone when POSIX says so."""

import fcntl
import os

import pytest

from harness.disk import Hooks, Machine
from harness.errors import CallLimitExceeded, Killed, SimulationError

EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB
RD, WR, FREE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK


def two(hooks=None):
    machine = Machine(hooks=hooks)
    processes = machine.process(), machine.process()
    return [(process, process.open("lock", os.O_CREAT | os.O_RDWR)) for process in processes]


def test_flock_conflicts_between_descriptions_even_in_one_process():
    (one, a), (two_, b) = two()
    one.flock(a, EX)
    with pytest.raises(BlockingIOError):
        two_.flock(b, EX | NB)
    with pytest.raises(BlockingIOError):
        two_.flock(b, SH | NB)
    again = one.open("lock", os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        one.flock(again, SH | NB)
    one.flock(one.dup(a), EX)  # the same description: no conflict
    one.flock(a, UN)
    two_.flock(b, SH | NB)
    one.flock(again, SH | NB)


def test_flock_ends_with_the_last_descriptor_of_its_description():
    (one, a), (two_, b) = two()
    other = one.dup(a)
    one.flock(a, EX)
    one.close(a)
    with pytest.raises(BlockingIOError):
        two_.flock(b, EX | NB)
    one.close(other)
    two_.flock(b, EX | NB)


def test_a_failed_conversion_of_a_flock_loses_the_lock():
    (one, a), (two_, b) = two()
    one.flock(a, SH)
    two_.flock(b, SH)
    with pytest.raises(BlockingIOError):
        one.flock(a, EX | NB)
    two_.flock(b, EX | NB)  # one's shared lock is gone


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_locks_go_with_their_process(end):
    (one, a), (two_, b) = two()
    one.flock(a, EX)
    one.posix_lock(a, fcntl.F_SETLK, WR)
    getattr(one, end)()
    two_.flock(b, EX | NB)
    two_.posix_lock(b, fcntl.F_SETLK, WR)


def test_posix_locks_belong_to_the_process_and_go_at_any_close():
    (one, a), (two_, b) = two()
    one.posix_lock(a, fcntl.F_SETLK, WR)
    again = one.open("lock", os.O_RDWR)
    one.posix_lock(again, fcntl.F_SETLK, WR)  # own lock: no conflict
    with pytest.raises(BlockingIOError):
        two_.posix_lock(b, fcntl.F_SETLK, RD)
    one.close(one.open("lock", os.O_RDONLY))  # any descriptor of the file: fcntl(2)
    two_.posix_lock(b, fcntl.F_SETLK, WR)


def test_ofd_locks_belong_to_the_description():
    (one, a), (two_, b) = two()
    one.posix_lock(a, fcntl.F_OFD_SETLK, WR)
    one.close(one.open("lock", os.O_RDONLY))
    again = one.open("lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        one.posix_lock(again, fcntl.F_OFD_SETLK, RD)
    with pytest.raises(BlockingIOError):
        two_.posix_lock(b, fcntl.F_SETLK, RD)
    assert two_.posix_lock(b, fcntl.F_GETLK, RD) == (WR, 0, 0, 0, -1)
    one.close(a)
    two_.posix_lock(b, fcntl.F_SETLK, RD)


def test_ranges_split_and_getlk_names_the_holder():
    (one, a), (two_, b) = two()
    one.posix_lock(a, fcntl.F_SETLK, WR, 0, 100)
    one.posix_lock(a, fcntl.F_SETLK, FREE, 40, 20)
    assert two_.posix_lock(b, fcntl.F_GETLK, WR, 45, 5) == (FREE, 0, 45, 5, 0)
    assert two_.posix_lock(b, fcntl.F_GETLK, WR, 30, 40) == (WR, 0, 0, 40, one.getpid())
    assert two_.posix_lock(b, fcntl.F_GETLK, WR, 50, 40) == (WR, 0, 60, 40, one.getpid())
    two_.posix_lock(b, fcntl.F_SETLK, WR, 60, -20)
    with pytest.raises(OSError, match="Invalid argument"):
        two_.posix_lock(b, fcntl.F_SETLK, WR, 5, -10)
    with pytest.raises(OSError, match="Bad file descriptor"):
        one.posix_lock(one.open("lock", os.O_RDONLY), fcntl.F_SETLK, WR)


@pytest.mark.parametrize("hooks", [None, Hooks()])
def test_waiting_for_ever_is_said_and_not_done(hooks):
    (one, a), (two_, b) = two(hooks)
    one.flock(a, EX)
    with pytest.raises(SimulationError, match=r"process 2 waits for ever for a flock .*'lock'.*1"):
        two_.flock(b, EX)


class Scheduler(Hooks):
    """Runs what it is given when somebody is blocked."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.waits = []

    def blocked(self, process, wait):
        self.waits.append((process.number, wait.kind, wait.path, wait.holders))
        if self.steps:
            self.steps.pop(0)()


def test_a_blocked_call_goes_on_when_the_holder_lets_go():
    hooks = Scheduler()
    (one, a), (two_, b) = two(hooks)
    hooks.steps = [lambda: one.write(a, b"not yet"), lambda: one.flock(a, UN)]
    one.flock(a, EX)
    two_.flock(b, EX)
    assert hooks.waits == [(2, "flock", "lock", (1,))] * 2
    with pytest.raises(BlockingIOError):
        one.flock(a, EX | NB)


def test_posix_deadlock_is_refused_where_the_cycle_closes():
    hooks = Scheduler()
    (one, a), (two_, b) = two(hooks)
    one.posix_lock(a, fcntl.F_SETLK, WR, 0, 1)
    two_.posix_lock(b, fcntl.F_SETLK, WR, 1, 1)

    def other():
        with pytest.raises(OSError, match="deadlock"):
            two_.posix_lock(b, fcntl.F_SETLKW, WR, 0, 1)
        two_.posix_lock(b, fcntl.F_SETLK, FREE, 1, 1)

    hooks.steps = [other]
    one.posix_lock(a, fcntl.F_SETLKW, WR, 1, 1)
    assert hooks.waits == [(1, "posix", "lock", (2,))]


def test_a_process_killed_while_it_waits_stays_dead():
    hooks = Scheduler()
    (one, a), (two_, b) = two(hooks)
    one.flock(a, EX)
    hooks.steps = [two_.kill]
    with pytest.raises(Killed):
        two_.flock(b, EX)


def test_a_scheduler_that_never_frees_the_lock_meets_the_call_limit():
    hooks = Scheduler()
    (one, a), (two_, b) = two(hooks)
    one.machine.call_limit = 50
    one.flock(a, EX)
    with pytest.raises(CallLimitExceeded, match="waits again and again"):
        two_.flock(b, EX)
