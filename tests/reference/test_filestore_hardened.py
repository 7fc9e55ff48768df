"""The hardened file store on a real directory: protocol, failures, locks, sweeping, processes."""

import errno
import fcntl
import os
import threading

import pytest

from harness.reference import hardened_files
from harness.reference.envelope import wrap
from harness.reference.errors import CorruptCheckpointError, InvalidKeyError, KeyNotFoundError
from harness.reference.filestore import FileStore


@pytest.fixture
def store(tmp_path):
    return FileStore(str(tmp_path / "store"))


def path(store, name):
    return os.path.join(store.directory, name)


class Spy:
    """Notes the calls that change or lock something; directories are told from files."""

    def __init__(self, monkeypatch):
        self.calls = []
        self.fail = {}
        self.hooks = {}
        self.modes = {fcntl.LOCK_EX: "EX", fcntl.LOCK_SH: "SH", fcntl.LOCK_EX | fcntl.LOCK_NB: "NB"}
        for name in ("open", "write", "fsync", "close", "rename", "unlink", "mkdir"):
            monkeypatch.setattr(os, name, self.wrap(name, getattr(os, name)))
        monkeypatch.setattr(hardened_files, "flock", self.wrap("flock", fcntl.flock))

    def label(self, name, args):
        if name in {"fsync", "flock"}:
            what = "dir" if os.path.isdir(f"/proc/self/fd/{args[0]}") else "file"
            return f"{name} {what}" + (f" {self.modes[args[1]]}" if name == "flock" else "")
        return name

    def wrap(self, name, real):
        def call(*args, **kwargs):
            label = self.label(name, args)
            self.calls.append(label)
            if label in self.hooks:
                self.hooks.pop(label)(*args)
            if label in self.fail:
                if name == "close":
                    real(*args)
                number = self.fail[label]
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        return call


@pytest.fixture
def spy(store, monkeypatch):
    store.write("settled", b"")  # the first write also syncs the directory's parent
    return Spy(monkeypatch)


WRITE = [
    "open",
    "flock file EX",
    "write",
    "fsync file",
    "open",
    "flock dir EX",
    "rename",
    "fsync dir",
    "close",
    "close",
]


def test_values_of_every_size_and_shrinking_ones(store):
    for size in (0, 1, 511, 512, 513, 4096, 10240, 1 << 17, (1 << 17) + 1, 300_000, 7, 0):
        value = bytes(i * 7 % 251 for i in range(size))
        store.write("key", value)
        assert store.read("key") == value
        assert FileStore(store.directory).read("key") == value
    assert store.list() == ["key"]
    assert os.listdir(store.directory) == ["key"]


def test_a_value_whose_envelope_is_exactly_one_read(store):
    size = hardened_files._CHUNK - len(wrap("key", b""))
    for extra in (-1, 0, 1):
        store.write("key", b"x" * (size + extra))
        assert len(store.read("key")) == size + extra


def test_missing_and_bad_keys(store):
    with pytest.raises(KeyNotFoundError, match=r"^key is not found$"):
        store.read("key")
    store.delete("key")
    for key in ("", ".tmp-0", "a/b", "a\n", "x" * 251):
        with pytest.raises(InvalidKeyError):
            store.write(key, b"")
    store.write("x" * 250, b"v")
    assert store.read("x" * 250) == b"v"


def test_the_write_protocol(store, spy):
    store.write("key", b"value")
    assert spy.calls == WRITE


def test_the_delete_protocol_also_of_a_missing_key(store, spy):
    for key in ("settled", "settled"):
        spy.calls.clear()
        store.delete(key)
        assert spy.calls == ["open", "flock dir EX", "unlink", "fsync dir", "close"]


def test_reading_is_four_calls_and_waits_for_the_files_writer_only(store, spy):
    store.read("settled")
    assert spy.calls == ["open", "flock file SH", "close"]
    spy.calls.clear()
    with pytest.raises(KeyNotFoundError):
        store.read("missing")
    assert spy.calls == ["open", "open", "flock dir SH", "close"]


def test_the_first_write_makes_the_directorys_own_name_durable(store, monkeypatch):
    again = FileStore(store.directory)
    spy = Spy(monkeypatch)
    for expected in (3, 2):
        # Once: temporary file, parent directory, store directory.
        spy.calls.clear()
        again.write("key", b"")
        assert len([call for call in spy.calls if call.startswith("fsync")]) == expected


