"""What hooks can do to a call, and that a dead process stays dead."""

import ast
import errno
import inspect
import os
from pathlib import Path

import pytest

from harness import disk
from harness.disk import CALLS, Hooks, Machine, Process, Verdict
from harness.errors import CallLimitExceeded, Killed


class Injector(Hooks):
    """Answer a call by its name; keep what was seen."""

    def __init__(self, **answers):
        self.answers = answers
        self.seen = []
        self.records = []

    def before(self, _process, call, **details):
        self.seen.append((call, details))
        answer = self.answers.get(call)
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def record(self, record):
        name = type(record).__struct_config__.tag
        self.records.append((name, getattr(record, "data", None), record.error))


def started(**answers):
    hooks = Injector(**answers)
    process = Machine(hooks=hooks).process()
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    hooks.records.clear()
    hooks.seen.clear()
    return hooks, process, fd


def test_a_refused_call_does_nothing_and_names_its_files():
    hooks, process, _ = started(rename=OSError(errno.ENOSPC, "whatever"))
    with pytest.raises(OSError, match="No space left") as failed:
        process.rename("a", "b")
    assert (failed.value.filename, failed.value.filename2) == ("a", "b")
    assert process.listdir(".") == ["a"]
    assert hooks.records == [("rename", None, "ENOSPC")]


def test_an_injected_error_is_recorded_even_if_it_is_one_of_a_failed_look_up():
    hooks, process, _ = started(unlink=OSError(errno.ENOENT, ""))
    with pytest.raises(FileNotFoundError):
        process.unlink("a")
    assert hooks.records == [("unlink", None, "ENOENT")]
    assert process.listdir(".") == ["a"]


def test_short_writes_of_every_length():
    for length in range(5):
        hooks, process, fd = started(write=Verdict(limit=length))
        assert process.write(fd, b"abcd") == length
        assert process.pread(fd, 9, 0) == b"abcd"[:length]
        assert process.lseek(fd, 0, os.SEEK_CUR) == length
        assert hooks.records == ([("write", b"abcd"[:length], None)] if length else [])


def test_short_reads():
    _, process, fd = started(
        read=Verdict(limit=2), pread=Verdict(limit=1), readinto=Verdict(limit=3)
    )
    process.write(fd, b"abcdef")
    process.lseek(fd, 0, os.SEEK_SET)
    assert process.read(fd, 9) == b"ab"
    assert process.pread(fd, 9, 0) == b"a"
    assert process.readinto(fd, bytearray(9)) == 3


