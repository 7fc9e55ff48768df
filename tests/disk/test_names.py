"""Names: the two filesystems, directories that move, links, odd names."""

import errno
import os

import pytest

from harness.disk import Machine
from harness.errors import SimulationError


def code(call, *args, **named):
    try:
        call(*args, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


def put(process, path, data=b"x"):
    fd = process.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    process.write(fd, data)
    process.close(fd)


def test_a_process_starts_in_the_mount_and_tmp_is_another_filesystem(process):
    assert process.getcwd() == "/simulated" == Machine.MOUNT
    put(process, "a")
    put(process, "/tmp/b")
    assert process.stat("a").st_dev != process.stat("/tmp/b").st_dev
    assert code(process.rename, "/tmp/b", "c") == "EXDEV"
    assert code(process.link, "a", "/tmp/c") == "EXDEV"
    assert process.stat("a").st_ino != process.stat("/tmp/b").st_ino  # so that a trace can tell
    assert process.listdir("/") == ["simulated", "tmp"]
    assert process.stat("/tmp").st_mode & 0o7777 == 0o1777


def test_the_mounts_cannot_be_changed_or_left(process):
    assert code(process.mkdir, "/other") == "EROFS"
    assert code(process.open, "/file", os.O_CREAT | os.O_WRONLY) == "EROFS"
    assert code(process.rmdir, "/simulated") == "EBUSY"
    assert code(process.rmdir, "/simulated/") == "EBUSY"
    assert code(process.rename, "/simulated", "/tmp/x") == "EXDEV"
    assert code(process.mkdir, "/tmp") == "EEXIST"
    assert code(process.stat, "/etc/passwd") == "ENOENT"
    assert process.stat("../tmp/../simulated").st_ino == process.stat(".").st_ino
    process.symlink("/etc/passwd", "out")
    assert code(process.open, "out", os.O_RDONLY) == "ENOENT"
    assert process.readlink("out") == "/etc/passwd"


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        ("/simulated", True),
        ("/simulated/a/../../tmp/x", True),
        ("/tmp", True),
        ("/", False),
        ("/tmpx", False),
        ("/simulated/../etc", False),
        ("/etc/../simulated/a", True),
        ("a/b", True),
        ("../etc", False),
        ("/proc/self/fd/1048576", True),
        ("/proc/self/fd/1", False),
    ],
)
def test_owns_decides_lexically(path, owned):
    assert Machine().owns(path) is owned


def test_owns_follows_symbolic_links_inside_the_tree(process):
    machine = process.machine
    process.mkdir("d")
    process.symlink("/tmp", "t")
    process.symlink("..", "d/up")
    assert machine.owns("/simulated/t/x")
    # d/up is the mount itself, so one more .. leaves it, though the text says otherwise.
    assert not machine.owns("/simulated/d/up/../etc")
    assert machine.owns("/simulated/d/up/etc")
    assert not machine.owns("/simulated/t/../etc")
    process.symlink("/etc", "out")
    assert machine.owns("/simulated/out/../x")  # the kernel's to answer: ENOENT


def test_a_look_up_never_outlives_the_directory_that_it_went_through(process):
    process.mkdir("d")
    put(process, "/simulated/d/a", b"old")
    process.rename("d", "e")
    assert code(process.stat, "/simulated/d/a") == "ENOENT"
    process.mkdir("d")
    assert process.listdir("/simulated/d") == []
    process.unlink("/simulated/e/a")
    process.rmdir("e")
    process.symlink("d", "e")
    put(process, "/simulated/e/b")
    assert process.listdir("/simulated/d") == ["b"]


def test_a_removed_directory_takes_nothing_new(process):
    process.mkdir("d")
    fd = process.open("d", os.O_RDONLY)
    process.chdir("d")
    process.rmdir("/simulated/d")
    assert code(process.open, "a", os.O_CREAT | os.O_WRONLY) == "ENOENT"
    assert code(process.mkdir, "a", dir_fd=fd) == "ENOENT"
    assert code(process.symlink, "x", "a") == "ENOENT"
    assert code(process.getcwd) == "ENOENT"
    assert process.listdir(fd) == []


