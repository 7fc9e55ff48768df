"""The calls of ``os`` that change or ask about a file's attributes, by path or by descriptor."""

from __future__ import annotations

import errno
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from harness.disk import Process
from harness.intercept import real
from harness.intercept.current import ACTIVE, FIRST_DESCRIPTOR
from harness.intercept.paths import beyond, escape, locate, permit_descriptor
from harness.intercept.registry import stands_for

__all__: list[str] = []

_os = real.os


def _changing(
    name: str, by_path: Callable[..., Any], by_descriptor: Callable[..., Any] | None
) -> None:
    """Register the stand-in of a call whose first argument is what it changes.

    Args:
        name: The function in ``os``.
        by_path: Called with process, path and the other arguments.
        by_descriptor: Called with process, descriptor and the other arguments; None where the
            call takes paths only.
    """

    def change(original: Any, path: Any, *args: Any, **options: Any) -> Any:
        process = ACTIVE.get(get_ident())
        if process is None:
            return original(path, *args, **options)
        if by_descriptor is not None and type(path) is int:
            if path < FIRST_DESCRIPTOR:
                permit_descriptor("os." + name, path)
                return original(path, *args, **options)
            return by_descriptor(process, path, *args, **options)
        at = locate(process, path, options.get("dir_fd"))
        if at is None:
            escape("os." + name, path)
            return original(path, *args, **options)
        try:
            return by_path(process, at, *args, **options)
        except OSError as error:
            error.filename = path
            raise

    stands_for(name)(change)


def _utime_arguments(
    process: Process, times: tuple[float, float] | None, ns: tuple[int, int] | None
) -> tuple[int, int] | None:
    if times is not None and ns is not None:
        raise ValueError("utime: you may specify either 'times' or 'ns' but not both")
    del process
    if times is None:
        return ns
    return int(times[0] * 1e9), int(times[1] * 1e9)


def _utime_path(
    process: Process,
    path: str,
    times: tuple[float, float] | None = None,
    *,
    ns: tuple[int, int] | None = None,
    dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    process.utime(
        path,
        _utime_arguments(process, times, ns),
        dir_fd=dir_fd,
        follow_symlinks=follow_symlinks,
    )


def _utime_descriptor(
    process: Process,
    descriptor: int,
    times: tuple[float, float] | None = None,
    *,
    ns: tuple[int, int] | None = None,
) -> None:
    process.futime(descriptor, _utime_arguments(process, times, ns))


_changing("truncate", Process.truncate, Process.ftruncate)
_changing("chmod", Process.chmod, Process.fchmod)
_changing("chown", Process.chown, Process.fchown)
_changing(
    "lchown",
    lambda process, path, uid, gid: process.chown(path, uid, gid, follow_symlinks=False),
    None,
)
_changing("utime", _utime_path, _utime_descriptor)
_changing("mkfifo", Process.mkfifo, None)
_changing("mknod", Process.mknod, None)


def _without_xattrs(name: str, *, changes: bool) -> None:
    """Register the stand-in of an extended attribute call: the simulated disk has none.

    ENOTSUP is what such a filesystem says; ``shutil.copystat`` is written to bear it.
    """

    def call(original: Any, path: Any = None, *args: Any, **options: Any) -> Any:
        process = ACTIVE.get(get_ident())
        if process is None:
            return original(path, *args, **options)
        if type(path) is int:
            inside = path >= FIRST_DESCRIPTOR
        else:
            inside = path is None or locate(process, path) is not None
        if inside:
            if changes:
                process.machine.unmodelled.add("xattr")
            raise OSError(errno.ENOTSUP, _os.strerror(errno.ENOTSUP), path)
        if changes:
            escape("os." + name, path)
        return original(path if type(path) is int else beyond(process, path), *args, **options)

    stands_for(name)(call)


for _name, _changes in (
    ("getxattr", False),
    ("listxattr", False),
    ("setxattr", True),
    ("removexattr", True),
):
    _without_xattrs(_name, changes=_changes)


@stands_for("pathconf", "fpathconf")
def _pathconf(original: Any, path: Any, name: Any) -> Any:
    process = ACTIVE.get(get_ident())
    if process is not None:
        if type(path) is int:
            inside = path >= FIRST_DESCRIPTOR
        else:
            inside = locate(process, path) is not None
        if inside:  # limits are the same on every Linux filesystem that is a profile here
            path = "/"
    return original(path, name)
