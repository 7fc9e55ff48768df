"""Descriptors: numbers, sharing, access modes, limits."""

import errno
import fcntl
import os

import pytest

from harness.disk import DESCRIPTOR_BASE, DESCRIPTOR_LIMIT, Machine
from harness.errors import SimulationError


def test_descriptors_are_the_lowest_free_from_two_to_the_twenty(process):
    a, b, c = (process.open(name, os.O_CREAT | os.O_RDWR) for name in "abc")
    assert (a, b, c) == (DESCRIPTOR_BASE, DESCRIPTOR_BASE + 1, DESCRIPTOR_BASE + 2)
    process.close(b)
    process.close(a)
    assert process.open("a", os.O_RDONLY) == a
    assert process.dup(c) == b
    process.close(a)
    process.close(b)
    assert process.dup(c) == a
    assert process.dup(c) == b
    assert process.dup(c) == DESCRIPTOR_BASE + 3


def test_numbers_stay_lowest_free_around_dup2_and_f_dupfd(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.dup2(fd, fd + 2)
    assert process.fcntl(fd, fcntl.F_DUPFD, fd + 2) == fd + 3
    assert process.dup(fd) == fd + 1
    assert process.dup(fd) == fd + 4
    process.close(fd + 2)
    process.close(fd + 1)
    assert [process.dup(fd), process.dup(fd), process.dup(fd)] == [fd + 1, fd + 2, fd + 5]


def test_a_process_has_its_own_table():
    machine = Machine()
    one, two = machine.process(), machine.process()
    fd = one.open("a", os.O_CREAT | os.O_WRONLY)
    with pytest.raises(OSError, match="Bad file descriptor") as failed:
        two.write(fd, b"x")
    assert failed.value.errno == errno.EBADF
    assert two.open("a", os.O_RDONLY) == fd
    assert (one.getpid(), two.getpid()) == (1001, 1002)


def test_dup_shares_the_offset_and_open_does_not(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.write(fd, b"abcdef")
    shared, own = process.dup(fd), process.open("a", os.O_RDONLY)
    process.lseek(fd, 2, os.SEEK_SET)
    assert process.read(shared, 2) == b"cd"
    assert process.read(fd, 9) == b"ef"
    assert process.read(own, 9) == b"abcdef"


def test_too_many_descriptors_are_emfile_and_change_nothing(process):
    process.open("a", os.O_CREAT | os.O_RDWR)
    while len(process.fds) < DESCRIPTOR_LIMIT:
        process.open("a", os.O_RDONLY)
    with pytest.raises(OSError, match="Too many open files") as failed:
        process.open("b", os.O_CREAT | os.O_WRONLY)
    assert failed.value.errno == errno.EMFILE
    assert process.listdir(".") == ["a"]


def test_a_real_descriptor_cannot_be_replaced(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    with pytest.raises(SimulationError, match="descriptor 1 of the real process"):
        process.dup2(fd, 1)


def test_unlinked_file_lives_until_its_last_descriptor(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.write(fd, b"still here")
    process.unlink("a")
    assert process.fstat(fd).st_nlink == 0
    assert process.pread(fd, 99, 0) == b"still here"
    machine = process.machine
    ino = process.fstat(fd).st_ino
    assert ino in machine.main.nodes
    process.close(fd)
    assert ino not in machine.main.nodes


def test_errors_are_those_of_cpython(process):
    with pytest.raises(FileNotFoundError) as missing:
        process.open("no/such", os.O_RDONLY)
    assert (missing.value.errno, missing.value.filename) == (errno.ENOENT, "no/such")
    assert missing.value.strerror == os.strerror(errno.ENOENT)
    with pytest.raises(FileNotFoundError) as renamed:
        process.rename(b"x", b"y")
    assert (renamed.value.filename, renamed.value.filename2) == (b"x", b"y")
    with pytest.raises(ValueError, match="embedded null byte"):
        process.open("a\0b", os.O_RDONLY)
    with pytest.raises(ValueError, match="embedded null byte"):
        process.stat("/simulated/a\0b")


def test_inheritable_as_cpython_makes_them(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    assert not process.get_inheritable(fd)
    process.set_inheritable(fd, inheritable=True)
    assert process.get_inheritable(fd)
    assert not process.get_inheritable(process.dup(fd))
    assert process.fcntl(process.fcntl(fd, fcntl.F_DUPFD, 0), fcntl.F_GETFD) == 0
    assert not process.isatty(fd)
    assert not process.isatty(1)


def test_proc_self_fd_names_an_open_file(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.write(fd, b"x")
    again = process.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    assert process.read(again, 9) == b"x"
    assert process.readlink(f"/proc/self/fd/{fd}") == "/simulated/a"