def test_rename_of_a_directory_into_itself_and_over_others(process):
    process.mkdir("d")
    process.mkdir("d/e")
    process.mkdir("full")
    put(process, "full/a")
    put(process, "f")
    assert code(process.rename, "d", "d/e/x") == "EINVAL"
    assert code(process.rename, "d/e", "d") == "ENOTEMPTY"
    assert code(process.rename, "d", "full") == "ENOTEMPTY"
    assert code(process.rename, "d", "f") == "ENOTDIR"
    assert code(process.rename, "f", "d") == "EISDIR"
    put(process, "d/e/g")
    assert code(process.rename, "d/e/g", "d") == "ENOTEMPTY"  # an ancestor, whatever moves
    process.mkdir("empty")
    process.rename("full", "empty")
    assert process.listdir("empty") == ["a"]
    assert process.stat("empty/..").st_ino == process.stat(".").st_ino


def test_rename_of_two_names_of_one_file_does_nothing(process):
    put(process, "a")
    process.link("a", "b")
    process.rename("a", "b")
    assert process.listdir(".") == ["a", "b"]
    assert process.stat("a").st_nlink == 2


def test_o_tmpfile_gets_a_name_by_link_unless_exclusive(process):
    fd = process.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    process.write(fd, b"whole")
    assert process.listdir(".") == []
    process.link(f"/proc/self/fd/{fd}", "a", src_dir_fd=fd)
    assert process.stat("a").st_size == 5
    only = process.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
    assert code(process.link, f"/proc/self/fd/{only}", "b", src_dir_fd=only) == "ENOENT"
    gone = process.open("c", os.O_CREAT | os.O_RDWR)
    process.unlink("c")
    assert code(process.link, f"/proc/self/fd/{gone}", "c", src_dir_fd=gone) == "ENOENT"


def test_symbolic_link_loops_and_limits(process):
    process.symlink("b", "a")
    process.symlink("a", "b")
    assert code(process.stat, "a") == "ELOOP"
    assert code(process.open, "a/x", os.O_RDONLY) == "ELOOP"
    assert process.stat("a", follow_symlinks=False).st_size == 1
    assert code(process.mkdir, "x" * 256) == "ENAMETOOLONG"
    assert code(process.mkdir, "é" * 128) == "ENAMETOOLONG"
    process.mkdir("é" * 127 + "x")
    assert code(process.stat, "a/" * 2048) == "ENAMETOOLONG"


def test_names_that_are_not_utf8_go_both_ways(process):
    put(process, b"\xff\xfe")
    assert process.listdir(".") == ["\udcff\udcfe"]
    assert process.stat("\udcff\udcfe").st_size == 1
    process.symlink(b"\xff\xfe", "l")
    assert process.stat("l", follow_symlinks=False).st_size == 2
    assert process.stat("l").st_size == 1


def test_umask_and_modes(process):
    assert process.umask(0o077) == 0o022
    process.mkdir("d", 0o777)
    process.close(process.open("f", os.O_CREAT | os.O_WRONLY, 0o666))
    assert process.stat("d").st_mode & 0o7777 == 0o700
    assert process.stat("f").st_mode & 0o7777 == 0o600
    process.chmod("f", 0)
    process.close(process.open("f", os.O_RDWR))  # root: modes are shown, never a reason to refuse


def test_scandir_says_what_getdents_does(process):
    put(process, "f")
    process.mkdir("d")
    process.symlink("f", "l")
    assert [(name, kind) for name, kind, _ in process.scandir(".")] == [
        ("d", 1),
        ("f", 0),
        ("l", 2),
    ]


def test_only_regular_files_can_be_made_by_mknod(process):
    process.mknod("f", 0o100600)
    assert process.stat("f").st_mode == 0o100600
    for call, args in ((process.mkfifo, ("p",)), (process.mknod, ("p", 0o010600))):
        with pytest.raises(SimulationError, match="files, directories and symbolic links only"):
            call(*args)
    assert process.listdir(".") == ["f"]
