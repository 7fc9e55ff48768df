"""A fault prints as what a person would type, and parses back to itself."""

import errno
import os
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.disk import Machine
from harness.disk.calls import CALLS
from harness.errors import Killed, UsageError
from harness.fault_hooks import FaultHooks
from harness.faults import ERRORS, Fault, Full, faults_of, parse
from harness.intercept import active, rerouted

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

NAMES = st.sampled_from(["*", *CALLS])
PATTERNS = st.none() | st.text("abc*?[]./-_ #:,", min_size=1)
SYMBOLS = st.sampled_from(sorted({error for errors in ERRORS.values() for error in errors}))


@st.composite
def faults(draw):
    call, number, pattern = draw(NAMES), draw(st.integers(1, 10**6)), draw(PATTERNS)
    if draw(st.booleans()):
        return Fault(call, number, pattern=pattern, killed=True)
    after = draw(st.none() | st.integers(0, 10**9))
    error = draw(SYMBOLS if after is None else st.none() | SYMBOLS)
    then = draw(st.none() | faults())
    return Fault(call, number, error, after, draw(st.booleans()), pattern, then=then)


FULLS = st.builds(
    Full, st.integers(0, 10**12), st.sampled_from(["bytes", "inodes"]), st.none() | faults()
)


@given(faults() | FULLS)
def test_prints_and_parses_back(fault):
    assert parse(str(fault)) == fault


@pytest.mark.parametrize(
    "text",
    [
        'write "*.tmp" #2: ENOSPC after 512 bytes, once',
        "fsync #1: EIO, until cleared",
        "read #3: 1 bytes only, once",
        "* #17: killed",
        "disk: full at 8192 bytes",
        "disk: full at 3 inodes",
        "fsync #1: EIO, once; then unlink #1: EIO, until cleared",
        "disk: full at 8192 bytes; then close #1: EDQUOT, once",
    ],
)
def test_reads_what_a_person_types(text):
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "write: ENOSPC", "wirte #1: EIO, once", "write #1: EFOO, once", "write #0: EIO, once",
     "write #1: EIO", "disk: full", "write #1: EIO, once, once",
     "write #1: EIO, once; then disk: full at 3 inodes"],
)  # fmt: skip
def test_refuses_what_is_no_fault_in_one_line(text):
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert "\n" not in str(raised.value)
    assert repr(text) in str(raised.value)


def test_every_call_with_errors_is_a_call_and_every_error_an_errno():
    assert set(ERRORS) <= set(CALLS)
    for errors in ERRORS.values():
        assert all(isinstance(getattr(errno, error), int) for error in errors)


@pytest.fixture
def machine():
    with rerouted():
        yield Machine()


def run(machine, fault, todo, **options):
    hooks = FaultHooks(fault, **options)
    machine.hooks = hooks
    with active(machine.process()):
        todo()
    return hooks


def test_fails_the_call_it_names_and_no_other(machine):
    def todo():
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        assert os.write(fd, b"one") == 3
        with pytest.raises(OSError, match="Errno") as raised:
            os.write(fd, b"two")
        assert raised.value.errno == errno.ENOSPC
        assert os.write(fd, b"three") == 5

    assert run(machine, parse("write #2: ENOSPC, once"), todo).fired == 1
    assert machine.image().files() == {"f": b"onethree"}


def test_sticks_until_cleared(machine):
    hooks = FaultHooks(parse('open "g*" #1: EMFILE, until cleared'))
    machine.hooks = hooks
    with active(machine.process()):
        os.open("f", os.O_RDWR | os.O_CREAT)
        for _ in range(2):
            with pytest.raises(OSError, match="Errno") as raised:
                os.open("g", os.O_RDWR | os.O_CREAT)
            assert raised.value.errno == errno.EMFILE
        hooks.clear()
        os.open("g", os.O_RDWR | os.O_CREAT)
    assert hooks.fired == 2


def test_a_disk_that_fills_up_takes_some_bytes_first(machine):
    def todo():
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        assert os.write(fd, bytes(1000)) == 512
        with pytest.raises(OSError, match="Errno") as raised:
            os.write(fd, bytes(488))
        assert raised.value.errno == errno.EDQUOT
        assert os.write(fd, b"again") == 5

    assert run(machine, parse("write #1: EDQUOT after 512 bytes, once"), todo).fired == 2


def test_a_short_read_is_only_short(machine):
    def todo():
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        os.write(fd, b"hello")
        os.lseek(fd, 0, os.SEEK_SET)
        assert os.read(fd, 5) == b"he"
        assert os.read(fd, 5) == b"llo"

    assert run(machine, parse("read #1: 2 bytes only, once"), todo).fired == 1


