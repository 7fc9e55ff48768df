"""A raw file on the simulated machine, under CPython's own buffered and text layers.

It makes the calls that C's ``FileIO`` makes (Modules/_io/fileio.c), in that order, and has its
attributes; what is buffered when, and written in which pieces, is then CPython's doing and not a
copy of it. Only the calls by which C learns what it could know (fstat of what it just opened, the
offset) are look-ups here: they change nothing, cannot fail on a disk file, and later versions of
CPython drop them one by one. A file keeps the process that opened it: one that is collected later,
in another thread or while another process is active, still closes where it belongs.
"""

from __future__ import annotations

import errno
import io
import os
from typing import Any, Final, NoReturn

from harness.disk import Process
from harness.disk.nodes import Directory, File
from harness.errors import CallLimitExceeded, Killed
from harness.intercept.current import FIRST_DESCRIPTOR
from harness.intercept.paths import locate

__all__ = ["FLAGS", "SimulatedFile", "flags_of", "open_descriptor"]

_READ_ALL_BYTES: Final = 8192  # SMALLCHUNK in fileio.c
_BLOCK_SIZE: Final = 4096

_BASE_FLAGS: Final = {
    "r": 0,
    "w": os.O_CREAT | os.O_TRUNC,
    "x": os.O_EXCL | os.O_CREAT,
    "a": os.O_APPEND | os.O_CREAT,
}

FLAGS: Final[dict[str, tuple[int, bool, bool, str]]] = {}
"""Raw mode to open flags, readable, writable, and the ``mode`` attribute."""

for _letter, _base in _BASE_FLAGS.items():
    _plain = (
        _base | os.O_CLOEXEC | (os.O_RDONLY if _letter == "r" else os.O_WRONLY),
        _letter == "r",
        _letter != "r",
        _letter + "b",
    )
    _both = (
        _base | os.O_CLOEXEC | os.O_RDWR,
        True,
        True,
        ("r" if _letter == "w" else _letter) + "b+",
    )
    for _spelling in (_letter, _letter + "b", "b" + _letter):
        FLAGS[_spelling] = _plain
    for _spelling in (_letter + "+", _letter + "b+", _letter + "+b", "b" + _letter + "+"):
        FLAGS[_spelling] = _both


def flags_of(mode: str) -> tuple[int, bool, bool, str]:
    """Parse the mode of a raw file.

    Raises:
        ValueError: As ``FileIO`` says it.
    """
    parsed = FLAGS.get(mode)
    if parsed is not None:
        return parsed
    if not set(mode) <= set("xrwab+"):
        raise ValueError(f"invalid mode: {mode}")
    if sum(letter in "rwax" for letter in mode) != 1 or mode.count("+") > 1:
        raise ValueError(
            "Must have exactly one of create/read/write/append mode and at most one plus"
        )
    letter = next(letter for letter in mode if letter in "rwax")
    return FLAGS[letter + ("+" if "+" in mode else "")]


def open_descriptor(process: Process, file: Any, mode: str, opener: Any) -> int | None:
    """Open what a raw file stands on.

    Args:
        process: The process that is active.
        file: A path, or a descriptor.
        mode: The raw mode.
        opener: As in ``open``; called first, because only its answer tells where the file is.

    Returns:
        A descriptor, simulated or (from an opener) real; None for a path or descriptor that the
        real machine has.
    """
    if isinstance(file, int):
        return file if file >= FIRST_DESCRIPTOR else None
    if opener is not None:
        descriptor = opener(file, flags_of(mode)[0])
        if not isinstance(descriptor, int):
            raise TypeError("expected integer from opener")
        if descriptor < 0:
            raise ValueError(f"opener returned {descriptor}")
        return descriptor
    at = locate(process, file)
    if at is None:
        return None
    try:
        return process.open(at, (FLAGS.get(mode) or flags_of(mode))[0], 0o666)
    except OSError as error:
        error.filename = file
        raise


