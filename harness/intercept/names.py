"""The calls of ``os`` that take a path, each sent to the simulated process or to the real machine.

A path on the simulated machine goes to the kernel; reading elsewhere is real; changing anything
elsewhere is an escape. Errors carry the very path object that the caller gave, as CPython's do.
"""

# ruff: noqa: FBT001, FBT002 - the signatures are CPython's

from __future__ import annotations

import errno
from _thread import get_ident
from typing import Any

from harness.intercept import real
from harness.intercept.current import ACTIVE, FIRST_DESCRIPTOR
from harness.intercept.paths import aliased, beyond, escape, harmless_device, locate
from harness.intercept.registry import stands_for

__all__: list[str] = []

_os = real.os
_WRITING = _os.O_WRONLY | _os.O_RDWR | _os.O_CREAT | _os.O_TRUNC | _os.O_APPEND


@stands_for("open")
def _open(
    original: Any, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None
) -> int:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path, flags, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]
    at = locate(process, path, dir_fd)
    if at is None:
        if flags & _WRITING and not harmless_device(path):
            escape("os.open", path)
        return original(  # type: ignore[no-any-return]
            beyond(process, path, dir_fd), flags, mode, dir_fd=dir_fd
        )
    try:
        return process.open(at, flags, mode, dir_fd=dir_fd)
    except OSError as error:
        error.filename = path
        raise


@stands_for("stat")
def _stat(
    original: Any, path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True
) -> Any:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
    if type(path) is int:
        return process.fstat(path) if path >= FIRST_DESCRIPTOR else original(path)
    at = locate(process, path, dir_fd)
    if at is None:
        return original(
            beyond(process, path, dir_fd), dir_fd=dir_fd, follow_symlinks=follow_symlinks
        )
    try:
        return process.stat(at, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
    except OSError as error:
        error.filename = path
        raise


@stands_for("lstat")
def _lstat(original: Any, path: Any, *, dir_fd: int | None = None) -> Any:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path, dir_fd=dir_fd)
    at = locate(process, path, dir_fd)
    if at is None:
        return original(beyond(process, path, dir_fd), dir_fd=dir_fd)
    try:
        return process.stat(at, dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        error.filename = path
        raise


@stands_for("access")
def _access(
    original: Any,
    path: Any,
    mode: int,
    *,
    dir_fd: int | None = None,
    effective_ids: bool = False,
    follow_symlinks: bool = True,
) -> bool:
    process = ACTIVE.get(get_ident())
    at = None if process is None else locate(process, path, dir_fd)
    if process is None or at is None:
        if process is not None:
            path = beyond(process, path, dir_fd)
        return original(  # type: ignore[no-any-return]
            path,
            mode,
            dir_fd=dir_fd,
            effective_ids=effective_ids,
            follow_symlinks=follow_symlinks,
        )
    return process.access(at, mode, dir_fd=dir_fd, follow_symlinks=follow_symlinks)


@stands_for("statvfs")
def _statvfs(original: Any, path: Any) -> Any:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path)
    if type(path) is int:
        return process.fstatvfs(path) if path >= FIRST_DESCRIPTOR else original(path)
    at = locate(process, path)
    if at is None:
        return original(beyond(process, path))
    try:
        return process.statvfs(at)
    except OSError as error:
        error.filename = path
        raise


@stands_for("listdir")
def _listdir(original: Any, path: Any = None) -> list[Any]:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path)  # type: ignore[no-any-return]
    if path is None:
        return process.listdir(".")
    if type(path) is int:
        if path < FIRST_DESCRIPTOR:
            return original(path)  # type: ignore[no-any-return]
        return process.listdir(path)
    at = locate(process, path)
    if at is None:
        return original(beyond(process, path))  # type: ignore[no-any-return]
    try:
        names = process.listdir(at)
    except OSError as error:
        error.filename = path
        raise
    if isinstance(path, bytes):
        return [name.encode("utf-8", "surrogateescape") for name in names]
    return names