def test_new_directories_are_made_and_synced_one_by_one(tmp_path, monkeypatch):
    synced = []
    real = os.fsync

    def fsync(fd):
        synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), tmp_path))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.chdir(tmp_path)
    FileStore(str(tmp_path / "a" / "b" / "store"))
    assert synced == ["..", ".", "a", "a/b"]
    FileStore("relative").write("key", b"")
    assert os.listdir(tmp_path / "relative") == ["key"]


def test_a_parent_that_may_not_be_read_is_synced_with_everything(monkeypatch):
    synced = []

    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    monkeypatch.setattr(os, "sync", lambda: synced.append(True))
    hardened_files._sync_directory("/somewhere")
    assert synced == [True]


@pytest.mark.parametrize("call", ["open", "flock file EX", "write", "fsync file", "flock dir EX"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EMFILE])
def test_a_failure_before_the_rename_leaves_the_old_value_and_no_file(store, spy, call, number):
    store.write("key", b"old")
    before = set(os.listdir("/proc/self/fd"))
    spy.fail[call] = number
    with pytest.raises(OSError) as caught:  # noqa: PT011  the number is what is compared
        store.write("key", b"new")
    assert caught.value.errno == number
    spy.fail.clear()
    assert store.read("key") == b"old"
    assert sorted(os.listdir(store.directory)) == ["key", "settled"]
    assert set(os.listdir("/proc/self/fd")) == before
    store.write("key", b"new")
    assert store.read("key") == b"new"


def test_a_failed_rename(store, spy):
    spy.fail["rename"] = errno.EIO
    with pytest.raises(OSError, match="Input/output error"):
        store.write("key", b"new")
    assert os.listdir(store.directory) == ["settled"]


def test_a_failed_directory_sync_raises_with_the_new_value_in_place(store, spy):
    store.write("key", b"old")
    spy.fail["fsync dir"] = errno.EIO
    with pytest.raises(OSError, match="Input/output error"):
        store.write("key", b"new")
    with pytest.raises(OSError, match="Input/output error"):
        store.delete("settled")
    spy.fail.clear()
    assert store.read("key") == b"new"
    spy.calls.clear()
    store.write("key", b"new")
    assert spy.calls == WRITE  # a new file and a new rename: the failed sync is not believed
    spy.calls.clear()
    store.delete("settled")
    assert "fsync dir" in spy.calls


def test_a_failed_close_is_no_failure(store, spy):
    spy.fail["close"] = errno.EIO
    store.write("key", b"new")
    assert store.read("key") == b"new"


def test_a_temporary_file_that_cannot_be_removed_is_removed_later(store, spy):
    spy.fail |= {"write": errno.ENOSPC, "unlink": errno.EIO}
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            store.write("key", b"new")
    assert len(os.listdir(store.directory)) == 1 + 3
    spy.fail.clear()
    store.write("key", b"new")
    assert sorted(os.listdir(store.directory)) == ["key", "settled"]


def test_short_writes_go_on_and_no_progress_is_an_error(store, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:5])))
    store.write("key", b"0123456789")
    assert store.read("key") == b"0123456789"
    monkeypatch.setattr(os, "write", lambda *_: 0)
    with pytest.raises(OSError, match="no progress"):
        store.write("key", b"other")
    assert store.read("key") == b"0123456789"


def test_short_reads_go_on(store, monkeypatch):
    store.write("key", b"0123456789")
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, size: real(fd, min(size, 7)))
    assert store.read("key") == b"0123456789"


def test_damage_is_told(store):
    store.write("key", b"value")
    store.write("other", b"value of another")
    os.rename(path(store, "other"), path(store, "key"))
    with pytest.raises(CorruptCheckpointError, match=r"^checkpoint is corrupted$"):
        store.read("key")
    for bad in (b"", b"plain bytes", wrap("key", b"v") + b"x", wrap("key", b"v")[:-1]):
        with open(path(store, "key"), "wb") as file:
            file.write(bad)
        with pytest.raises(CorruptCheckpointError):
            store.read("key")
    store.write("key", b"mended")
    assert store.read("key") == b"mended"


def test_list_names_only_regular_files_under_valid_keys(store):
    store.write("b", b"")
    store.write("a", b"")
    os.mkdir(path(store, "directory"))
    os.symlink("a", path(store, "link"))
    os.mkfifo(path(store, "fifo"))
    for name in (".1234", ".tmp-live", "not a key", "ends."):
        with open(path(store, name), "w"):
            pass
    assert store.list() == ["a", "b"]
    with pytest.raises(OSError, match="symbolic links"):
        store.read("link")
    with pytest.raises(OSError, match="Is a directory"):
        store.read("directory")
    with pytest.raises(CorruptCheckpointError):
        store.read("fifo")  # opened without waiting for a writer


