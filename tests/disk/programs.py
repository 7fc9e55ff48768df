"""Random programs of system calls, run on the simulated machine and on a real tmpfs alike.

A program is a list of steps; a step is a call's name and its arguments, descriptors given as slots.
Running one gives a log: for each step its value or error, and at the end the whole tree.
"""

import errno
import fcntl
import os
import random
import shutil
import stat
import struct
from collections.abc import Callable
from typing import Any

from harness.disk import Machine, Process
from harness.image import DIRECTORY, FILE

Step = tuple[Any, ...]

NAMES = ["a", "b", "c", "d", "e"]
SLOTS = range(5)
OFFSETS = [0, 0, 1, 5, 100, 4095, 4096, 4097, 8192, 10_000, 20_480]
SIZES = [0, 1, 3, 100, 4095, 4096, 4097, 9000]
FAR = [1 << 21, (1 << 21) + 77, 1 << 33]


def _path(rng: random.Random) -> str:
    parts = [rng.choice(NAMES) for _ in range(rng.choice([1, 1, 1, 1, 2, 2, 3]))]
    if rng.random() < 0.12:
        parts.insert(rng.randrange(1, len(parts) + 1), rng.choice([".", ".."]))
    path = rng.choice(["/", "/", "/", "//"]).join(parts)
    if rng.random() < 0.08:
        path += "/"
    if rng.random() < 0.01:
        path = rng.choice([".", "..", "", "x" * 255, "x" * 256, "é" * 128, "./", "/".join("a" * 9)])
    return path


def _where(rng: random.Random) -> tuple[str, str]:
    """A path, and how it is given: absolute or below a directory's descriptor."""
    return rng.choice(["abs", "at"]), _path(rng)


def _flags(rng: random.Random) -> int:
    flags = rng.choice([os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR])
    for flag, chance in (
        (os.O_CREAT, 0.6),
        (os.O_EXCL, 0.15),
        (os.O_TRUNC, 0.2),
        (os.O_APPEND, 0.2),
        (os.O_DIRECTORY, 0.08),
        (os.O_NOFOLLOW, 0.1),
        (os.O_CLOEXEC, 0.5),
        (os.O_PATH, 0.03),
        (os.O_SYNC, 0.03),
    ):
        if rng.random() < chance:
            flags |= flag
    return flags


def _offset(rng: random.Random) -> int:
    if rng.random() < 0.06:
        return rng.choice(FAR)
    return -1 if rng.random() < 0.03 else rng.choice(OFFSETS)


def _data(rng: random.Random) -> bytes:
    return bytes([rng.randrange(1, 256)]) * rng.choice(SIZES)


def _slot(rng: random.Random) -> int:
    return rng.choice(SLOTS)


def _lock(rng: random.Random) -> tuple[int, ...]:
    return (
        rng.choice([fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK]),
        rng.choice([0, 0, 5, 10]),
        rng.choice([0, 5, 10, -3]),
        rng.choice([os.SEEK_SET, os.SEEK_SET, os.SEEK_CUR, os.SEEK_END]),
    )


