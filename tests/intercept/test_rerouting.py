"""Which calls go where: captured functions, threads, files that outlive a process, restoring."""

# ruff: noqa: ARG001, ARG002, PT018, SIM115 - fixtures act by being there; files are left open on purpose

from __future__ import annotations

import builtins
import errno
import functools
import gc
import glob
import io
import os
import pathlib
import posix
import shutil
import sys
import tempfile
import threading
import time
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from os import listdir as captured_listdir
from os import replace as captured_replace
from time import time as captured_time

import pytest

from harness.disk import Hooks, Machine
from harness.errors import Killed
from harness.image import from_tree
from harness.intercept import active, current, rerouted, suspended

captured_open = open
CapturedFileIO = io.FileIO


def with_default(name, _open=open, *, _remove=os.remove):
    with _open(name, "w") as file:
        file.write("default")
    _remove(name)
    return True


def closure():
    opener = io.open

    def use(name):
        with opener(name, "w") as file:
            return file.write("closure")

    return use


in_closure = closure()


TABLE = {"stat": os.stat, "open": open}
LIST = [os.listdir]


class Holder:
    attribute = captured_open
    static = staticmethod(os.lstat)

    def names(self):
        return self.static("file").st_size


@pytest.fixture
def machine():
    with rerouted():
        yield Machine(from_tree({"file": b"content"}))


@pytest.fixture
def process(machine):
    return machine.process()


def simulated(test):
    """Run the test itself, and not pytest around it, in the simulated process."""

    @functools.wraps(test)
    def run(process, **fixtures):
        with active(process):
            test(process, **fixtures)

    return run


@pytest.mark.parametrize(
    "use",
    [
        lambda: captured_open("new", "w").close() or "new" in os.listdir(),
        lambda: captured_replace("file", "other") or captured_listdir(".") == ["other"],
        lambda: with_default("new"),
        lambda: in_closure("new") and os.path.exists("new"),
        lambda: Holder.attribute("file").read() == "content",
        lambda: Holder().attribute("file").read() == "content",
        lambda: Holder().names() == 7,
        lambda: TABLE["open"]("file").read() == "content" and TABLE["stat"]("file").st_size == 7,
        lambda: LIST[0]() == ["file"],
        lambda: CapturedFileIO("file").read() == b"content",
        lambda: glob.glob("f*") == ["file"],
        lambda: pathlib.Path("file").read_bytes() == b"content",
        lambda: pathlib.Path.cwd() == pathlib.Path("/simulated"),
        lambda: posix.stat("file").st_size == 7,
        lambda: captured_time() < 1_700_000_100,
        lambda: tempfile.gettempdir() == "/tmp",
        lambda: os.open in os.supports_dir_fd and os.scandir in os.supports_fd,
    ],
)
@simulated
def test_what_was_captured_early_is_rerouted_too(process, use):
    assert use()


def test_the_captured_names_here_are_the_real_ones_before_and_after():
    for captured in (captured_open, captured_replace, captured_listdir, captured_time):
        assert isinstance(captured, types.BuiltinFunctionType)


@simulated
def test_a_stand_in_kept_in_a_class_is_not_bound_as_a_method(process):
    class Store:
        rename = os.rename
        opener = open

    Store().rename("file", "moved")
    assert Store().opener("moved").read() == "content"