def test_opening_sweeps_orphans_and_nothing_else(store, monkeypatch):
    store.write("key", b"v")
    os.mkdir(path(store, ".tmp-directory"))
    os.symlink("key", path(store, ".tmp-link"))
    for name in (".tmp-0", ".tmp-1", ".1234", ".other"):
        with open(path(store, name), "w"):
            pass
    spy = Spy(monkeypatch)
    FileStore(store.directory)
    assert spy.calls.count("fsync dir") == 1
    assert sorted(os.listdir(store.directory)) == [
        ".1234",
        ".other",
        ".tmp-directory",
        ".tmp-link",
        "key",
    ]


def test_a_live_writers_file_is_not_swept(store, spy):
    spy.hooks["write"] = lambda *_: FileStore(store.directory)
    store.write("key", b"value")
    assert "flock file NB" in spy.calls
    assert store.read("key") == b"value"


def test_a_file_swept_between_its_creation_and_its_lock_is_made_again(store, spy):
    spy.hooks["flock file EX"] = lambda *_: FileStore(store.directory)
    store.write("key", b"value")
    assert spy.calls.count("flock file EX") == 2
    assert "unlink" in spy.calls
    assert store.read("key") == b"value"
    assert sorted(os.listdir(store.directory)) == ["key", "settled"]


def test_a_file_renamed_between_the_sweepers_open_and_its_lock_stays(store, spy):
    with open(path(store, ".tmp-0"), "wb") as file:
        file.write(wrap("key", b"value"))
    os_rename = os.rename
    spy.hooks["flock file NB"] = lambda *_: os_rename(path(store, ".tmp-0"), path(store, "key"))
    FileStore(store.directory)
    assert store.read("key") == b"value"


def test_a_name_that_became_another_file_stays(store, spy):
    def replace(*_):
        os.rename(path(store, ".tmp-0"), path(store, "key"))
        with open(path(store, ".tmp-0"), "w"):
            pass

    with open(path(store, ".tmp-0"), "wb") as file:
        file.write(wrap("key", b"value"))
    spy.hooks["flock file NB"] = replace
    FileStore(store.directory)
    assert ".tmp-0" in os.listdir(store.directory)
    assert store.read("key") == b"value"


def test_nothing_can_be_seen_before_it_is_durable(store, spy):
    seen = []

    def is_locked(name):
        fd = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def look(*_):
        seen.append([is_locked(path(store, name)) for name in ("key", ".") if name in names()])

    def names():
        return [".", *os.listdir(store.directory)]

    spy.hooks["fsync dir"] = look
    store.write("key", b"value")
    spy.hooks["fsync dir"] = look
    store.delete("key")
    assert seen == [[True, True], [True]]
    assert not is_locked(path(store, "."))


def test_no_descriptor_is_left(store):
    before = set(os.listdir("/proc/self/fd"))
    store.write("key", b"v")
    store.read("key")
    store.list()
    store.delete("key")
    store.delete("key")
    with pytest.raises(KeyNotFoundError):
        store.read("key")
    with open(path(store, ".tmp-0"), "w"):
        pass
    FileStore(store.directory)
    assert set(os.listdir("/proc/self/fd")) == before


def test_threads(store):
    errors = []

    def work(number):
        try:
            for i in range(30):
                store.write("key", bytes([number]) * (i + 1))
                value = store.read("key")
                assert len(set(value)) == 1
                FileStore(store.directory).list()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert os.listdir(store.directory) == ["key"]


def test_processes_that_write_open_and_sweep_at_once(store):
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            try:
                for i in range(40):
                    own = FileStore(store.directory)
                    own.write(f"own{number}", b"%d" % i)
                    own.write("shared", bytes([number]) * (i * 100 + 1))
                    if own.read(f"own{number}") != b"%d" % i or len(set(own.read("shared"))) != 1:
                        os._exit(2)
                    if i % 5 == 0:
                        own.delete(f"own{number}")
                        own.write(f"own{number}", b"%d" % i)
                os._exit(0)
            except BaseException:  # noqa: BLE001
                os._exit(1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    assert sorted(os.listdir(store.directory)) == ["own0", "own1", "own2", "own3", "shared"]
    assert [store.read(f"own{n}") for n in range(4)] == [b"39"] * 4
