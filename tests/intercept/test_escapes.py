"""Every way around the simulated disk that can be seen fails, and says which it was."""

# ruff: noqa: ARG001, PLW0108, SIM115 - fixtures act by being there; what is opened must fail

from __future__ import annotations

import ctypes
import errno
import functools
import io
import mmap
import os
import pathlib
import py_compile
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading

import pytest

from harness.disk import Machine
from harness.errors import EscapeError, Killed, SimulationError
from harness.image import from_tree
from harness.intercept import active, rerouted, suspended
from harness.intercept import real as real_functions

OUTSIDE = "/var/tmp/harness-escape"


@pytest.fixture
def process():
    with rerouted():
        yield Machine(from_tree({"file": b"content"})).process()


def simulated(test):
    """Run the test itself, and not pytest around it, in the simulated process."""

    @functools.wraps(test)
    def run(process, **fixtures):
        with active(process):
            test(process, **fixtures)

    return run


ESCAPES = {
    "open": (lambda: open(OUTSIDE, "w"), "open writes outside the store directory: " + OUTSIDE),
    "append": (lambda: open(OUTSIDE, "a"), OUTSIDE),
    "update": (lambda: open("/etc/passwd", "r+"), "/etc/passwd"),
    "FileIO": (lambda: io.FileIO(OUTSIDE, "w"), OUTSIDE),
    "os.open": (lambda: os.open(OUTSIDE, os.O_CREAT | os.O_WRONLY), "os.open"),
    "os.open bytes": (lambda: os.open(OUTSIDE.encode(), os.O_CREAT), "os.open"),
    "climbing": (lambda: open("../../var/tmp/harness-escape", "w"), "open"),
    "pathlib": (lambda: pathlib.Path(OUTSIDE).write_text("x"), "open"),
    "mkdir": (lambda: os.mkdir(OUTSIDE), "os.mkdir"),
    "makedirs": (lambda: os.makedirs(OUTSIDE + "/a/b"), "os.mkdir"),
    "rmdir": (lambda: os.rmdir("/var/tmp"), "os.rmdir"),
    "unlink": (lambda: os.unlink("/etc/passwd"), "os.unlink"),
    "remove": (lambda: os.remove("/etc/passwd"), "os.remove"),
    "rename out": (lambda: os.rename("file", OUTSIDE), "os.rename"),
    "replace in": (lambda: os.replace("/etc/passwd", "file"), "os.replace"),
    "link": (lambda: os.link("file", OUTSIDE), "os.link"),
    "symlink": (lambda: os.symlink("file", OUTSIDE), "os.symlink"),
    "truncate": (lambda: os.truncate("/etc/passwd", 0), "os.truncate"),
    "chmod": (lambda: os.chmod("/etc/passwd", 0o777), "os.chmod"),
    "chown": (lambda: os.chown("/etc/passwd", 0, 0), "os.chown"),
    "utime": (lambda: os.utime("/etc/passwd"), "os.utime"),
    "mkfifo": (lambda: os.mkfifo(OUTSIDE), "os.mkfifo"),
    "setxattr": (lambda: os.setxattr("/etc/passwd", "user.a", b"x"), "os.setxattr"),
    "chdir": (lambda: os.chdir("/"), "os.chdir"),
    "rmtree": (lambda: shutil.rmtree("/var/tmp/."), "os."),
    "copy": (lambda: shutil.copy("file", OUTSIDE), OUTSIDE),
    "tempfile": (lambda: tempfile.NamedTemporaryFile(dir="/var/tmp"), "os.open"),
    "sqlite3": (lambda: sqlite3.connect("database"), "sqlite3.connect"),
    "subprocess": (lambda: subprocess.run(["true"], check=False), "child process"),
    "os.system": (lambda: os.system("true"), "os.system"),
    "os.popen": (lambda: os.popen("true"), "child process"),
    "fork": (os.fork, "os.fork"),
    "spawn": (lambda: os.posix_spawn("/bin/true", ["true"], {}), "os.posix_spawn"),
    "exec": (lambda: os.execv("/bin/true", ["true"]), "os.execv"),
    "killpg": (lambda: os.killpg(1, 0), "os.killpg"),
    "real open": (lambda: real_functions.open_file.open(OUTSIDE, "w"), "open"),
    "real simulated path": (
        lambda: real_functions.open_file.open("/simulated/file"),
        "not rerouted",
    ),
    "real relative": (lambda: real_functions.io.FileIO("new", "w"), "not rerouted"),
    "real mkdir": (lambda: real_functions.os.mkdir(OUTSIDE), "os.mkdir"),
    "real rename": (lambda: real_functions.os.rename(OUTSIDE, OUTSIDE + "2"), "os.rename"),
    "real unlink": (lambda: real_functions.os.unlink(OUTSIDE), "os.remove"),
    "real fork": (lambda: real_functions.os.fork(), "os.fork"),
}


@pytest.mark.parametrize(("call", "named"), ESCAPES.values(), ids=ESCAPES)
@simulated
def test_an_escape_is_stopped_and_named(process, call, named):
    try:
        with pytest.raises(EscapeError) as caught:
            call()
        assert named in str(caught.value)
        assert "\n" not in str(caught.value)
    finally:
        with suspended():
            assert not os.path.lexists(OUTSIDE)