@simulated
def test_other_threads_stay_real_and_the_subject_s_own_threads_do_not(process, tmp_path):
    outside = []
    # A thread that existed before, as pytest's and hypothesis's do.
    with suspended():
        pool = ThreadPoolExecutor(1)
        pool.submit(lambda: None).result()
    outside.append(pool.submit(lambda: (current(), os.getcwd())).result())
    with suspended():
        pool.shutdown()
        here = os.getcwd()
    assert outside == [(None, here)]

    inside = []
    threads = [
        threading.Thread(target=lambda: inside.append((current(), os.listdir()))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor(1) as pool:
        inside.append(pool.submit(lambda: (current(), os.listdir())).result())
    assert inside == [(process, ["file"])] * 3


@pytest.mark.filterwarnings("error")
@simulated
def test_threads_of_a_killed_process_end_in_silence(process, capsys):
    go_on = threading.Event()
    ended = []

    def work():
        try:
            go_on.wait()
            open("late", "w")
        finally:
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    process.kill()
    go_on.set()
    thread.join()
    assert ended
    assert capsys.readouterr().err == ""
    assert process.machine.image().files() == {"file": b"content"}


def test_active_nests_and_always_ends(machine):
    first, second = machine.process(), machine.process()
    with active(first):
        with active(second):
            assert os.getpid() == second.pid
        assert os.getpid() == first.pid
        with suspended():
            assert current() is None
        with pytest.raises(ZeroDivisionError), active(second):
            raise ZeroDivisionError
        assert current() is first
    assert current() is None


def test_a_file_belongs_to_the_process_that_opened_it(machine):
    first = machine.process()
    other = Machine().process()
    with active(first):
        file = open("late", "w")
        file.write("still mine")
    with active(other):
        file.close()
        assert os.listdir() == []
    assert machine.image().files()["late"] == b"still mine"


@pytest.mark.filterwarnings("error")
def test_a_killed_process_s_files_are_collected_in_silence(machine, monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    process = machine.process()
    with active(process):
        files = [open("a", "w"), open("b", "wb"), open("c", "wb", buffering=0), open("file")]
        files[0].write("lost")
        files[1].write(b"lost")
        process.kill()
        with pytest.raises(Killed):
            files[0].flush()
        with pytest.raises(Killed):
            files[2].close()
        del files
        gc.collect()
    gc.collect()
    assert unraisable == []
    assert machine.image().files()["a"] == b""


def test_a_failed_close_frees_the_descriptor():
    class FailClose(Hooks):
        def before(self, process, call, **details):
            if call == "close":
                raise OSError(errno.EIO, "Input/output error")

    with rerouted():
        machine = Machine(hooks=FailClose())
        process = machine.process()
        with active(process):
            file = open("file", "wb", buffering=0)
            descriptor = file.fileno()
            with pytest.raises(OSError, match="Input/output"):
                file.close()
            assert file.closed
            file.close()
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)


def test_an_interrupted_call_never_reaches_python():
    class Interrupt(Hooks):
        def __init__(self):
            self.seen = []

        def before(self, process, call, **details):
            self.seen.append(call)
            if self.seen.count(call) == 1:
                raise InterruptedError(errno.EINTR, "Interrupted system call")

    hooks = Interrupt()
    with rerouted():
        process = Machine(hooks=hooks).process()
        with active(process), open("file", "w") as file:
            file.write("x")
            file.flush()
            os.fsync(file.fileno())
    assert hooks.seen.count("write") == hooks.seen.count("fsync") == 2


def test_every_replaced_attribute_is_restored():
    def picture():
        functions = {}
        for name, module in sorted(sys.modules.items()):
            if isinstance(module, types.ModuleType) and not name.startswith("harness.intercept"):
                for key, value in list(vars(module).items()):
                    # By type: to ask a lazy object (of Django, say) what it is would set it up.
                    if not issubclass(type(value), int | float):  # running counters
                        functions[name, key] = value
        return functions

    names = {key: getattr(os, key) for key in dir(os) if key.startswith("supports")}
    sets = {key: set(value) for key, value in names.items() if isinstance(value, set)}
    with rerouted():
        assert os.open is not posix.open or isinstance(os.open, types.MethodType)
    before = picture()
    defaults = with_default.__defaults__, with_default.__kwdefaults__.copy()
    cell = in_closure.__closure__[0].cell_contents
    in_class = vars(Holder)["static"], vars(Holder)["attribute"]
    with rerouted():
        assert isinstance(open, types.MethodType)
        assert with_default.__defaults__ != defaults[0]
    after = picture()
    assert {key for key in before if after.get(key) is not before[key]} == set()
    assert after.keys() == before.keys()
    assert (with_default.__defaults__, with_default.__kwdefaults__) == defaults
    assert in_closure.__closure__[0].cell_contents is cell
    assert vars(Holder)["static"] is in_class[0]
    assert vars(Holder)["attribute"] is in_class[1]
    assert {key: set(getattr(os, key)) for key in sets} == sets


def test_what_a_module_captured_while_rerouted_is_given_back_the_real_function():
    module = types.ModuleType("imported_while_rerouted")
    sys.modules[module.__name__] = module
    try:
        with rerouted():
            exec("from os import replace\nopener = open", vars(module))
            assert isinstance(module.replace, types.MethodType)
        assert module.replace is os.replace
        assert module.opener is builtins.open
    finally:
        del sys.modules[module.__name__]


def test_rerouting_is_reentrant_and_shared():
    with rerouted():
        inside = os.open
        with rerouted():
            assert os.open is inside
        assert os.open is inside
    assert isinstance(os.open, types.BuiltinFunctionType)


def test_without_an_active_process_everything_is_real(machine, tmp_path):
    directory = tmp_path / "directory"
    directory.mkdir()
    target = directory / "file"
    with open(target, "w", encoding="utf-8") as file:
        file.write("real")
    assert target.read_text(encoding="utf-8") == "real"
    assert isinstance(file.buffer.raw, io.FileIO)
    assert os.listdir(directory) == ["file"]
    shutil.copy(target, directory / "copy")
    shutil.rmtree(directory)
    assert not directory.exists()
    assert time.time() > 1_700_000_000


@simulated
def test_errors_name_the_path_that_was_given(process):
    for path in ("missing", b"missing", pathlib.Path("missing")):
        for call in (os.stat, os.unlink, os.listdir, os.rmdir, functools.partial(os.open, flags=0)):
            with pytest.raises(FileNotFoundError) as caught:
                call(path)
            assert caught.value.filename == path
    with pytest.raises(FileNotFoundError) as caught:
        open(pathlib.Path("missing"))
    assert caught.value.filename == "missing"
    with pytest.raises(FileNotFoundError) as caught:
        os.rename("missing", b"new")
    assert (caught.value.filename, caught.value.filename2) == ("missing", b"new")


@simulated
def test_raw_files_look_like_cpython_s(process):
    with open("file", "r+b", buffering=0) as raw:
        assert isinstance(raw, io.RawIOBase)
        assert isinstance(raw, io.FileIO)
        assert (raw.name, raw.mode, raw.closefd) == ("file", "rb+", True)
        assert raw.fileno() >= 2**20
        assert raw.seekable() and raw.readable() and raw.writable() and not raw.isatty()
        assert raw.read(3) == b"con"
        assert raw.readall() == b"tent"
    for use in (raw.fileno, raw.read, raw.tell, raw.readable):
        with pytest.raises(ValueError, match="closed"):
            use()
    for mode, shown in {"w": "wb", "wb+": "rb+", "a": "ab", "a+": "ab+", "r": "rb"}.items():
        with io.FileIO("other", mode) as raw:
            assert raw.mode == shown
    with io.FileIO("exclusive", "x+") as raw:
        assert raw.mode == "xb+"
    with open("file") as text:
        assert (text.mode, text.name, text.encoding) == ("r", "file", "UTF-8")
        assert type(text.buffer) is io.BufferedReader
    with open("file", "rb") as read_only, pytest.raises(io.UnsupportedOperation):
        read_only.write(b"x")
    with pytest.raises(IsADirectoryError) as caught:
        open("/simulated")
    assert caught.value.filename == "/simulated"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("file", "rw"), ValueError),
        (("file", "q"), ValueError),
        (("file", "rbt"), ValueError),
        (("file", "rb", -1, "utf-8"), ValueError),
        (("file", "r", 0), ValueError),
        ((1.5,), TypeError),
        (("nul\0",), ValueError),
        (("file", "r", -1, None, None, None, False), ValueError),
    ],
)
@simulated
def test_open_refuses_what_cpython_refuses(process, arguments, error):
    with pytest.raises(error) as simulated:
        open(*arguments)
    existing = tuple(__file__ if item == "file" else item for item in arguments)
    with suspended(), pytest.raises(error) as real:
        open(*existing)
    assert str(simulated.value) == str(real.value) or error is TypeError


