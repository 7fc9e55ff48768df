"""System calls that read bytes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from errno import EBADF, EINVAL, EISDIR, EOPNOTSUPP
from typing import Any, TypeAlias

from harness.disk.core import Core, failure
from harness.disk.nodes import File

__all__ = ["Buffer", "ReadCalls"]

Buffer: TypeAlias = bytes | bytearray | memoryview | Any


class ReadCalls(Core):
    """read and its kin.

    Times of access are not kept (the filesystems are mounted noatime).
    """

    __slots__ = ()

    def read(self, fd: int, n: int) -> bytes:
        """Read at most ``n`` bytes at the file offset and move it."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("read", self._read, fd, n)  # type: ignore[no-any-return]
        return self._read(fd, n)

    def _read(self, fd: int, n: int) -> bytes:
        description = self.fds.get(fd)
        if description is None or not description.readable:
            raise failure(EBADF)
        node = description.node
        if type(node) is not File:
            raise failure(EISDIR)
        if n < 0:
            raise failure(EINVAL)
        if self._verdict is not None:
            n = self._limited(n)
        data = node.read(description.position, n)
        description.position += len(data)
        return data

    def readinto(self, fd: int, buffer: Buffer) -> int:
        """Read into a writable buffer; return how many bytes that were."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("readinto", self._readinto, fd, buffer)  # type: ignore[no-any-return]
        return self._readinto(fd, buffer)

    def _readinto(self, fd: int, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._read(fd, len(view))
        view[: len(data)] = data
        return len(data)

    def pread(self, fd: int, n: int, offset: int) -> bytes:
        """Read at most ``n`` bytes at ``offset``; the file offset stays."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("pread", self._pread, fd, n, offset)  # type: ignore[no-any-return]
        return self._pread(fd, n, offset)

    def _pread(self, fd: int, n: int, offset: int) -> bytes:
        if n < 0 or offset < 0:
            raise failure(EINVAL)
        _, node = self._file(fd, write=False)
        if self._verdict is not None:
            n = self._limited(n)
        return node.read(offset, n)

    def readv(self, fd: int, buffers: Sequence[Buffer]) -> int:
        """Read into several buffers in turn."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("readv", self._readv, fd, buffers)  # type: ignore[no-any-return]
        return self._readv(fd, buffers)

    def _readv(self, fd: int, buffers: Sequence[Buffer]) -> int:
        return _scatter(self._read(fd, sum(map(_length, buffers))), buffers)

    def preadv(self, fd: int, buffers: Sequence[Buffer], offset: int, flags: int = 0) -> int:
        """Read into several buffers from ``offset``; the file offset stays.

        An offset of -1 is the file offset, which then moves (preadv2(2)).
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("preadv", self._preadv, fd, buffers, offset, flags)  # type: ignore[no-any-return]
        return self._preadv(fd, buffers, offset, flags)

    def _preadv(self, fd: int, buffers: Sequence[Buffer], offset: int, flags: int) -> int:
        if flags & ~(os.RWF_HIPRI | os.RWF_NOWAIT):
            raise failure(EOPNOTSUPP)
        if offset == -1:
            return self._readv(fd, buffers)
        return _scatter(self._pread(fd, sum(map(_length, buffers)), offset), buffers)

    def _limited(self, count: int) -> int:
        verdict = self._verdict
        if verdict is None or verdict.limit is None:
            return count
        return min(count, verdict.limit)


def _length(buffer: Buffer) -> int:
    return memoryview(buffer).nbytes


def _scatter(data: bytes, buffers: Sequence[Buffer]) -> int:
    """Fill buffers in turn."""
    start = 0
    for buffer in buffers:
        view = memoryview(buffer).cast("B")
        piece = data[start : start + len(view)]
        view[: len(piece)] = piece
        start += len(piece)
    return len(data)