@simulated
def test_memory_mapping_a_simulated_file_is_an_escape(process):
    with open("file", "r+b") as file, pytest.raises(EscapeError, match="mmap"):
        mmap.mmap(file.fileno(), 0)
    mmap.mmap(-1, 4096).close()


def test_a_real_file_opened_before_cannot_be_written_while_active(tmp_path):
    with rerouted(), open(tmp_path / "real", "wb", buffering=0) as file:
        process = Machine().process()
        descriptor = file.fileno()
        with active(process):
            for call in (
                lambda: os.write(descriptor, b"x"),
                lambda: os.pwrite(descriptor, b"x", 0),
                lambda: os.writev(descriptor, [b"x"]),
                lambda: os.ftruncate(descriptor, 0),
                lambda: os.truncate(descriptor, 0),
                lambda: os.fchmod(descriptor, 0o600),
                lambda: open(descriptor, "w"),
            ):
                with pytest.raises(EscapeError, match="descriptor"):
                    call()
            os.fsync(descriptor)
    assert (tmp_path / "real").read_bytes() == b""


@simulated
def test_what_is_no_store_stays_allowed(process, capfd):
    with open("/dev/null", "w") as null:
        null.write("x")
    os.close(os.open(os.devnull, os.O_WRONLY))
    os.write(1, b"to stdout\n")
    sys.stderr.write("to stderr\n")
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    assert os.read(reading, 100) == b"through a pipe"
    os.close(reading)
    os.close(writing)
    one, two = socket.socketpair()
    one.sendall(b"x")
    assert two.recv(1) == b"x"
    one.close()
    two.close()
    with open(os.__file__) as file:
        assert file.read(3) == 'r"""'[:3]
    assert os.path.exists("/etc/passwd")
    assert "passwd" in os.listdir("/etc")
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (x)")
    connection.close()


def test_imports_may_cache_their_bytecode(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    module = tmp_path / "imported_by_a_subject.py"
    module.write_text("VALUE = 1\n")
    with rerouted():
        machine = Machine()
        with active(machine.process()) as process:
            calls = process.calls
            import imported_by_a_subject  # noqa: PLC0415 - the import is what is tested

            assert process.calls == calls, "an import shows in the simulated process"
    del sys.modules["imported_by_a_subject"]
    assert imported_by_a_subject.VALUE == 1
    assert list((tmp_path / "__pycache__").iterdir())
    assert machine.image().files() == {}


@simulated
def test_compiling_by_hand_is_the_subject_s_own_writing(process):
    with pytest.raises((EscapeError, py_compile.PyCompileError)):
        py_compile.compile(os.__file__, cfile=OUTSIDE, doraise=True)


@simulated
def test_simulated_descriptors_mean_nothing_to_c_code(process):
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open("file", os.O_WRONLY)
    assert libc.write(descriptor, b"x", 1) == -1
    assert ctypes.get_errno() == errno.EBADF


@pytest.mark.parametrize(
    "end",
    [
        lambda: os._exit(0),
        lambda: os.abort(),
        lambda: os.kill(os.getpid(), signal.SIGKILL),
        lambda: os.kill(os.getpid(), signal.SIGTERM),
    ],
)
@simulated
def test_ending_the_process_ends_the_simulated_one(process, end):
    with open("file", "w") as file:
        file.write("never flushed")
        with pytest.raises(Killed):
            end()
        assert process.dead
        with pytest.raises(Killed):
            os.listdir()
        with pytest.raises(Killed):
            file.flush()
        with pytest.raises(Killed):
            file.close()


@simulated
def test_pids_are_those_of_the_simulated_machine(process):
    other = process.machine.process()
    os.kill(os.getpid(), 0)
    os.kill(other.pid, 0)
    with pytest.raises(SimulationError):
        os.kill(other.pid, signal.SIGTERM)
    other.kill()
    for pid in (other.pid, 1, 4_000_000):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@simulated
def test_escapes_are_seen_in_a_subject_s_threads(process):
    seen = []

    def run():
        try:
            real_functions.os.mkdir(OUTSIDE)
        except EscapeError as error:
            seen.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == ["os.mkdir writes outside the store directory: " + OUTSIDE]


@simulated
def test_a_class_derived_from_fileio_while_rerouted_is_refused(process):
    class Derived(io.FileIO):
        pass

    with pytest.raises(SimulationError, match="derived from FileIO"):
        Derived("file")


def test_a_thread_of_no_process_cannot_make_on_the_real_disk_what_it_takes_for_simulated(process):
    """It was started when the store was imported, say: the simulated process only waits for it."""
    seen: list[BaseException] = []

    def act() -> None:
        path = f"{Machine.MOUNT}/store"
        for call in (os.makedirs, os.unlink, lambda path: open(path, "w")):
            for name in (path, os.fsencode(path), pathlib.Path(path)):
                try:
                    call(name)
                except BaseException as error:  # noqa: BLE001 - whatever it is
                    seen.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    assert [type(one) for one in seen] == [EscapeError] * 9, seen
    assert "when the store was imported" in str(seen[0])
    with pytest.raises(FileNotFoundError):
        real_functions.os.stat(Machine.MOUNT)
