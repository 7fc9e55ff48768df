"""The kubelet's file store on a real directory: what was observed of the Go binary."""

import errno
import os
import stat

import pytest

from harness.reference.errors import InvalidKeyError, KeyNotFoundError, PathError
from harness.reference.filestore import FileStore


@pytest.fixture
def store(tmp_path):
    return FileStore(str(tmp_path / "a" / "store"), "kubelet")


def path(store, name):
    return os.path.join(store.directory, name)


@pytest.mark.parametrize(
    "key", ["a", "A9", "a-b_c.d", "9..9", "x" * 250, "cpu_manager_state", "a--b"]
)
def test_good_keys(store, key):
    store.write(key, b"v")
    assert store.read(key) == b"v"


@pytest.mark.parametrize(
    ("key", "quoted"),
    [
        ("", '""'),
        (".a", '".a"'),
        ("a.", '"a."'),
        ("-a", '"-a"'),
        ("a/b", '"a/b"'),
        ("..", '".."'),
        ("a\n", '"a\\n"'),
        ("a b", '"a b"'),
        ("é", '"é"'),
        ("a\0b", '"a\\x00b"'),
    ],
)
def test_bad_keys(store, key, quoted):
    for call in (lambda: store.write(key, b""), lambda: store.read(key), lambda: store.delete(key)):
        with pytest.raises(InvalidKeyError) as caught:
            call()
        assert str(caught.value) == f"invalid key: {quoted}"
    with pytest.raises(InvalidKeyError):
        store.write("x" * 251, b"")


def test_write_is_a_temporary_file_synced_and_renamed_and_nothing_more(store, monkeypatch):
    calls = []
    real = {name: getattr(os, name) for name in ("open", "write", "fsync", "close", "rename")}

    def spy(name):
        def call(*args, **kwargs):
            calls.append(name)
            return real[name](*args, **kwargs)

        return call

    for name in real:
        monkeypatch.setattr(os, name, spy(name))
    store.write("key", b"value")
    assert calls == ["open", "write", "fsync", "close", "rename"]


def test_the_temporary_name_is_a_dot_and_a_decimal_uint32(store, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "rename", lambda source, _: seen.append(source))
    for _ in range(20):
        store.write("key", b"")
    for source in seen:
        name = os.path.basename(source)
        assert name[0] == "."
        assert str(int(name[1:])) == name[1:]
        assert 0 <= int(name[1:]) < 2**32
    assert len(set(seen)) == 20


def test_bytes_are_plain_and_the_mode_is_0600_whatever_it_was(store):
    with open(path(store, "key"), "wb") as file:
        file.write(b"longer than what follows")
    os.chmod(path(store, "key"), 0o644)
    store.write("key", b"short")
    with open(path(store, "key"), "rb") as file:
        assert file.read() == b"short"
    assert stat.S_IMODE(os.stat(path(store, "key")).st_mode) == 0o600


def test_a_symlink_at_the_key_is_replaced(store, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_bytes(b"target")
    os.symlink(target, path(store, "key"))
    assert store.read("key") == b"target"
    store.write("key", b"new")
    assert not os.path.islink(path(store, "key"))
    assert target.read_bytes() == b"target"


def test_a_directory_at_the_key(store):
    os.mkdir(path(store, "key"))
    with pytest.raises(PathError) as caught:
        store.write("key", b"")
    assert str(caught.value).startswith("rename ")
    assert str(caught.value).endswith((": file exists", ": is a directory"))
    with pytest.raises(PathError) as caught:
        store.read("key")
    assert str(caught.value) == f"read {path(store, 'key')}: is a directory"
    assert os.listdir(store.directory) == ["key"]
    with open(path(store, "key") + "/inside", "w"):
        pass
    with pytest.raises(PathError) as caught:
        store.delete("key")
    assert str(caught.value) == f"remove {path(store, 'key')}: directory not empty"
    os.unlink(path(store, "key") + "/inside")
    store.delete("key")
    assert os.listdir(store.directory) == []


def test_missing(store):
    with pytest.raises(KeyNotFoundError, match=r"^key is not found$"):
        store.read("key")
    os.symlink("/nonexistent", path(store, "dangling"))
    with pytest.raises(KeyNotFoundError):
        store.read("dangling")
    store.delete("key")
    os.unlink(path(store, "dangling"))
    os.rmdir(store.directory)
    with pytest.raises(KeyNotFoundError):
        store.read("key")
    store.write("key", b"the directory is made again")
    assert store.list() == ["key"]


def test_list_names_whatever_has_no_dot_in_front(store):
    for name in ("b", "a", "not a key", ".1234", ".hidden"):
        with open(path(store, name), "w"):
            pass
    os.mkdir(path(store, "directory"))
    os.symlink("/nonexistent", path(store, "dangling"))
    assert store.list() == ["a", "b", "dangling", "directory", "not a key"]


def test_orphans_stay_for_ever(store):
    with open(path(store, ".1234"), "w"):
        pass
    FileStore(store.directory, "kubelet").write("key", b"")
    assert sorted(os.listdir(store.directory)) == [".1234", "key"]


def failing(monkeypatch, name, number, after=0):
    real, calls = getattr(os, name), []

    def call(*args, **kwargs):
        calls.append(args)
        if len(calls) > after:
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    monkeypatch.setattr(os, name, call)
    return calls


def test_a_full_disk(store, monkeypatch):
    store.write("key", b"old")
    failing(monkeypatch, "write", errno.ENOSPC)
    with pytest.raises(PathError) as caught:
        store.write("key", b"new")
    assert str(caught.value).startswith(f"write {store.directory}/.")
    assert str(caught.value).endswith(": no space left on device")
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert os.listdir(store.directory) == ["key"]
    assert store.read("key") == b"old"


@pytest.mark.parametrize(("name", "operation"), [("fsync", "sync"), ("rename", "rename")])
def test_other_failures_remove_the_temporary_file(store, monkeypatch, name, operation):
    failing(monkeypatch, name, errno.EIO)
    with pytest.raises(PathError, match=rf"^{operation} .*: input/output error$"):
        store.write("key", b"new")
    assert os.listdir(store.directory) == []


def test_close_and_removal_failing_too_are_told(store, monkeypatch):
    real = os.close

    def close(fd):
        real(fd)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "close", close)
    with pytest.raises(OSError, match=r"^close error: "):
        store.write("key", b"v")
    failing(monkeypatch, "write", errno.ENOSPC)
    with pytest.raises(
        OSError, match=r"^failed to close temp file after error write .*; close err"
    ):
        store.write("key", b"v")
    failing(monkeypatch, "unlink", errno.EACCES)
    with pytest.raises(
        OSError,
        match=r'^failed to remove the temporary file \(".*"\) after error .*; remove error: rem',
    ):
        store.write("key", b"v")


def test_short_writes_go_on(store, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:3])))
    store.write("key", b"0123456789")
    assert store.read("key") == b"0123456789"


def test_an_unknown_mode_is_refused(tmp_path):
    with pytest.raises(ValueError, match="hardened and kubelet"):
        FileStore(str(tmp_path), "other")
