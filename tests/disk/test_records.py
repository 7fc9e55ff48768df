"""What a trace holds of each call (DESIGN 4.4)."""

import errno
import os

import pytest

from harness.disk import Hooks, Machine, Verdict
from harness.trace import Create, Fsync, Link, Mkdir, Truncate, Write


@pytest.fixture
def process(log):
    return Machine(hooks=log).process()


def test_the_usual_replace(process, log):
    process.mkdir("store")
    fd = process.open("/simulated/store/tmp", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    process.write(fd, b"new")
    process.fsync(fd)
    process.close(fd)
    process.rename("store/tmp", "store/a")
    at = process.open("store", os.O_RDONLY | os.O_DIRECTORY)
    process.fsync(at)
    process.close(at)
    assert log.shown() == [
        ("mkdir", "store"),
        ("create", "store/tmp"),
        ("write", "store/tmp"),
        ("fsync", "store/tmp"),
        ("close", "store/tmp"),
        ("rename", "store/tmp", "store/a"),
        ("fsync", "store"),
    ]
    mkdir, create, write, fsync, close, _, above = log.records
    assert isinstance(mkdir, Mkdir)
    assert isinstance(create, Create)
    assert create.mode == 0o600
    assert create.ino == write.ino == fsync.ino == close.ino != mkdir.ino == above.ino
    assert (write.offset, write.data, close.wrote) == (0, b"new", True)
    assert (fsync.dir, above.dir) == (False, True)


def test_reads_and_failed_look_ups_are_not_in_it(process, log):
    process.mkdir("d")
    log.records.clear()
    for call, args in (
        (process.mkdir, ("d",)),
        (process.unlink, ("no",)),
        (process.rename, ("no", "b")),
        (process.rmdir, ("no",)),
        (process.open, ("d/no", os.O_RDONLY)),
        (process.open, ("d", os.O_CREAT | os.O_EXCL)),
        (process.truncate, ("no", 0)),
        (process.close, (7,)),
        (process.fsync, (7,)),
    ):
        with pytest.raises(OSError, match=r"exists|No such|Bad file"):
            call(*args)
    process.listdir("d")
    process.stat("d")
    process.close(process.open("d", os.O_RDONLY))
    process.chmod("d", 0o700)
    assert log.shown() == []


def test_o_trunc_is_a_truncate_only_of_content(process, log):
    fd = process.open("a", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    process.open("a", os.O_TRUNC | os.O_WRONLY)
    process.write(fd, b"x")
    process.open("a", os.O_TRUNC | os.O_WRONLY)
    assert log.shown() == [("create", "a"), ("write", "a"), ("truncate", "a")]
    assert isinstance(log.records[-1], Truncate)
    assert log.records[-1].size == 0


def test_close_is_the_last_of_an_open_file_description(process, log):
    fd = process.open("a", os.O_CREAT | os.O_WRONLY)
    other, third = process.dup(fd), process.open("a", os.O_RDONLY)
    process.close(fd)
    process.close(third)
    process.write(other, b"")
    process.close(other)
    assert log.shown() == [("create", "a"), ("close", "a"), ("close", "a")]
    assert [record.wrote for record in log.records[1:]] == [False, False]


def test_everything_that_writes_is_a_write(process, log):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.writev(fd, [b"ab", b"cd"])
    process.pwrite(fd, b"X", 1)
    process.pwritev(fd, [b"Y", b"Z"], 6)
    to = process.open("b", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    out = process.open("b", os.O_WRONLY)
    process.lseek(out, 2, os.SEEK_SET)
    process.sendfile(out, fd, 0, 3)
    process.copy_file_range(fd, out, 4, 4)
    process.write(to, b"end")
    written = [
        (record.path, record.offset, record.data)
        for record in log.records
        if isinstance(record, Write)
    ]
    assert written == [
        ("a", 0, b"abcd"),
        ("a", 1, b"X"),
        ("a", 6, b"YZ"),
        ("b", 2, b"aXc"),
        ("b", 5, b"\0\0YZ"),
        ("b", 9, b"end"),
    ]


def test_sizes(process, log):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.ftruncate(fd, 10)
    process.truncate("a", 3)
    process.posix_fallocate(fd, 0, 2)  # within the size: nothing that a trace shows
    process.posix_fallocate(fd, 1, 9)
    sizes = [record.size for record in log.records if isinstance(record, Truncate)]
    assert sizes == [10, 3, 10]


def test_o_sync_is_a_write_and_a_sync(process, log):
    for flag in (os.O_SYNC, os.O_DSYNC):
        process.write(process.open("a", os.O_CREAT | os.O_WRONLY | flag), b"x")
    assert [name for name, *_ in log.shown()] == ["create", "write", "fsync", "write", "fdatasync"]
    fd = process.open("a", os.O_WRONLY)
    log.records.clear()
    process.pwritev(fd, [b"x"], 0, os.RWF_DSYNC)
    process.fdatasync(fd)
    process.sync()
    assert [name for name, *_ in log.shown()] == ["write", "fdatasync", "fdatasync", "sync"]


def test_an_unnamed_file_has_its_inode_for_a_name(process, log):
    process.mkdir("d")
    fd = process.open("d", os.O_TMPFILE | os.O_WRONLY, 0o600)
    process.write(fd, b"x")
    process.link(f"/proc/self/fd/{fd}", "a", src_dir_fd=fd)
    process.write(fd, b"y")
    _, create, _, link, after = log.records
    assert isinstance(create, Create)
    assert isinstance(link, Link)
    assert create.unnamed
    assert create.path == link.src == f"d/#{create.ino}"
    assert (link.dst, link.ino, after.path) == ("a", create.ino, "a")


def test_paths_are_the_real_ones_now(process, log):
    process.mkdir("d")
    process.symlink("/simulated/d", "l")
    fd = process.open("l/./a", os.O_CREAT | os.O_WRONLY)
    process.rename("d", "e")
    process.write(fd, b"x")
    process.unlink("e/a")
    process.write(fd, b"y")
    process.chdir("e")
    process.mkdir("../f")
    at = process.open(".", os.O_RDONLY)
    process.rename("../f", "g", dst_dir_fd=at)
    root = process.open("/simulated", os.O_RDONLY)
    process.fsync(root)
    tmp = process.open("/tmp/x", os.O_CREAT | os.O_WRONLY)
    process.link("/tmp/x", "/tmp/y")
    top = process.open("/tmp", os.O_RDONLY)
    process.fsync(top)
    process.symlink("x", "/tmp/z")
    assert log.shown() == [
        ("mkdir", "d"),
        ("symlink", "l"),
        ("create", "d/a"),
        ("rename", "d", "e"),
        ("write", "e/a"),
        ("unlink", "e/a"),
        ("write", "e/a"),
        ("mkdir", "f"),
        ("rename", "f", "e/g"),
        ("fsync", "."),
        ("create", "/tmp/x"),
        ("link", "/tmp/x", "/tmp/y"),
        ("fsync", "/tmp"),
        ("symlink", "/tmp/z"),
    ]
    assert isinstance(log.records[9], Fsync)
    numbers = [record.ino for record in log.records if isinstance(record, Create)]
    assert len(set(numbers)) == 2
    assert process.fstat(tmp).st_ino == numbers[1]


def test_a_rename_to_another_filesystem_failed_and_says_so(process, log):
    process.mkdir("d")
    with pytest.raises(OSError, match="cross-device"):
        process.rename("d", "/tmp/d")
    assert log.shown() == [("mkdir", "d"), ("rename", "d", "/tmp/d", "EXDEV")]


class FailEverything(Hooks):
    """Refuse every call that can change something."""

    def __init__(self):
        self.on = False
        self.records = []

    def before(self, _process, _call, **_details):
        if self.on:
            raise OSError(errno.EIO, "")

    def record(self, record):
        if record.error:
            self.records.append(record)


def test_every_call_that_changes_something_is_recorded_when_it_fails():
    hooks = FailEverything()
    process = Machine(hooks=hooks).process()
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.write(fd, b"0123456789")
    before = process.machine.image().files()
    hooks.on = True
    calls = [
        (process.open, ("new", os.O_CREAT | os.O_WRONLY)),
        (process.open, ("a", os.O_TRUNC | os.O_WRONLY)),
        (process.open, (".", os.O_TMPFILE | os.O_WRONLY)),
        (process.write, (fd, b"x")),
        (process.pwrite, (fd, b"x", 3)),
        (process.writev, (fd, [b"x"])),
        (process.pwritev, (fd, [b"x"], 4)),
        (process.sendfile, (fd, fd, 0, 1)),
        (process.copy_file_range, (fd, fd, 1, 0, 20)),
        (process.posix_fallocate, (fd, 0, 20)),
        (process.ftruncate, (fd, 1)),
        (process.truncate, ("a", 1)),
        (process.fsync, (fd,)),
        (process.fdatasync, (fd,)),
        (process.sync, ()),
        (process.mkdir, ("d",)),
        (process.rmdir, ("d",)),
        (process.unlink, ("a",)),
        (process.rename, ("a", "b")),
        (process.link, ("a", "b")),
        (process.symlink, ("a", "b")),
        (process.mknod, ("b",)),
    ]
    for call, args in calls:
        with pytest.raises(OSError, match="Input/output"):
            call(*args)
    hooks.on = False
    assert [type(record).__struct_config__.tag for record in hooks.records] == [
        "create",
        "truncate",
        "create",
        *["write"] * 6,
        "truncate",
        "truncate",
        "truncate",
        "fsync",
        "fdatasync",
        "sync",
        "mkdir",
        "rmdir",
        "unlink",
        "rename",
        "link",
        "symlink",
        "create",
    ]
    writes = [record for record in hooks.records if isinstance(record, Write)]
    assert {record.data for record in writes} == {b""}
    assert [record.offset for record in writes] == [10, 3, 10, 4, 10, 20]
    assert process.machine.image().files() == before


def test_a_verdict_without_effect_on_the_trace_is_still_a_verdict():
    class Once(Hooks):
        def before(self, _process, call, **_details):
            return Verdict(error=errno.EIO) if call == "stat" else None

    process = Machine(hooks=Once()).process()
    with pytest.raises(OSError, match="Input/output") as failed:
        process.stat(".")
    assert failed.value.filename == "."