@stands_for("readlink")
def _readlink(original: Any, path: Any, *, dir_fd: int | None = None) -> Any:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path, dir_fd=dir_fd)
    at = locate(process, path, dir_fd)
    if at is None:
        return original(beyond(process, path, dir_fd), dir_fd=dir_fd)
    try:
        target = process.readlink(at, dir_fd=dir_fd)
    except OSError as error:
        error.filename = path
        raise
    return target.encode("utf-8", "surrogateescape") if isinstance(path, bytes) else target


@stands_for("mkdir")
def _mkdir(original: Any, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]
    at = locate(process, path, dir_fd)
    if at is None:
        escape("os.mkdir", path)
        return original(path, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]
    try:
        return process.mkdir(at, mode, dir_fd=dir_fd)
    except OSError as error:
        error.filename = path
        raise


@stands_for("rmdir")
def _rmdir(original: Any, path: Any, *, dir_fd: int | None = None) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path, dir_fd=dir_fd)  # type: ignore[no-any-return]
    at = locate(process, path, dir_fd)
    if at is None:
        escape("os.rmdir", path)
        return original(path, dir_fd=dir_fd)  # type: ignore[no-any-return]
    try:
        return process.rmdir(at, dir_fd=dir_fd)
    except OSError as error:
        error.filename = path
        raise


@stands_for("unlink", "remove")
def _unlink(original: Any, path: Any, *, dir_fd: int | None = None) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path, dir_fd=dir_fd)  # type: ignore[no-any-return]
    at = locate(process, path, dir_fd)
    if at is None:
        escape("os." + original.__name__, path)
        return original(path, dir_fd=dir_fd)  # type: ignore[no-any-return]
    try:
        return process.unlink(at, dir_fd=dir_fd)
    except OSError as error:
        error.filename = path
        raise


@stands_for("rename", "replace")
def _rename(
    original: Any,
    src: Any,
    dst: Any,
    *,
    src_dir_fd: int | None = None,
    dst_dir_fd: int | None = None,
) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(  # type: ignore[no-any-return]
            src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd
        )
    at_src = locate(process, src, src_dir_fd)
    at_dst = locate(process, dst, dst_dir_fd)
    if at_src is None or at_dst is None:
        escape("os." + original.__name__, src if at_src is None else dst)
        return original(  # type: ignore[no-any-return]
            src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd
        )
    try:
        return process.rename(at_src, at_dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
    except OSError as error:
        error.filename, error.filename2 = src, dst
        raise


@stands_for("link")
def _link(
    original: Any,
    src: Any,
    dst: Any,
    *,
    src_dir_fd: int | None = None,
    dst_dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(  # type: ignore[no-any-return]
            src,
            dst,
            src_dir_fd=src_dir_fd,
            dst_dir_fd=dst_dir_fd,
            follow_symlinks=follow_symlinks,
        )
    at_src = locate(process, src, src_dir_fd)
    at_dst = locate(process, dst, dst_dir_fd)
    if at_src is None or at_dst is None:
        escape("os.link", src if at_src is None else dst)
        raise OSError(errno.EXDEV, _os.strerror(errno.EXDEV), src, None, dst)
    if src_dir_fd is None and dst_dir_fd is None:
        follow_symlinks = False  # CPython calls link(2) then, and Linux's does not follow
    try:
        return process.link(
            at_src,
            at_dst,
            src_dir_fd=src_dir_fd,
            dst_dir_fd=dst_dir_fd,
            follow_symlinks=follow_symlinks,
        )
    except OSError as error:
        error.filename, error.filename2 = src, dst
        raise


@stands_for("symlink")
def _symlink(
    original: Any,
    src: Any,
    dst: Any,
    target_is_directory: bool = False,
    *,
    dir_fd: int | None = None,
) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(  # type: ignore[no-any-return]
            src, dst, target_is_directory, dir_fd=dir_fd
        )
    at = locate(process, dst, dir_fd)
    if at is None:
        escape("os.symlink", dst)
        return original(  # type: ignore[no-any-return]
            src, dst, target_is_directory, dir_fd=dir_fd
        )
    target = _os.fspath(src)
    if isinstance(target, bytes):
        target = target.decode("utf-8", "surrogateescape")
    if target[:1] == "/" and process.machine.aliases:
        target = aliased(process, target)
    try:
        return process.symlink(target, at, dir_fd=dir_fd)
    except OSError as error:
        error.filename, error.filename2 = src, dst
        raise
