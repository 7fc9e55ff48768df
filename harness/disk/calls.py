"""Every system call of `Process`, as one table: arguments, what it is about, what it may do.

`Hooks.before` is told of a call by its name and arguments in this table; fault injectors and
schedulers enumerate it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CALLS", "Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """One system call.

    Attributes:
        name: The method of `Process`.
        parameters: Its arguments, by the names that hooks get them under.
        changes: It can change what is on a disk, so it can be in a trace.
        moves: It moves bytes, so a Verdict can limit it.
        paths: Positions of the paths among the parameters, each with that of its dir_fd (or -1).
        descriptors: Positions of the descriptors.
    """

    name: str
    parameters: tuple[str, ...]
    changes: bool = False
    moves: bool = False
    paths: tuple[tuple[int, int], ...] = ()
    descriptors: tuple[int, ...] = ()


def _call(name: str, parameters: str, *, changes: bool = False, moves: bool = False) -> Call:
    names = tuple(parameters.split())
    pairs = {"path": "dir_fd", "src": "src_dir_fd", "dst": "dst_dir_fd"}
    return Call(
        name,
        names,
        changes,
        moves,
        tuple(
            (names.index(path), names.index(at) if at in names else -1)
            for path, at in pairs.items()
            if path in names
        ),
        tuple(names.index(fd) for fd in ("fd", "out_fd", "in_fd") if fd in names),
    )


_ALL = (
    _call("open", "path flags mode dir_fd", changes=True),
    _call("close", "fd", changes=True),
    _call("read", "fd n", moves=True),
    _call("readinto", "fd buffer", moves=True),
    _call("pread", "fd n offset", moves=True),
    _call("readv", "fd buffers", moves=True),
    _call("preadv", "fd buffers offset flags", moves=True),
    _call("write", "fd data", changes=True, moves=True),
    _call("pwrite", "fd data offset", changes=True, moves=True),
    _call("writev", "fd buffers", changes=True, moves=True),
    _call("pwritev", "fd buffers offset flags", changes=True, moves=True),
    _call("sendfile", "out_fd in_fd offset count", changes=True, moves=True),
    _call("copy_file_range", "in_fd out_fd count offset_src offset_dst", changes=True, moves=True),
    _call("posix_fallocate", "fd offset length", changes=True),
    _call("lseek", "fd position whence"),
    _call("ftruncate", "fd length", changes=True),
    _call("truncate", "path length", changes=True),
    _call("fsync", "fd", changes=True),
    _call("fdatasync", "fd", changes=True),
    _call("sync", "", changes=True),
    _call("stat", "path dir_fd follow_symlinks"),
    _call("fstat", "fd"),
    _call("access", "path mode dir_fd follow_symlinks"),
    _call("statvfs", "path"),
    _call("fstatvfs", "fd"),
    _call("chmod", "path mode dir_fd follow_symlinks"),
    _call("fchmod", "fd mode"),
    _call("chown", "path uid gid dir_fd follow_symlinks"),
    _call("fchown", "fd uid gid"),
    _call("utime", "path times_ns dir_fd follow_symlinks"),
    _call("futime", "fd times_ns"),
    _call("getxattr", "path attribute follow_symlinks"),
    _call("setxattr", "path attribute value flags follow_symlinks"),
    _call("removexattr", "path attribute follow_symlinks"),
    _call("listxattr", "path follow_symlinks"),
    _call("mkdir", "path mode dir_fd", changes=True),
    _call("rmdir", "path dir_fd", changes=True),
    _call("unlink", "path dir_fd", changes=True),
    _call("rename", "src dst src_dir_fd dst_dir_fd", changes=True),
    _call("link", "src dst src_dir_fd dst_dir_fd follow_symlinks", changes=True),
    _call("symlink", "target path dir_fd", changes=True),
    _call("mknod", "path mode device dir_fd", changes=True),
    _call("readlink", "path dir_fd"),
    _call("listdir", "path"),
    _call("scandir", "path"),
    _call("dup", "fd"),
    _call("dup2", "fd fd2 inheritable"),
    _call("fcntl", "fd cmd arg"),
    _call("flock", "fd operation"),
    _call("posix_lock", "fd cmd kind start length whence"),
    _call("umask", "mask"),
    _call("getcwd", ""),
    _call("chdir", "path"),
    _call("fchdir", "fd"),
    _call("sleep", "seconds"),
)

CALLS: Final = {call.name: call for call in _ALL}
"""Name to call, every one that `Process` has."""