def test_a_failed_close_frees_the_descriptor(machine):
    def todo():
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        with pytest.raises(OSError, match="Errno"):
            os.close(fd)
        with pytest.raises(OSError, match="Errno") as raised:
            os.close(fd)
        assert raised.value.errno == errno.EBADF

    assert run(machine, parse("close #1: EIO, once"), todo).fired == 1


def test_kills_before_the_call(machine):
    def todo():
        os.mkdir("a")
        with pytest.raises(Killed):
            os.mkdir("b")

    assert run(machine, parse("* #2: killed"), todo).fired == 1
    assert machine.image().dirs() == ["a"]


@pytest.mark.parametrize("reverts", [False, True])
def test_a_failed_fsync_keeps_the_memory_or_takes_it_back(machine, reverts):
    def todo():
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        os.write(fd, b"old")
        os.fsync(fd)
        os.pwrite(fd, b"new", 0)
        with pytest.raises(OSError, match="Errno"):
            os.fsync(fd)
        os.fsync(fd)
        assert os.pread(fd, 9, 0) == (b"old" if reverts else b"new")

    assert run(machine, parse("fsync #2: EIO, once"), todo, reverts=reverts).fired == 1


def test_lists_every_call_with_the_faults_it_can_suffer(machine):
    def todo():
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        os.write(fd, bytes(1000))
        os.fsync(fd)
        os.close(fd)

    seen = run(machine, None, todo).seen
    assert [one.call for one in seen] == ["open", "write", "fsync", "close"]
    first = {fault.error for fault in faults_of(seen[0])}
    assert first == {"ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EACCES", "EROFS", "EIO"}
    assert {fault.after for fault in faults_of(seen[1])} == {None, 1, 500, 512, 999}
    assert {fault.error for fault in faults_of(seen[2])} == {"EIO", "ENOSPC", "EDQUOT"}
    assert all(not fault.sticky for fault in faults_of(seen[3]))


def test_a_small_disk_says_when_it_was_full():
    with rerouted():
        hooks = FaultHooks(Full(8192, "bytes"))
        machine = Machine(capacity_bytes=8192, hooks=hooks)
        with active(machine.process()):
            fd = os.open("f", os.O_RDWR | os.O_CREAT)
            os.write(fd, bytes(8192))
            assert not hooks.fired
            with pytest.raises(OSError, match="Errno"):
                os.write(fd, b"x")
        assert hooks.fired == 1


def test_the_second_of_two_is_counted_from_the_first(machine):
    def todo():
        os.mkdir("a")
        os.unlink(os.open("b", os.O_CREAT) and "b")
        with pytest.raises(OSError, match="Errno") as raised:
            os.mkdir("c")
        assert raised.value.errno == errno.ENOSPC
        os.mkdir("c")
        os.open("d", os.O_CREAT)
        with pytest.raises(OSError, match="Errno") as raised:
            os.unlink("d")
        assert raised.value.errno == errno.EIO
        os.unlink("d")

    hooks = run(machine, parse("mkdir #2: ENOSPC, once; then unlink #1: EIO, once"), todo)
    assert hooks.fired == 2
    assert hooks.complete


def test_what_never_comes_to_its_second_failure_is_not_complete(machine):
    def todo():
        with pytest.raises(OSError, match="Errno"):
            os.mkdir("a")

    hooks = run(machine, parse("mkdir #1: EIO, once; then unlink #1: EIO, once"), todo)
    assert hooks.fired == 1
    assert not hooks.complete


def test_the_calls_behind_a_fault_are_counted_from_it(machine):
    def todo():
        for name in ("a", "b"):
            with pytest.raises(OSError, match="Errno") if name == "b" else nullcontext():
                os.mkdir(name)
        os.mkdir("c")
        os.rmdir("c")

    behind = run(machine, parse("mkdir #2: EIO, once"), todo).behind
    assert [(one.call, one.number) for one in behind] == [("mkdir", 1), ("rmdir", 1)]


def test_a_failed_fsync_is_told_to_each_open_file_once(machine):
    """errseq_t: who has the file open learns it at the next fsync, who opens it later never."""

    def failing(fd):
        with pytest.raises(OSError, match="Errno") as raised:
            os.fsync(fd)
        assert raised.value.errno == errno.EIO

    def todo():
        mine = os.open("f", os.O_RDWR | os.O_CREAT)
        same, other = os.dup(mine), os.open("f", os.O_RDWR)
        os.write(mine, b"new")
        failing(mine)
        later = os.open("f", os.O_RDWR)
        os.fsync(same)  # one open file, told already
        failing(other)
        os.fsync(other)
        os.fsync(later)

    assert run(machine, parse("fsync #1: EIO, once"), todo).fired == 1
