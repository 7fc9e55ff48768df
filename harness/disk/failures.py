"""The record of a call that should have changed something and failed: what it meant to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from harness import trace
from harness.disk.nodes import Directory, File

if TYPE_CHECKING:
    from harness.disk.core import Core

__all__ = ["failed_record"]


def failed_record(process: Core, call: str, args: tuple[Any, ...]) -> trace.Record | None:
    """Make the record of a call that did nothing, without its error yet.

    Args:
        process: Who called.
        call: Its name in `harness.disk.calls`.
        args: Its arguments, in the table's order.

    Returns:
        The record; None for a call that would have changed nothing a trace shows.
    """
    make = _MAKERS.get(call)
    return None if make is None else make(process, *args)


def _open(
    process: Core, path: Any, flags: int, mode: int, dir_fd: int | None
) -> trace.Record | None:
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        return trace.Create(path=process.trace_path(path, dir_fd) + "/#", mode=mode, unnamed=True)
    shown = process.trace_path(path, dir_fd)
    node = process.peek(path, dir_fd)
    if node is None:
        return trace.Create(path=shown, mode=mode) if flags & os.O_CREAT else None
    if flags & os.O_TRUNC and isinstance(node, File) and node.size:
        return trace.Truncate(path=shown, size=0, ino=node.ino)
    return None


def _write(process: Core, fd: int, *_: Any) -> trace.Record | None:
    return _write_at(process, fd, None)


def _pwrite(process: Core, fd: int, _data: Any, offset: int, *_: Any) -> trace.Record | None:
    return _write_at(process, fd, offset)


def _sendfile(process: Core, fd: int, *_: Any) -> trace.Record | None:
    return _write_at(process, fd, None)


def _copy(
    process: Core, _in: int, fd: int, _count: int, _src: int | None, offset: int | None
) -> trace.Record | None:
    return _write_at(process, fd, offset)


def _write_at(process: Core, fd: int, offset: int | None) -> trace.Record | None:
    description = process.fds.get(fd)
    if description is None or not isinstance(description.node, File):
        return None
    node = description.node
    if description.append:
        offset = node.size
    elif offset is None:
        offset = description.position
    return trace.Write(path=description.path(), offset=offset, data=b"", ino=node.ino)


def _fallocate(process: Core, fd: int, offset: int, length: int) -> trace.Record | None:
    description = process.fds.get(fd)
    if description is None or not isinstance(description.node, File):
        return None
    node = description.node
    return trace.Truncate(
        path=description.path(), size=max(node.size, offset + length), ino=node.ino
    )


def _ftruncate(process: Core, fd: int, length: int) -> trace.Record | None:
    description = process.fds.get(fd)
    if description is None:
        return None
    return trace.Truncate(path=description.path(), size=length, ino=description.node.ino)


def _truncate(process: Core, path: Any, length: int) -> trace.Record:
    return trace.Truncate(path=process.trace_path(path), size=length)


def _fsync(process: Core, fd: int) -> trace.Record | None:
    description = process.fds.get(fd)
    if description is None:
        return None
    node = description.node
    return trace.Fsync(path=description.path(), ino=node.ino, dir=isinstance(node, Directory))


def _fdatasync(process: Core, fd: int) -> trace.Record | None:
    description = process.fds.get(fd)
    if description is None:
        return None
    return trace.Fdatasync(path=description.path(), ino=description.node.ino)


def _sync(_process: Core) -> trace.Record:
    return trace.Sync()


def _mkdir(process: Core, path: Any, _mode: int, dir_fd: int | None) -> trace.Record:
    return trace.Mkdir(path=process.trace_path(path, dir_fd))


def _mknod(process: Core, path: Any, mode: int, _device: int, dir_fd: int | None) -> trace.Record:
    return trace.Create(path=process.trace_path(path, dir_fd), mode=mode & 0o7777)


def _rmdir(process: Core, path: Any, dir_fd: int | None) -> trace.Record:
    return trace.Rmdir(path=process.trace_path(path, dir_fd))


def _unlink(process: Core, path: Any, dir_fd: int | None) -> trace.Record:
    return trace.Unlink(path=process.trace_path(path, dir_fd))


def _rename(
    process: Core, src: Any, dst: Any, src_dir_fd: int | None, dst_dir_fd: int | None
) -> trace.Record:
    return trace.Rename(
        src=process.trace_path(src, src_dir_fd), dst=process.trace_path(dst, dst_dir_fd)
    )


def _link(
    process: Core, src: Any, dst: Any, src_dir_fd: int | None, dst_dir_fd: int | None, _: object
) -> trace.Record:
    return trace.Link(
        src=process.trace_path(src, src_dir_fd), dst=process.trace_path(dst, dst_dir_fd)
    )


def _symlink(process: Core, target: Any, path: Any, dir_fd: int | None) -> trace.Record:
    text = target if isinstance(target, str) else os.fsdecode(target)
    return trace.Symlink(target=text, path=process.trace_path(path, dir_fd))


_MAKERS: Final[dict[str, Callable[..., trace.Record | None]]] = {
    "open": _open,
    "write": _write,
    "writev": _write,
    "pwrite": _pwrite,
    "pwritev": _pwrite,
    "sendfile": _sendfile,
    "copy_file_range": _copy,
    "posix_fallocate": _fallocate,
    "ftruncate": _ftruncate,
    "truncate": _truncate,
    "fsync": _fsync,
    "fdatasync": _fdatasync,
    "sync": _sync,
    "mkdir": _mkdir,
    "mknod": _mknod,
    "rmdir": _rmdir,
    "unlink": _unlink,
    "rename": _rename,
    "link": _link,
    "symlink": _symlink,
}
