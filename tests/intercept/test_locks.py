"""``fcntl`` and ``os.lockf`` on simulated files: between processes, by range, and given back."""

# ruff: noqa: PT011, SIM115 - the errno is asserted; what is held stays open

from __future__ import annotations

import errno
import fcntl
import os
import struct

import pytest

from harness.disk import Machine
from harness.errors import SimulationError
from harness.image import from_tree
from harness.intercept import active, rerouted, suspended

FLOCK = struct.Struct("hhqqi4x")


@pytest.fixture
def both():
    with rerouted():
        machine = Machine(from_tree({"lock": b"0123456789"}))
        yield machine.process(), machine.process()


def test_flock_excludes_another_process_until_it_is_closed(both):
    first, second = both
    with active(first):
        held = open("lock", "r+")
        fcntl.flock(held, fcntl.LOCK_EX)
    with active(second), open("lock") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        with pytest.raises(SimulationError, match="waits for ever"):
            fcntl.flock(file, fcntl.LOCK_EX)
        with active(first):
            held.close()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_UN)


def test_lockf_locks_ranges_of_a_process(both):
    first, second = both
    with active(first):
        held = open("lock", "r+b")
        fcntl.lockf(held, fcntl.LOCK_EX, 4, 2)
        fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB, 4, 2)
    with active(second), open("lock", "r+b", buffering=0) as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, 0)
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 0, -4, os.SEEK_END)
        for start in (2, 5):
            with pytest.raises(OSError) as caught:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
            assert caught.value.errno in {errno.EAGAIN, errno.EACCES}
        with pytest.raises(ValueError, match="unrecognized"):
            fcntl.lockf(file, 0)
        file.seek(3)
        with pytest.raises(OSError, match=r"denied|unavailable"):
            os.lockf(file.fileno(), os.F_TEST, 1)
        with pytest.raises(OSError, match=r"denied|unavailable"):
            os.lockf(file.fileno(), os.F_TLOCK, 1)
        with active(first):
            fcntl.lockf(held, fcntl.LOCK_UN)
        os.lockf(file.fileno(), os.F_TLOCK, 1)
        os.lockf(file.fileno(), os.F_ULOCK, 1)
        os.lockf(file.fileno(), os.F_TEST, 1)


def test_fcntl_takes_and_gives_struct_flock(both):
    first, second = both
    lock = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 1, 3, 0)
    with active(first):
        held = open("lock", "r+b")
        assert fcntl.fcntl(held, fcntl.F_SETLK, lock) == lock
    with active(second), open("lock", "r+b") as file:
        found = FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, lock))
        assert found == (fcntl.F_WRLCK, os.SEEK_SET, 1, 3, first.pid)
        with pytest.raises(OSError):
            fcntl.fcntl(file, fcntl.F_SETLK, lock)
        free = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 5, 1, 0)
        assert FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, free))[0] == fcntl.F_UNLCK


def test_descriptor_flags_and_requests(both):
    process, _ = both
    with active(process), open("lock") as file:
        assert fcntl.fcntl(file, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert not os.get_inheritable(file.fileno())
        assert fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        copy = fcntl.fcntl(file, fcntl.F_DUPFD, 0)
        assert copy >= 2**20
        os.close(copy)
        with pytest.raises(OSError) as caught:
            fcntl.ioctl(file, 0x5401)
        assert caught.value.errno == errno.ENOTTY


def test_real_descriptors_keep_real_locks(both, tmp_path):
    process, _ = both
    with open(tmp_path / "real", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with active(process):
            fcntl.flock(file, fcntl.LOCK_UN)
        with suspended(), open(tmp_path / "real") as second:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
