"""Bytes: holes, huge files, shared images, times."""

import errno
import os
import tracemalloc

import pytest

from harness.disk import Machine
from harness.image import from_tree


def test_a_file_of_many_gib_costs_what_its_pages_cost(process):
    tracemalloc.start()
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.pwrite(fd, b"end", 1 << 40)
    process.ftruncate(fd, 1 << 41)
    process.pwrite(fd, b"start", 3)
    assert process.fstat(fd).st_size == 1 << 41
    assert process.fstat(fd).st_blocks == 16
    assert process.pread(fd, 5, 1 << 39) == bytes(5)
    assert process.pread(fd, 4, (1 << 40) - 1) == b"\0end"
    assert process.lseek(fd, 4096, os.SEEK_DATA) == 1 << 40
    assert process.lseek(fd, 0, os.SEEK_HOLE) == 4096
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_bytes_cut_off_do_not_come_back(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    for far in (0, 1 << 22):  # dense, then sparse
        process.pwrite(fd, b"x" * 5000, far)
        process.ftruncate(fd, far + 100)
        process.ftruncate(fd, far + 5000)
        assert process.pread(fd, 5000, far) == b"x" * 100 + bytes(4900)


def test_o_append_goes_to_the_end_that_another_moved(process):
    one = process.open("a", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    two = process.open("a", os.O_WRONLY | os.O_APPEND)
    process.write(one, b"1")
    process.write(two, b"2")
    process.write(one, b"3")
    assert process.pwrite(one, b"4", 0) == 1
    assert process.read(process.open("a", os.O_RDONLY), 9) == b"1234"


def test_buffers_of_every_kind_are_copied(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    mutable = bytearray(b"one")
    process.write(fd, mutable)
    mutable[:] = b"two"
    process.write(fd, memoryview(b"--abc--")[2:5])
    assert process.pread(fd, 9, 0) == b"oneabc"
    into = bytearray(4)
    assert process.lseek(fd, 0, os.SEEK_SET) == 0
    assert process.readinto(fd, into) == 4
    assert into == b"onea"


def test_the_image_is_never_changed():
    image = from_tree({"d/a": b"old bytes", "b": b"b"})
    before = (dict(image.files()), image.dirs())
    process = Machine(image).process()
    fd = process.open("d/a", os.O_RDWR)
    process.pwrite(fd, b"NEW", 2)
    process.truncate("b", 0)
    process.rename("d", "e")
    process.unlink("b")
    process.mkdir("d")
    assert (image.files(), image.dirs()) == before
    after = process.machine.image()
    assert after.files() == {"e/a": b"olNEWytes"}
    assert after.dirs() == ["d", "e"]


def test_pictures_stand_by_themselves(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.write(fd, b"1" * 10)
    first = process.machine.image()
    process.pwrite(fd, b"2", 5)
    second = process.machine.image()
    process.write(fd, b"3")
    assert first.files() == {"a": b"1111111111"}
    assert second.files() == {"a": b"1111121111"}
    assert process.machine.image().files() == {"a": b"11111211113"}


def test_an_image_keeps_links_modes_and_symbolic_links(process):
    process.close(process.open("a", os.O_CREAT | os.O_WRONLY, 0o600))
    process.link("a", "b")
    process.symlink("a", "l")
    process.mkdir("d", 0o700)
    again = Machine(process.machine.image()).process()
    assert again.stat("a").st_nlink == 2
    assert again.stat("a").st_ino == again.stat("b").st_ino
    assert again.stat("a").st_mode & 0o7777 == 0o600
    assert again.stat("d").st_mode & 0o7777 == 0o700
    assert again.readlink("l") == "a"
    again.unlink("a")
    assert again.stat("b").st_nlink == 1
    new = again.open("new", os.O_CREAT | os.O_WRONLY)
    assert again.fstat(new).st_ino not in process.machine.main.nodes


def test_an_unchanged_machine_gives_its_own_image_back():
    image = from_tree({"a": b"x"})
    machine = Machine(image)
    machine.process().stat("a")
    assert machine.image() is image


def test_times_come_from_the_virtual_clock():
    def run():
        machine = Machine()
        process = machine.process()
        fd = process.open("a", os.O_CREAT | os.O_WRONLY)
        first = process.fstat(fd).st_mtime_ns
        process.sleep(2.5)
        process.write(fd, b"x")
        last = process.fstat(fd).st_mtime_ns
        return first, last, machine.clock

    first, last, now = run()
    assert 2_500_000_000 < last - first < 2_500_100_000
    assert now > last
    assert run() == (first, last, now)


def test_stat_is_pinned(process):
    process.close(process.open("a", os.O_CREAT | os.O_WRONLY))
    found = process.stat("a")
    assert (found.st_blksize, found.st_uid, found.st_gid, found.st_rdev) == (4096, 0, 0, 0)
    process.utime("a", (1_500_000_000, 2_500_000_001))
    found = process.stat("a")
    assert (found.st_atime, found.st_mtime_ns, found.st_mtime) == (1.5, 2_500_000_001, 2.500000001)
    assert found[8] == 2


def test_a_write_past_the_largest_size_is_refused(process):
    fd = process.open("a", os.O_CREAT | os.O_WRONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        process.pwrite(fd, b"xx", 2**63 - 2)
    with pytest.raises(OSError, match="File too large") as failed:
        process.pwrite(fd, b"x", 2**63 - 1)
    assert failed.value.errno == errno.EFBIG


def test_extended_attributes_are_not_supported(process):
    with pytest.raises(OSError, match="not supported") as failed:
        process.setxattr(".", "user.x", b"1")
    assert failed.value.errno == errno.ENOTSUP
    with pytest.raises(FileNotFoundError):
        process.getxattr("no", "user.x")


def test_content_replaced_beneath_the_processes(process):
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.write(fd, b"good")
    before = process.fstat(fd)
    process.machine.replace_content(before.st_ino, b"rotten")
    assert process.pread(fd, 9, 0) == b"rotten"
    assert process.fstat(fd).st_mtime_ns == before.st_mtime_ns
    assert process.machine.image().files() == {"a": b"rotten"}