MAKERS: dict[str, tuple[int, Callable[[random.Random], tuple[Any, ...]]]] = {
    "open": (22, lambda r: (_slot(r), *_where(r), _flags(r), r.choice([0o666, 0o600, 0o777]))),
    "tmpfile": (3, lambda r: (_slot(r), *_where(r), r.choice([0, os.O_EXCL]))),
    "close": (6, lambda r: (_slot(r),)),
    "read": (6, lambda r: (_slot(r), r.choice([0, 1, 50, 5000, 70_000]))),
    "pread": (3, lambda r: (_slot(r), r.choice([1, 50, 5000]), _offset(r))),
    "readv": (2, lambda r: (_slot(r), (r.choice([0, 3, 4096]), r.choice([1, 10])))),
    "preadv": (2, lambda r: (_slot(r), (r.choice([0, 3, 4096]), 10), _offset(r))),
    "write": (12, lambda r: (_slot(r), _data(r))),
    "pwrite": (6, lambda r: (_slot(r), _data(r), _offset(r))),
    "writev": (3, lambda r: (_slot(r), (_data(r), _data(r)))),
    "pwritev": (2, lambda r: (_slot(r), (_data(r), _data(r)), _offset(r), r.choice([0, 0, 2, 16]))),
    "lseek": (6, lambda r: (_slot(r), _offset(r), r.choice([0, 1, 2, 3, 4, 9]))),
    "ftruncate": (4, lambda r: (_slot(r), _offset(r))),
    "truncate": (3, lambda r: (_path(r), _offset(r))),
    "posix_fallocate": (3, lambda r: (_slot(r), r.choice(OFFSETS), r.choice([*SIZES, -1]))),
    "sendfile": (3, lambda r: (_slot(r), _slot(r), r.choice([None, 0, 5, 4096]), r.choice(SIZES))),
    "copy_file_range": (
        3,
        lambda r: (
            _slot(r),
            _slot(r),
            r.choice(SIZES),
            r.choice([None, None, 0, 4096]),
            r.choice([None, None, 0, 5, 8192]),
        ),
    ),
    "fsync": (1, lambda r: (_slot(r),)),
    "fdatasync": (1, lambda r: (_slot(r),)),
    "stat": (6, lambda r: (*_where(r), r.choice([True, False]))),
    "fstat": (5, lambda r: (_slot(r),)),
    "access": (1, lambda r: (*_where(r), r.choice([os.F_OK, os.R_OK, os.X_OK]))),
    "chmod": (2, lambda r: (*_where(r), r.choice([0o600, 0o644, 0o4755, 0]))),
    "fchmod": (1, lambda r: (_slot(r), r.choice([0o600, 0o755]))),
    "utime": (1, lambda r: (*_where(r), r.choice([(5, 6), (0, 10**18)]))),
    "mkdir": (10, lambda r: (*_where(r), r.choice([0o777, 0o700, 0o7777]))),
    "rmdir": (4, _where),
    "unlink": (6, _where),
    "rename": (12, lambda r: (*_where(r), *_where(r))),
    "link": (5, lambda r: (*_where(r), *_where(r), r.choice([True, False]))),
    "linkfd": (3, lambda r: (_slot(r), *_where(r))),
    "symlink": (
        6,
        lambda r: (
            r.choice([_path(r), _path(r), "ROOT/w/" + r.choice(NAMES), "a" * 200]),
            *_where(r),
        ),
    ),
    "readlink": (3, _where),
    "listdir": (4, lambda r: (_path(r),)),
    "listfd": (2, lambda r: (_slot(r),)),
    "scandir": (2, lambda r: (_path(r),)),
    "dup": (3, lambda r: (_slot(r), _slot(r))),
    "dup2": (2, lambda r: (_slot(r), _slot(r))),
    "getfl": (2, lambda r: (_slot(r),)),
    "setfl": (2, lambda r: (_slot(r), r.choice([0, os.O_APPEND, os.O_NONBLOCK]))),
    "getfd": (1, lambda r: (_slot(r),)),
    "setfd": (1, lambda r: (_slot(r), r.choice([0, 1]))),
    "flock": (
        3,
        lambda r: (_slot(r), r.choice([fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN, 64]) | 4),
    ),
    "ofd_set": (3, lambda r: (_slot(r), *_lock(r))),
    "ofd_get": (1, lambda r: (_slot(r), *_lock(r))),
    "posix_set": (1, lambda r: (_slot(r), *_lock(r))),
}

_KINDS = list(MAKERS)
_WEIGHTS = [MAKERS[kind][0] for kind in _KINDS]


def make_program(seed: int) -> list[Step]:
    """Draw a program: 5 to 25 steps over a handful of names and descriptors."""
    rng = random.Random(seed)
    count = rng.randint(5, 25)
    return [(kind, *MAKERS[kind][1](rng)) for kind in rng.choices(_KINDS, _WEIGHTS, k=count)]