@simulated
def test_binary_line_buffering_warns(process):
    with pytest.warns(RuntimeWarning, match="line buffering"), open("file", "rb", 1):
        pass


@simulated
def test_directory_entries_answer_as_os_direntry_does(process):
    os.mkdir("below")
    os.symlink("file", "link")
    os.symlink("nowhere", "dangling")
    with os.scandir() as entries:
        found = {entry.name: entry for entry in entries}
    assert list(found) == ["below", "dangling", "file", "link"]
    assert found["below"].is_dir() and not found["below"].is_file()
    assert found["link"].is_symlink() and found["link"].is_file()
    assert not found["link"].is_file(follow_symlinks=False)
    assert not found["dangling"].is_file() and not found["dangling"].is_dir()
    assert found["file"].stat().st_size == 7
    assert found["file"].inode() == os.stat("file").st_ino
    assert os.fspath(found["file"]) == "./file"
    assert next(os.scandir(b"below/..")).path == b"below/../below"
    assert sorted(name for _, names, _ in os.walk(".") for name in names) == ["below"]


@simulated
def test_symbolic_limits_bytes_and_directory_descriptors(process):
    assert os.listdir(b".") == [b"file"]
    assert os.getcwdb() == b"/simulated"
    directory = os.open(".", os.O_RDONLY)
    assert os.listdir(directory) == ["file"]
    assert os.stat("file", dir_fd=directory).st_size == 7
    assert [entry.name for entry in os.scandir(directory)] == ["file"]
    os.close(directory)
    assert os.pathconf(".", "PC_NAME_MAX") == 255


def test_the_real_machine_can_be_read_from_except_what_the_simulated_one_hides(machine, tmp_path):
    hidden = tmp_path / "file"
    hidden.write_text("real")
    with open(os.__file__, "rb") as file:
        expected = file.read()
    with active(machine.process()):
        if str(hidden).startswith("/tmp/"):
            assert not os.path.exists(hidden)
        shutil.copyfile(os.__file__, "copy")
        with open("copy", "rb") as file:
            assert file.read() == expected


def test_no_warning_is_left_over_by_installing():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with rerouted():
            pass
    assert [str(item.message) for item in caught] == []
