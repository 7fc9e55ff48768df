"""A full disk fills as a real one does, with the prefix that a real one leaves."""

import errno
import os
import random
import shutil
import subprocess

import pytest

from harness.disk import Machine
from harness.image import from_tree

from .programs import RealWorld, World, run

KIB = 1024


def test_a_write_that_does_not_fit_is_short_at_a_block_and_the_next_fails():
    process = Machine(capacity_bytes=64 * KIB).process()
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    assert process.write(fd, b"x" * 100_000) == 65_536
    with pytest.raises(OSError, match="No space left") as failed:
        process.write(fd, b"x")
    assert failed.value.errno == errno.ENOSPC
    assert process.fstat(fd).st_size == 65_536
    process.pwrite(fd, b"y" * 65_536, 0)  # over what is there: always
    process.close(process.open("empty", os.O_CREAT | os.O_WRONLY))  # names cost nothing


def test_room_comes_back_with_the_last_name_and_the_last_descriptor():
    process = Machine(capacity_bytes=8 * KIB).process()
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.write(fd, b"x" * 8 * KIB)
    process.link("a", "b")
    assert process.statvfs(".").f_bfree == 0
    process.unlink("a")
    process.unlink("b")
    assert process.statvfs(".").f_bfree == 0
    process.close(fd)
    assert process.statvfs(".").f_bfree == 2
    fd = process.open("c", os.O_CREAT | os.O_RDWR)
    assert process.write(fd, b"y" * 8 * KIB) == 8 * KIB
    process.ftruncate(fd, 4097)
    assert process.fstatvfs(fd).f_bfree == 0
    process.ftruncate(fd, 4096)
    assert process.fstatvfs(fd).f_bfree == 1
    process.kill()
    assert process.machine.process().statvfs("/simulated").f_bfree == 1


def test_what_the_image_holds_counts():
    image = from_tree({"a": b"x" * 5000, "d/b": b"y", "d/empty": b""})
    process = Machine(image, capacity_bytes=16 * KIB, capacity_inodes=6).process()
    found = process.statvfs(".")
    assert (found.f_blocks, found.f_bfree, found.f_files, found.f_ffree) == (4, 1, 6, 1)
    process.unlink("a")
    found = process.statvfs(".")
    assert (found.f_bfree, found.f_ffree) == (3, 2)


def test_inodes_run_out_for_files_directories_and_links():
    process = Machine(capacity_inodes=2).process()
    process.mkdir("d")
    for call, args in (
        (process.open, ("a", os.O_CREAT | os.O_WRONLY)),
        (process.mkdir, ("e",)),
        (process.symlink, ("x", "l")),
        (process.open, (".", os.O_TMPFILE | os.O_WRONLY)),
    ):
        with pytest.raises(OSError, match="No space left"):
            call(*args)
    process.rmdir("d")
    process.mkdir("e")


def test_fallocate_takes_all_or_nothing():
    process = Machine(capacity_bytes=8 * KIB).process()
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    with pytest.raises(OSError, match="No space left"):
        process.posix_fallocate(fd, 0, 12 * KIB)
    assert process.fstat(fd).st_size == 0
    assert process.statvfs(".").f_bfree == 2
    process.posix_fallocate(fd, 0, 8 * KIB)
    other = process.open("b", os.O_CREAT | os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        process.write(other, b"x")
    assert process.write(fd, b"x" * 8 * KIB) == 8 * KIB  # reserved


def test_damage_keeps_the_books():
    process = Machine(capacity_bytes=16 * KIB).process()
    fd = process.open("a", os.O_CREAT | os.O_RDWR)
    process.write(fd, b"x" * 8 * KIB)
    process.machine.replace_content(process.fstat(fd).st_ino, b"x")
    assert process.statvfs(".").f_bfree == 3


@pytest.fixture
def small_tmpfs(tmp_path):
    """A real tmpfs of 64 KiB."""
    where = tmp_path / "small"
    where.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("needs mount(8): install util-linux")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(where)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"needs to mount a tmpfs (be root, with CAP_SYS_ADMIN): {done.stderr.strip()}")
    old = os.umask(0o022)
    try:
        yield str(where)
    finally:
        os.umask(old)
        subprocess.run(["umount", str(where)], check=True)


def filling(seed):
    """Draw a program that fills 64 KiB several times over."""
    rng = random.Random(seed)
    steps = []
    for _ in range(70):
        name, slot = rng.choice("abcd"), rng.randrange(4)
        data = b"x" * rng.choice([100, 4096, 5000, 20_000, 70_000])
        steps.append(
            rng.choice(
                [
                    ("open", slot, "abs", name, os.O_CREAT | os.O_RDWR, 0o600),
                    ("open", slot, "abs", name, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600),
                    ("write", slot, data),
                    ("write", slot, data),
                    ("writev", slot, (data, b"tail")),
                    ("pwrite", slot, data, rng.choice([0, 3000, 30_000, 200_000])),
                    ("posix_fallocate", slot, 0, rng.choice([4096, 40_000, 80_000])),
                    ("ftruncate", slot, rng.choice([0, 5000, 90_000])),
                    ("copy_file_range", slot, rng.randrange(4), 30_000, 0, 40_000),
                    ("fstat", slot),
                    ("close", slot),
                    ("unlink", "abs", name),
                    ("rename", "abs", name, "abs", rng.choice("abcd")),
                    ("link", "abs", name, "abs", rng.choice("abcd"), False),
                ]
            )
        )
    return steps


def test_a_disk_of_64_kib_fills_as_a_real_tmpfs(small_tmpfs):
    full = 0
    for seed in range(300):
        program = filling(seed)
        base = f"{Machine.MOUNT}/".ljust(len(f"{small_tmpfs}/run"), "r")
        machine = Machine(capacity_bytes=64 * KIB)
        simulated = run(World(machine.process(), base), program)
        world = RealWorld(f"{small_tmpfs}/run")
        try:
            real = run(world, program)
            free = os.statvfs(small_tmpfs).f_bfree
        finally:
            for fd in {*world.fds.values(), world.base_fd}:
                os.close(fd)
            shutil.rmtree(world.base)
        for number, (ours, theirs) in enumerate(zip(simulated, real, strict=True)):
            assert ours == theirs, (seed, program[: number + 1][-1], ours, theirs)
        assert machine.processes[0].statvfs("/simulated").f_bfree == free
        full += any("ENOSPC" in entry for entry in simulated if isinstance(entry, tuple))
    assert full > 200, f"only {full} of 300 programs filled the disk"
