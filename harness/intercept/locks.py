"""``fcntl``: locks, descriptor flags and ioctl on simulated descriptors."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from _thread import get_ident
from typing import Any, Final

from harness.disk import Process
from harness.intercept import real
from harness.intercept.current import ACTIVE, FIRST_DESCRIPTOR
from harness.intercept.paths import as_descriptor, permit_descriptor
from harness.intercept.registry import stands_for

__all__: list[str] = []

_MODULES: Final = ("fcntl",)
_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux, native alignment
_FICLONE: Final = 0x40049409
_LOCK_COMMANDS: Final = frozenset({
    fcntl.F_GETLK, fcntl.F_SETLK, fcntl.F_SETLKW,
    getattr(fcntl, "F_OFD_GETLK", 36), getattr(fcntl, "F_OFD_SETLK", 37),
    getattr(fcntl, "F_OFD_SETLKW", 38),
})  # fmt: skip


def _simulated(fd: Any) -> tuple[Process | None, int]:
    process = ACTIVE.get(get_ident())
    if process is None:
        return None, -1
    descriptor = as_descriptor(fd)
    return (process if descriptor >= FIRST_DESCRIPTOR else None), descriptor


@stands_for("flock", modules=_MODULES)
def _flock(original: Any, fd: Any, operation: int, /) -> None:
    process, descriptor = _simulated(fd)
    if process is None:
        return original(fd, operation)  # type: ignore[no-any-return]
    return process.flock(descriptor, operation)


@stands_for("lockf", modules=_MODULES)
def _lockf(
    original: Any,
    fd: Any,
    cmd: int,
    len: int = 0,  # noqa: A002 - the name is fcntl.lockf's
    start: int = 0,
    whence: int = 0,
    /,
) -> Any:
    process, descriptor = _simulated(fd)
    if process is None:
        return original(fd, cmd, len, start, whence)
    if cmd == fcntl.LOCK_UN:
        kind = fcntl.F_UNLCK
    elif cmd & fcntl.LOCK_SH:
        kind = fcntl.F_RDLCK
    elif cmd & fcntl.LOCK_EX:
        kind = fcntl.F_WRLCK
    else:
        raise ValueError("unrecognized lockf argument")
    command = fcntl.F_SETLK if cmd & fcntl.LOCK_NB else fcntl.F_SETLKW
    process.posix_lock(descriptor, command, kind, start, len, whence)
    return None


@stands_for("lockf")
def _os_lockf(original: Any, fd: int, command: int, length: int, /) -> None:
    process, descriptor = _simulated(fd)
    if process is None:
        return original(fd, command, length)  # type: ignore[no-any-return]
    here = os.SEEK_CUR
    if command == os.F_ULOCK:
        process.posix_lock(descriptor, fcntl.F_SETLK, fcntl.F_UNLCK, 0, length, here)
    elif command == os.F_TEST:
        found = process.posix_lock(descriptor, fcntl.F_GETLK, fcntl.F_WRLCK, 0, length, here)
        if found is not None and found[0] != fcntl.F_UNLCK:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    else:
        blocking = fcntl.F_SETLKW if command == os.F_LOCK else fcntl.F_SETLK
        process.posix_lock(descriptor, blocking, fcntl.F_WRLCK, 0, length, here)
    return None


@stands_for("fcntl", modules=_MODULES)
def _fcntl(original: Any, fd: Any, cmd: int, arg: Any = 0, /) -> Any:
    process, descriptor = _simulated(fd)
    if process is None:
        return original(fd, cmd, arg)
    if cmd not in _LOCK_COMMANDS:
        return process.fcntl(descriptor, cmd, arg)
    data = bytes(memoryview(arg))
    kind, whence, start, length, owner = _FLOCK.unpack(data.ljust(_FLOCK.size, b"\0"))
    found = process.posix_lock(descriptor, cmd, kind, start, length, whence)
    if found is not None:
        kind, whence, start, length, owner = found
    return _FLOCK.pack(kind, whence, start, length, owner)[: len(data)]


@stands_for("ioctl", modules=_MODULES)
def _ioctl(original: Any, fd: Any, request: int, *arguments: Any) -> Any:
    process, descriptor = _simulated(fd)
    if process is None:
        if request == _FICLONE and ACTIVE.get(get_ident()) is not None:
            permit_descriptor("fcntl.ioctl", descriptor)
        return original(fd, request, *arguments)
    # ENOTTY is what a disk file says to a terminal's request, EOPNOTSUPP what a filesystem
    # without reflinks says to FICLONE (ext4; `cp --reflink=auto` then copies).
    number = errno.EOPNOTSUPP if request == _FICLONE else errno.ENOTTY
    raise OSError(number, real.os.strerror(number))
