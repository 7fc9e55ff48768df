"""The calls of ``os`` that take a descriptor.

A simulated descriptor goes to the process that is active; a real one stays real, and changing a
real file through it is an escape.
"""

# ruff: noqa: FBT001, FBT002 - the signatures are CPython's

from __future__ import annotations

import errno
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from harness.intercept import real
from harness.intercept.current import ACTIVE, FIRST_DESCRIPTOR
from harness.intercept.paths import as_descriptor, permit_descriptor
from harness.intercept.registry import stands_for

__all__: list[str] = []

_os = real.os


@stands_for("close")
def _close(original: Any, fd: int) -> None:
    if fd >= FIRST_DESCRIPTOR:
        process = ACTIVE.get(get_ident())
        if process is not None:
            return process.close(fd)
    return original(fd)  # type: ignore[no-any-return]


@stands_for("read")
def _read(original: Any, fd: int, length: int, /) -> bytes:
    if fd >= FIRST_DESCRIPTOR:
        process = ACTIVE.get(get_ident())
        if process is not None:
            if length < 0:
                raise OSError(errno.EINVAL, _os.strerror(errno.EINVAL))
            return process.read(fd, length)
    return original(fd, length)  # type: ignore[no-any-return]


@stands_for("write")
def _write(original: Any, fd: int, data: Any, /) -> int:
    process = ACTIVE.get(get_ident())
    if process is not None:
        if fd >= FIRST_DESCRIPTOR:
            return process.write(fd, bytes(memoryview(data)))
        permit_descriptor("os.write", fd)
    return original(fd, data)  # type: ignore[no-any-return]


@stands_for("fstat")
def _fstat(original: Any, fd: int) -> Any:
    if fd >= FIRST_DESCRIPTOR:
        process = ACTIVE.get(get_ident())
        if process is not None:
            return process.fstat(fd)
    return original(fd)


@stands_for("lseek")
def _lseek(original: Any, fd: int, position: int, whence: int, /) -> int:
    if fd >= FIRST_DESCRIPTOR:
        process = ACTIVE.get(get_ident())
        if process is not None:
            return process.lseek(fd, position, whence)
    return original(fd, position, whence)  # type: ignore[no-any-return]


@stands_for("fsync")
def _fsync(original: Any, fd: Any) -> None:
    process = ACTIVE.get(get_ident())
    if process is not None:
        fd = as_descriptor(fd)
        if fd >= FIRST_DESCRIPTOR:
            return process.fsync(fd)
    return original(fd)  # type: ignore[no-any-return]


@stands_for("fdatasync")
def _fdatasync(original: Any, fd: Any) -> None:
    process = ACTIVE.get(get_ident())
    if process is not None:
        fd = as_descriptor(fd)
        if fd >= FIRST_DESCRIPTOR:
            return process.fdatasync(fd)
    return original(fd)  # type: ignore[no-any-return]


@stands_for("sync")
def _sync(original: Any) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        original()
    else:
        process.sync()


def _by_descriptor(
    name: str, call: Callable[..., Any] | None = None, *, changes: bool = False
) -> None:
    """Register the stand-in of a call whose first argument is a descriptor.

    Args:
        name: The function in ``os``, and the method of Process unless ``call`` is given.
        call: Called with process, descriptor and the other arguments.
        changes: On a real regular file it is an escape.
    """

    def dispatch(original: Any, fd: Any, *args: Any, **options: Any) -> Any:
        process = ACTIVE.get(get_ident())
        if process is None:
            return original(fd, *args, **options)
        if type(fd) is not int:
            fd = as_descriptor(fd)
        if fd >= FIRST_DESCRIPTOR:
            if call is not None:
                return call(process, fd, *args, **options)
            return getattr(process, name)(fd, *args, **options)
        if changes:
            permit_descriptor("os." + name, fd)
        return original(fd, *args, **options)

    stands_for(name)(dispatch)


def _plain(data: Any) -> bytes:
    return data if type(data) is bytes else bytes(memoryview(data))


def _true(*_: Any) -> bool:
    return True


def _false(*_: Any) -> bool:
    return False


def _nothing(*_: Any) -> None:
    """Advice changes nothing that a store can see."""


def _fails_with(number: int) -> Callable[..., Any]:
    def fail(*_: Any) -> None:
        raise OSError(number, _os.strerror(number))

    return fail