class SimulatedFile(io.RawIOBase):
    """The raw file object.

    Args:
        process: Whose descriptor it is.
        descriptor: The simulated descriptor.
        name: What was opened: a path as given, or the descriptor.
        mode: The raw mode.
        closefd: Whether closing the object closes the descriptor.
    """

    _finalizing = False
    _blksize = _BLOCK_SIZE
    closefd = True

    def __init__(
        self, process: Process, descriptor: int, name: Any, mode: str, *, closefd: bool = True
    ) -> None:
        _, self._can_read, self._can_write, self.mode = FLAGS.get(mode) or flags_of(mode)
        self._process = process
        self._fd = descriptor
        self.name = name
        if not closefd:
            self.closefd = False
        try:
            description = process.fds.get(descriptor)
            if description is None:
                process.fstat(descriptor)  # says why not
            elif type(description.node) is Directory:
                raise IsADirectoryError(  # noqa: TRY301 - the descriptor is open by now
                    errno.EISDIR, os.strerror(errno.EISDIR), name
                )
            if self.mode[0] == "a":
                process.lseek(descriptor, 0, os.SEEK_END)
        except BaseException:
            # C's FileIO leaves a descriptor that it was given to whoever gave it.
            self._fd = -1
            if closefd and not isinstance(name, int):
                process.close(descriptor)
            super().close()
            raise

    def __repr__(self) -> str:
        if self._fd < 0:
            return "<_io.FileIO [closed]>"
        return f"<_io.FileIO name={self.name!r} mode={self.mode!r} closefd={self.closefd}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError("cannot pickle 'FileIO' instances")

    def _unsupported(self, action: str) -> NoReturn:
        raise io.UnsupportedOperation(f"File not open for {action}")

    def _closed(self) -> NoReturn:
        raise ValueError("I/O operation on closed file")

    def _dealloc_warn(self, source: object) -> None:  # noqa: ARG002
        """Hear from a buffered layer that it is being collected, before it flushes.

        C's FileIO warns here. A warning that depends on when garbage is collected would make runs
        differ; leaked descriptors are the hygiene guarantee's business.
        """
        self._finalizing = True

    def fileno(self) -> int:
        if self._fd < 0:
            self._closed()
        return self._fd

    def readable(self) -> bool:
        if self._fd < 0:
            self._closed()
        return self._can_read

    def writable(self) -> bool:
        if self._fd < 0:
            self._closed()
        return self._can_write

    def seekable(self) -> bool:
        if self._fd < 0:
            self._closed()
        return True

    def isatty(self) -> bool:
        if self._fd < 0:
            self._closed()
        return False

    def readinto(self, buffer: Any, /) -> int:
        if self._fd < 0:
            self._closed()
        if not self._can_read:
            self._unsupported("reading")
        return self._process.readinto(self._fd, buffer)

    def read(self, size: int | None = -1, /) -> bytes:
        if self._fd < 0:
            self._closed()
        if not self._can_read:
            self._unsupported("reading")
        if size is None or size < 0:
            return self.readall()
        return self._process.read(self._fd, size)

    def readall(self) -> bytes:
        if self._fd < 0:
            self._closed()
        if not self._can_read:
            self._unsupported("reading")
        process, descriptor = self._process, self._fd
        description = process.fds.get(descriptor)
        if description is None or type(description.node) is not File:
            return process.read(descriptor, 1)  # says why not
        end, position = description.node.size, description.position
        size = end - position + 1 if end > position else _READ_ALL_BYTES
        data = process.read(descriptor, size)
        if not data:
            return data
        parts = [data]
        have = len(data)
        while True:
            data = process.read(descriptor, max(size - have, _READ_ALL_BYTES))
            if not data:
                return parts[0] if len(parts) == 1 else b"".join(parts)
            parts.append(data)
            have += len(data)

    def write(self, data: Any, /) -> int:
        if self._fd < 0:
            self._closed()
        if not self._can_write:
            self._unsupported("writing")
        data = bytes(data) if type(data) is memoryview else bytes(memoryview(data))
        try:
            return self._process.write(self._fd, data)
        except (Killed, CallLimitExceeded):
            if self._finalizing:  # nobody is there to hear it, and nothing reached the disk
                return len(data)
            raise

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if self._fd < 0:
            self._closed()
        return self._process.lseek(self._fd, offset.__index__(), whence)

    def tell(self) -> int:
        if self._fd < 0:
            self._closed()
        description = self._process.fds.get(self._fd)
        if description is None:
            return self._process.lseek(self._fd, 0, os.SEEK_CUR)  # says why not
        return description.position

    def truncate(self, size: int | None = None, /) -> int:
        if self._fd < 0:
            self._closed()
        if not self._can_write:
            self._unsupported("writing")
        if size is None:
            size = self.tell()
        self._process.ftruncate(self._fd, size)
        return size

    def close(self) -> None:
        descriptor = self._fd
        super().close()
        if descriptor < 0:
            return
        self._fd = -1  # first: a close that fails has freed the descriptor all the same
        if not self.closefd:
            return
        try:
            self._process.close(descriptor)
        except (Killed, CallLimitExceeded):
            if not self._finalizing:
                raise