def test_a_torn_write_that_fails_tells_what_was_written():
    hooks, process, fd = started(write=Verdict(limit=3, error=errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        process.write(fd, b"abcdef")
    assert process.pread(fd, 9, 0) == b"abc"
    assert hooks.records == [("write", b"abc", "EIO")]


def test_a_write_that_fails_before_its_first_byte():
    hooks, process, fd = started(write=Verdict(limit=0, error=errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        process.write(fd, b"abcdef")
    assert hooks.records == [("write", b"", "ENOSPC")]


def test_a_failed_fsync_is_recorded_as_failed():
    hooks, process, fd = started(fsync=[Verdict(error=errno.EIO), OSError(errno.ENOSPC, "")])
    for _ in range(2):
        with pytest.raises(OSError, match=r"Input|space"):
            process.fsync(fd)
    process.fsync(fd)
    assert hooks.records == [
        ("fsync", None, "EIO"),
        ("fsync", None, "ENOSPC"),
        ("fsync", None, None),
    ]


def test_a_name_that_changed_is_recorded_as_changed_whatever_the_caller_was_told():
    hooks, process, _ = started(rename=Verdict(error=errno.EIO))
    with pytest.raises(OSError, match="Input") as failed:
        process.rename("a", "b")
    assert failed.value.filename2 == "b"
    assert process.listdir(".") == ["b"]
    assert hooks.records == [("rename", None, None)]


@pytest.mark.parametrize("how", [OSError(errno.EIO, ""), Verdict(error=errno.EIO)])
def test_a_failed_close_frees_the_descriptor(how):
    hooks, process, fd = started(close=[how])
    with pytest.raises(OSError, match="Input"):
        process.close(fd)
    assert fd not in process.fds
    assert hooks.records == [("close", None, "EIO")]
    assert process.open("a", os.O_RDONLY) == fd


def test_an_interrupted_call_is_tried_again_and_never_seen():
    interrupted = [InterruptedError(errno.EINTR, ""), InterruptedError(errno.EINTR, ""), None]
    hooks, process, fd = started(write=interrupted, close=[InterruptedError(errno.EINTR, "")])
    assert process.write(fd, b"abc") == 3
    process.close(fd)
    assert [call for call, _ in hooks.seen] == ["write", "write", "write", "close"]
    assert [error for _, _, error in hooks.records] == [None, None]


def test_access_says_no_to_any_error():
    _, process, _ = started(access=OSError(errno.EIO, ""))
    assert process.access("a", os.R_OK) is False


class Killer(Hooks):
    def __init__(self, at):
        self.left = at
        self.records = []

    def before(self, process, _call, **_details):
        self.left -= 1
        if self.left == 0:
            process.kill()
            raise Killed("now")

    def record(self, record):
        self.records.append(type(record).__struct_config__.tag)


def test_a_crash_reaches_no_later_call_and_leaves_no_trace_of_its_closes():
    hooks = Killer(at=3)
    machine = Machine(hooks=hooks)
    process = machine.process()
    fd = process.open("a", os.O_CREAT | os.O_WRONLY)
    process.write(fd, b"kept")
    caught = 0
    try:
        process.write(fd, b"never")
    except BaseException:  # noqa: BLE001 - what a store might do
        for call in (
            lambda: process.write(fd, b"never"),
            lambda: process.close(fd),
            lambda: process.unlink("a"),
            lambda: process.stat("a"),
            process.sync,
            lambda: process.sleep(1),
        ):
            with pytest.raises(Killed):
                call()
            caught += 1
    assert caught == 6
    assert hooks.records == ["create", "write"]
    assert machine.image().files() == {"a": b"kept"}
    assert machine.process().listdir(".") == ["a"]


class QuietKiller(Hooks):
    """Another process's turn ended this one, inside its own ``before``."""

    def before(self, process, call, **_details):
        if call == "unlink":
            process.kill()


def test_a_process_killed_before_its_call_does_not_make_it():
    machine = Machine(hooks=QuietKiller())
    process = machine.process()
    process.mkdir("d")
    process.close(process.open("a", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(Killed):
        process.unlink("a")
    assert machine.image().entries(1).keys() == {"a", "d"}


def test_a_dead_process_needs_no_hooks_to_be_dead(process):
    fd = process.open("a", os.O_CREAT | os.O_WRONLY)
    process.kill()
    with pytest.raises(Killed):
        process.close(fd)
    assert process.machine.main.nodes[process.machine.image().lookup(1, "a")].opens == 0


def test_exit_closes_in_order_and_records_it(log):
    process = Machine(hooks=log).process()
    for name in "ab":
        process.open(name, os.O_CREAT | os.O_WRONLY)
    process.exit()
    assert log.shown() == [("create", "a"), ("create", "b"), ("close", "a"), ("close", "b")]


def test_a_loop_meets_the_call_limit_and_a_new_operation_starts_afresh():
    process = Machine(call_limit=10).process()
    for _ in range(3):
        for _ in range(10):
            process.stat(".")
        with pytest.raises(CallLimitExceeded, match="more than 10 system calls"):
            process.stat(".")
        process.reset_calls()
    assert not issubclass(CallLimitExceeded, Exception)


def test_before_learns_what_a_call_is_about():
    hooks, process, fd = started()
    ino = process.fstat(fd).st_ino
    process.mkdir("d")
    process.symlink("d", "l")
    at = process.open("d", os.O_RDONLY)
    hooks.seen.clear()
    process.write(fd, b"x")
    process.rename("/simulated/a", "l/../l/b")
    process.write(fd, b"y")
    process.unlink("b", dir_fd=at)
    process.listdir(at)
    found = [(call, details["paths"], details["ino"]) for call, details in hooks.seen]
    assert found == [
        ("write", ("a",), ino),
        ("rename", ("a", "d/b"), None),
        ("write", ("d/b",), ino),
        ("unlink", ("d/b",), None),
        ("listdir", ("d",), None),
    ]
    assert hooks.seen[0][1]["data"] == b"x"
    assert hooks.seen[1][1]["dst"] == "l/../l/b"


def test_hooks_can_be_set_between_calls():
    machine = Machine()
    process = machine.process()
    process.mkdir("a")
    hooks = Injector()
    machine.hooks = hooks
    process.mkdir("b")
    machine.hooks = None
    process.mkdir("c")
    assert [call for call, _ in hooks.seen] == ["mkdir"]
    assert hooks.records == [("mkdir", None, None)]


def test_the_table_of_calls_is_whole():
    """Each method that counts a call is in the table, with its own parameters, and the reverse."""
    watched = {}
    for path in Path(disk.__file__).parent.glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef) or function.name.startswith("_"):
                continue
            body = ast.unparse(function)
            if "self.calls += 1" in body or "self._no_xattr" in body:
                watched[function.name] = function
    assert set(watched) == set(CALLS)
    for name, call in CALLS.items():
        parameters = list(inspect.signature(getattr(Process, name)).parameters)[1:]
        assert set(parameters) == set(call.parameters), name