_by_descriptor("pread")
_by_descriptor("readv")
_by_descriptor("readinto")
_by_descriptor(
    "preadv", lambda process, fd, buffers, offset, _=0: process.preadv(fd, buffers, offset)
)
_by_descriptor(
    "pwrite",
    lambda process, fd, data, offset: process.pwrite(fd, _plain(data), offset),
    changes=True,
)
_by_descriptor(
    "writev",
    lambda process, fd, buffers: process.writev(fd, [_plain(data) for data in buffers]),
    changes=True,
)
_by_descriptor(
    "pwritev",
    lambda process, fd, buffers, offset, flags=0: process.pwritev(
        fd, [_plain(data) for data in buffers], offset, flags
    ),
    changes=True,
)
_by_descriptor("ftruncate", changes=True)
_by_descriptor("posix_fallocate", changes=True)
_by_descriptor("fchmod", changes=True)
_by_descriptor("fchown", changes=True)
_by_descriptor("fstatvfs")
_by_descriptor("fchdir")
_by_descriptor("dup")
_by_descriptor("get_inheritable")
_by_descriptor("set_inheritable")
_by_descriptor("isatty", _false)
_by_descriptor("posix_fadvise", _nothing)
_by_descriptor("get_blocking", _true)
_by_descriptor("set_blocking", _nothing)
_by_descriptor("ttyname", _fails_with(errno.ENOTTY))
_by_descriptor("get_terminal_size", _fails_with(errno.ENOTTY))
_by_descriptor("splice", _fails_with(errno.EINVAL))


@stands_for("dup2")
def _dup2(original: Any, fd: int, fd2: int, inheritable: bool = True) -> int:
    process = ACTIVE.get(get_ident())
    if process is None or fd < FIRST_DESCRIPTOR:
        return original(fd, fd2, inheritable)  # type: ignore[no-any-return]
    if fd2 < FIRST_DESCRIPTOR:
        permit_descriptor("os.dup2", fd2)
        raise OSError(errno.EBADF, _os.strerror(errno.EBADF))
    return process.dup2(fd, fd2)


@stands_for("closerange")
def _closerange(original: Any, fd_low: int, fd_high: int, /) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(fd_low, fd_high)  # type: ignore[no-any-return]
    # A store that closes "everything" would close the harness's own descriptors.
    for fd in range(max(fd_low, FIRST_DESCRIPTOR), min(fd_high, FIRST_DESCRIPTOR + 4096)):
        try:
            process.close(fd)
        except OSError:
            continue
    return None


@stands_for("sendfile")
def _sendfile(
    original: Any, out_fd: int, in_fd: int, offset: int | None, count: int, **options: Any
) -> int:
    process = ACTIVE.get(get_ident())
    if process is None or (out_fd < FIRST_DESCRIPTOR and in_fd < FIRST_DESCRIPTOR):
        if process is not None:
            permit_descriptor("os.sendfile", out_fd)
        return original(  # type: ignore[no-any-return]
            out_fd, in_fd, offset, count, **options
        )
    if out_fd >= FIRST_DESCRIPTOR and in_fd >= FIRST_DESCRIPTOR:
        return process.sendfile(out_fd, in_fd, offset, count)
    # Between the two machines the kernel cannot help: read here, write there.
    if in_fd >= FIRST_DESCRIPTOR:
        permit_descriptor("os.sendfile", out_fd)
        data = process.read(in_fd, count) if offset is None else process.pread(in_fd, count, offset)
        return _os.write(out_fd, data)  # type: ignore[no-any-return]
    data = _os.read(in_fd, count) if offset is None else _os.pread(in_fd, count, offset)
    return process.write(out_fd, data) if data else 0


@stands_for("copy_file_range")
def _copy_file_range(
    original: Any,
    src: int,
    dst: int,
    count: int,
    offset_src: int | None = None,
    offset_dst: int | None = None,
) -> int:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(  # type: ignore[no-any-return]
            src, dst, count, offset_src, offset_dst
        )
    if src >= FIRST_DESCRIPTOR and dst >= FIRST_DESCRIPTOR:
        return process.copy_file_range(src, dst, count, offset_src, offset_dst)
    permit_descriptor("os.copy_file_range", dst)
    raise OSError(errno.EXDEV, _os.strerror(errno.EXDEV))