class World:
    """Where a program runs: descriptors by slot, paths below ``base``."""

    def __init__(self, calls: Any, base: str) -> None:
        self.calls = calls
        self.base = base
        self.fds: dict[int, int] = {}
        if base != Machine.MOUNT:
            calls.mkdir(base, 0o755)
        calls.mkdir(base + "/w", 0o755)
        self.base_fd = calls.open(base + "/w", os.O_RDONLY | os.O_DIRECTORY)

    def place(self, how: str, path: str, key: str = "dir_fd") -> tuple[str, dict[str, int]]:
        if how == "abs":
            return f"{self.base}/w/{path}", {}
        return path, {key: self.base_fd}

    def fd(self, slot: int) -> int:
        return self.fds.get(slot, 2**30)  # a slot that is not open: EBADF

    def bind(self, slot: int, fd: int) -> str:
        old = self.fds.pop(slot, None)
        if old is not None:
            self.calls.close(old)
        self.fds[slot] = fd
        return "fd"

    def step(self, step: Step) -> Any:
        try:
            value = getattr(self, "do_" + step[0])(*step[1:])
        except OSError as error:
            names = [self.plain(name) for name in (error.filename, error.filename2)]
            return (
                type(error).__name__,
                errno.errorcode.get(error.errno or 0),
                error.strerror,
                *names,
            )
        return self.plain(value)

    def plain(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(self.base, "ROOT")
        if isinstance(value, os.stat_result):
            return facts(value)
        return value

    def do_open(self, slot: int, how: str, path: str, flags: int, mode: int) -> str:
        where, at = self.place(how, path)
        return self.bind(slot, self.calls.open(where, flags, mode, **at))

    def do_tmpfile(self, slot: int, how: str, path: str, flags: int) -> str:
        where, at = self.place(how, path)
        return self.bind(
            slot, self.calls.open(where, os.O_TMPFILE | os.O_RDWR | flags, 0o640, **at)
        )

    def do_close(self, slot: int) -> None:
        fd = self.fd(slot)
        self.fds.pop(slot, None)
        return self.calls.close(fd)

    def do_read(self, slot: int, n: int) -> bytes:
        return self.calls.read(self.fd(slot), n)

    def do_pread(self, slot: int, n: int, offset: int) -> bytes:
        return self.calls.pread(self.fd(slot), n, offset)

    def do_readv(self, slot: int, sizes: tuple[int, ...]) -> Any:
        buffers = [bytearray(size) for size in sizes]
        return self.calls.readv(self.fd(slot), buffers), buffers

    def do_preadv(self, slot: int, sizes: tuple[int, ...], offset: int) -> Any:
        buffers = [bytearray(size) for size in sizes]
        return self.calls.preadv(self.fd(slot), buffers, offset, 0), buffers

    def do_write(self, slot: int, data: bytes) -> int:
        return self.calls.write(self.fd(slot), data)

    def do_pwrite(self, slot: int, data: bytes, offset: int) -> int:
        return self.calls.pwrite(self.fd(slot), data, offset)

    def do_writev(self, slot: int, buffers: tuple[bytes, ...]) -> int:
        return self.calls.writev(self.fd(slot), list(buffers))

    def do_pwritev(self, slot: int, buffers: tuple[bytes, ...], offset: int, flags: int) -> int:
        return self.calls.pwritev(self.fd(slot), list(buffers), offset, flags)

    def do_lseek(self, slot: int, position: int, whence: int) -> int:
        return self.calls.lseek(self.fd(slot), position, whence)

    def do_ftruncate(self, slot: int, length: int) -> None:
        return self.calls.ftruncate(self.fd(slot), length)

    def do_truncate(self, path: str, length: int) -> None:
        return self.calls.truncate(f"{self.base}/w/{path}", length)

    def do_posix_fallocate(self, slot: int, offset: int, length: int) -> None:
        return self.calls.posix_fallocate(self.fd(slot), offset, length)

    def do_sendfile(self, out: int, in_: int, offset: int | None, count: int) -> int:
        return self.calls.sendfile(self.fd(out), self.fd(in_), offset, count)

    def do_copy_file_range(self, in_: int, out: int, count: int, *offsets: int | None) -> int:
        return self.calls.copy_file_range(self.fd(in_), self.fd(out), count, *offsets)

    def do_fsync(self, slot: int) -> None:
        return self.calls.fsync(self.fd(slot))

    def do_fdatasync(self, slot: int) -> None:
        return self.calls.fdatasync(self.fd(slot))

    def do_stat(self, how: str, path: str, follow: object) -> os.stat_result:
        where, at = self.place(how, path)
        return self.calls.stat(where, follow_symlinks=bool(follow), **at)

    def do_fstat(self, slot: int) -> os.stat_result:
        return self.calls.fstat(self.fd(slot))

    def do_access(self, how: str, path: str, mode: int) -> bool:
        where, at = self.place(how, path)
        return self.calls.access(where, mode, **at)

    def do_chmod(self, how: str, path: str, mode: int) -> None:
        where, at = self.place(how, path)
        return self.calls.chmod(where, mode, **at)

    def do_fchmod(self, slot: int, mode: int) -> None:
        return self.calls.fchmod(self.fd(slot), mode)

    def do_utime(self, how: str, path: str, times: tuple[int, int]) -> Any:
        where, at = self.place(how, path)
        self.utime(where, times, at)
        found = self.calls.stat(where, **at)
        return found.st_mtime_ns

    def utime(self, where: str, times: tuple[int, int], at: dict[str, int]) -> None:
        self.calls.utime(where, times, **at)

    def do_mkdir(self, how: str, path: str, mode: int) -> None:
        where, at = self.place(how, path)
        return self.calls.mkdir(where, mode, **at)

    def do_rmdir(self, how: str, path: str) -> None:
        where, at = self.place(how, path)
        return self.calls.rmdir(where, **at)

    def do_unlink(self, how: str, path: str) -> None:
        where, at = self.place(how, path)
        return self.calls.unlink(where, **at)

    def do_rename(self, how: str, src: str, how2: str, dst: str) -> None:
        old, at = self.place(how, src, "src_dir_fd")
        new, to = self.place(how2, dst, "dst_dir_fd")
        return self.calls.rename(old, new, **at, **to)

    def do_link(self, how: str, src: str, how2: str, dst: str, follow: object) -> None:
        old, at = self.place(how, src, "src_dir_fd")
        new, to = self.place(how2, dst, "dst_dir_fd")
        return self.calls.link(old, new, follow_symlinks=bool(follow), **at, **to)

    def do_linkfd(self, slot: int, how: str, dst: str) -> Any:
        new, to = self.place(how, dst, "dst_dir_fd")
        try:
            self.calls.link(f"/proc/self/fd/{self.fd(slot)}", new, **to)
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    def do_symlink(self, target: str, how: str, path: str) -> None:
        where, at = self.place(how, path)
        return self.calls.symlink(target.replace("ROOT", self.base), where, **at)

    def do_readlink(self, how: str, path: str) -> str:
        where, at = self.place(how, path)
        return self.calls.readlink(where, **at)

    def do_listdir(self, path: str) -> list[str]:
        return sorted(self.calls.listdir(f"{self.base}/w/{path}"))

    def do_listfd(self, slot: int) -> Any:
        try:
            return sorted(self.calls.listdir(self.fd(slot)))
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    def do_scandir(self, path: str) -> list[tuple[str, int]]:
        return self.scandir(f"{self.base}/w/{path}")

    def scandir(self, path: str) -> list[tuple[str, int]]:
        return [(name, kind) for name, kind, _ in self.calls.scandir(path)]

    def do_dup(self, slot: int, to: int) -> str:
        return self.bind(to, self.calls.dup(self.fd(slot)))

    def do_dup2(self, slot: int, to: int) -> Any:
        if to not in self.fds:
            return None
        return self.calls.dup2(self.fd(slot), self.fd(to)) == self.fd(to)

    def do_getfl(self, slot: int) -> int:
        return self.fcntl(self.fd(slot), fcntl.F_GETFL, 0)

    def do_setfl(self, slot: int, flags: int) -> int:
        return self.fcntl(self.fd(slot), fcntl.F_SETFL, flags)

    def do_getfd(self, slot: int) -> int:
        return self.fcntl(self.fd(slot), fcntl.F_GETFD, 0)

    def do_setfd(self, slot: int, flags: int) -> int:
        return self.fcntl(self.fd(slot), fcntl.F_SETFD, flags)

    def do_flock(self, slot: int, operation: int) -> None:
        return self.flock(self.fd(slot), operation)

    def do_ofd_set(self, slot: int, *lock: int) -> Any:
        return self.lock(self.fd(slot), fcntl.F_OFD_SETLK, *lock)

    def do_ofd_get(self, slot: int, *lock: int) -> Any:
        return self.lock(self.fd(slot), fcntl.F_OFD_GETLK, *lock)

    def do_posix_set(self, slot: int, *lock: int) -> Any:
        return self.lock(self.fd(slot), fcntl.F_SETLK, *lock)

    def fcntl(self, fd: int, cmd: int, arg: int) -> int:
        return self.calls.fcntl(fd, cmd, arg)

    def flock(self, fd: int, operation: int) -> None:
        return self.calls.flock(fd, operation)

    def lock(self, fd: int, cmd: int, *lock: int) -> Any:
        return self.calls.posix_lock(fd, cmd, *lock)

    def tree(self) -> dict[str, Any]:
        """Everything below the base: kinds, modes, link counts, sizes, bytes, holes."""
        found: dict[str, Any] = {}
        pending = ["w"] if "w" in self.calls.listdir(self.base) else []  # rmdir("w/") happens
        while pending:
            path = pending.pop()
            where = f"{self.base}/{path}"
            about = self.calls.stat(where, follow_symlinks=False)
            entry: list[Any] = [facts(about)]
            if stat.S_ISDIR(about.st_mode):
                pending += [f"{path}/{name}" for name in self.calls.listdir(where)]
            elif stat.S_ISLNK(about.st_mode):
                entry.append(self.plain(self.calls.readlink(where)))
            else:
                entry.append(self.segments(where, about.st_size))
            found[path] = entry
        return found

    def segments(self, where: str, size: int) -> list[tuple[int, bytes]]:
        calls = self.calls
        fd = calls.open(where, os.O_RDONLY)
        segments = []
        at = 0
        try:
            while at < size:
                try:
                    start = calls.lseek(fd, at, os.SEEK_DATA)
                except OSError:
                    break
                at = calls.lseek(fd, start, os.SEEK_HOLE)
                segments.append((start, calls.pread(fd, at - start, start)))
        finally:
            calls.close(fd)
        return segments


def facts(found: os.stat_result) -> tuple[int, ...]:
    """What two filesystems must agree on."""
    if stat.S_ISDIR(found.st_mode):
        return (found.st_mode,)
    if stat.S_ISLNK(found.st_mode):
        return (found.st_mode, found.st_nlink, found.st_size)
    return (found.st_mode, found.st_nlink, found.st_size, found.st_blocks)


class RealWorld(World):
    """The same calls on the machine that runs the tests."""

    def __init__(self, base: str) -> None:
        super().__init__(os, base)

    def utime(self, where: str, times: tuple[int, int], at: dict[str, int]) -> None:
        os.utime(where, ns=times, **at)

    def scandir(self, path: str) -> list[tuple[str, int]]:
        with os.scandir(path) as entries:
            return sorted((entry.name, _kind(entry)) for entry in entries)

    def fcntl(self, fd: int, cmd: int, arg: int) -> int:
        return fcntl.fcntl(fd, cmd, arg)

    def flock(self, fd: int, operation: int) -> None:
        fcntl.flock(fd, operation)

    def lock(self, fd: int, cmd: int, *lock: int) -> Any:
        kind, start, length, whence = lock
        packed = struct.pack("hhqqi4x", kind, whence, start, length, 0)
        kind, whence, start, length, pid = struct.unpack("hhqqi4x", fcntl.fcntl(fd, cmd, packed))
        return kind, whence, start, length, pid


def _kind(entry: "os.DirEntry[str]") -> int:
    if entry.is_symlink():
        return 2
    return DIRECTORY if entry.is_dir() else FILE


def run(world: World, program: list[Step]) -> list[Any]:
    """Run a program; give its log, the tree last."""
    log = [world.step(step) for step in program]
    log.append(world.tree())
    return log


def run_simulated(program: list[Step], like: str, process: Process | None = None) -> list[Any]:
    """Run on a fresh machine, in a directory whose path is as long as ``like``.

    Lengths show through: in st_size of a symbolic link, in ENAMETOOLONG.
    """
    base = f"{Machine.MOUNT}/".ljust(len(like), "r")
    assert len(base) == len(like)
    return run(World(process or Machine().process(), base), program)


def run_real(program: list[Step], base: str) -> list[Any]:
    world = RealWorld(base)
    try:
        return run(world, program)
    finally:
        for fd in {*world.fds.values(), world.base_fd}:
            os.close(fd)
        shutil.rmtree(base)


def difference(program: list[Step], base: str) -> str | None:
    """Run a program on both; say, readably, where they first differ."""
    simulated, real = run_simulated(program, base), run_real(program, base)
    for number, (ours, theirs) in enumerate(zip(simulated, real, strict=True)):
        if ours != theirs:
            if number == len(program):
                paths = sorted(ours.keys() | theirs.keys())
                path = next(path for path in paths if ours.get(path) != theirs.get(path))
                return _contrast(f"final tree at {path}", ours.get(path), theirs.get(path))
            return _contrast(program[number], ours, theirs)
    return None


def _contrast(what: Any, ours: Any, theirs: Any) -> str:
    return f"{brief(what)}\n  simulated {brief(ours)}\n  tmpfs     {brief(theirs)}"


def brief(value: Any) -> str:
    if isinstance(value, bytes | bytearray) and len(value) > 8 and len(set(value)) == 1:
        return f"{bytes(value[:1])!r} * {len(value)}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(brief, value))})"
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}... ({len(text)})"


def shrink(program: list[Step], base: str) -> str:
    """Drop steps while the two still differ; print what is left."""
    changed = True
    while changed:
        changed = False
        for number in range(len(program) - 1, -1, -1):
            shorter = program[:number] + program[number + 1 :]
            if difference(shorter, base) is not None:
                program, changed = shorter, True
    lines = [f"  {brief(step)}" for step in program]
    return "\n".join([*lines, difference(program, base) or ""])
