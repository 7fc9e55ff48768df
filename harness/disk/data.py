"""System calls that move bytes or set sizes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from errno import (
    EBADF,
    EFBIG,
    EINVAL,
    EISDIR,
    ENODEV,
    ENXIO,
    EOPNOTSUPP,
    EXDEV,
)

from harness.disk.constants import BLOCK, FILE_SIZE_MAX, WRITE_MAX
from harness.disk.core import Path, failure
from harness.disk.descriptions import Description
from harness.disk.nodes import Directory, File, Refused
from harness.disk.reading import Buffer, ReadCalls
from harness.trace import Fdatasync, Fsync, Sync, Truncate, Write

__all__ = ["DataCalls"]


class DataCalls(ReadCalls):
    """write and its kin, copies, sizes, fsync."""

    __slots__ = ()

    # -- writing -------------------------------------------------------------------------------

    def write(self, fd: int, data: Buffer) -> int:
        """Write at the file offset (at the end with O_APPEND) and move it.

        Returns:
            Bytes written: fewer than given when the disk fills up, at a block boundary.
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("write", self._write, fd, data)  # type: ignore[no-any-return]
        return self._write(fd, data)

    def _write(self, fd: int, data: Buffer) -> int:
        description, node = self._file(fd, write=True)
        at = node.size if description.append else description.position
        count = self._store(description, node, at, data)
        if count:
            description.position = at + count
        return count

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        """Write at ``offset``; with O_APPEND at the end all the same (pwrite(2), BUGS)."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("pwrite", self._pwrite, fd, data, offset)  # type: ignore[no-any-return]
        return self._pwrite(fd, data, offset)

    def _pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        if offset < 0:
            raise failure(EINVAL)
        description, node = self._file(fd, write=True)
        return self._store(description, node, node.size if description.append else offset, data)

    def writev(self, fd: int, buffers: Sequence[Buffer]) -> int:
        """Write several buffers as one."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("writev", self._writev, fd, buffers)  # type: ignore[no-any-return]
        return self._writev(fd, buffers)

    def _writev(self, fd: int, buffers: Sequence[Buffer]) -> int:
        return self._write(fd, b"".join(map(bytes, buffers)))

    def pwritev(self, fd: int, buffers: Sequence[Buffer], offset: int, flags: int = 0) -> int:
        """Write several buffers as one at ``offset``; RWF_APPEND, RWF_SYNC and RWF_DSYNC count.

        An offset of -1 is the file offset, which then moves (pwritev2(2)).
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("pwritev", self._pwritev, fd, buffers, offset, flags)  # type: ignore[no-any-return]
        return self._pwritev(fd, buffers, offset, flags)

    def _pwritev(self, fd: int, buffers: Sequence[Buffer], offset: int, flags: int) -> int:
        if flags & ~(os.RWF_SYNC | os.RWF_DSYNC | os.RWF_HIPRI | _RWF_APPEND):
            raise failure(EOPNOTSUPP)
        if offset < -1:
            raise failure(EINVAL)
        description, node = self._file(fd, write=True)
        if description.append or flags & _RWF_APPEND:
            at = node.size
        else:
            at = description.position if offset == -1 else offset
        count = self._store(description, node, at, b"".join(map(bytes, buffers)))
        if offset == -1 and count:
            description.position = at + count
        if flags & (os.RWF_SYNC | os.RWF_DSYNC) and not description.synced and count:
            self._record_sync(description, node, full=bool(flags & os.RWF_SYNC))
        return count

    def _store(self, description: Description, node: File, at: int, data: Buffer) -> int:
        """Write bytes into a file and record what was written."""
        if type(data) is not bytes:
            data = bytes(data)
        if len(data) > WRITE_MAX:
            data = data[:WRITE_MAX]
        if self._verdict is not None:
            data = data[: self._limited(len(data))]
        if not data:
            return 0
        try:
            count = node.write(at, data, self.machine.clock)
        except Refused as refused:
            raise failure(refused.code) from None
        description.wrote = True
        if self._recording:
            self._emit(Write(path=description.path(), offset=at, data=data[:count], ino=node.ino))
            if description.synced:
                self._record_sync(description, node, full=bool(description.synced & _SYNC_FULL))
        return count

    def _record_sync(self, description: Description, node: File, *, full: bool) -> None:
        # A write with O_SYNC is a write and an fsync in one call; a trace shows both.
        if self._recording:
            kind = Fsync if full else Fdatasync
            self._emit(kind(path=description.path(), ino=node.ino))

    # -- from file to file ---------------------------------------------------------------------

    def sendfile(self, out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
        """Copy up to ``count`` bytes to the offset of ``out_fd``.

        Args:
            out_fd: Written at its file offset.
            in_fd: Read at ``offset``, or at its own file offset, which then moves, if None.
            offset: See in_fd.
            count: Bytes.
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("sendfile", self._sendfile, out_fd, in_fd, offset, count)  # type: ignore[no-any-return]
        return self._sendfile(out_fd, in_fd, offset, count)

    def _sendfile(self, out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
        source = self.fds.get(in_fd)
        if source is None or not source.readable:
            raise failure(EBADF)
        if offset is not None and offset < 0:
            raise failure(EINVAL)
        target = self.fds.get(out_fd)
        if target is None or not target.writable:
            raise failure(EBADF)
        if type(source.node) is not File or type(target.node) is not File or target.append:
            raise failure(EINVAL)
        at = source.position if offset is None else offset
        count = self._limited(min(count, WRITE_MAX))
        # A file sent to itself reads what it has just written, a pipe's 64 KiB at a time. (Where
        # the two ranges overlap, a real splice hands over the very pages it is overwriting, and
        # what comes out depends on the filesystem; this copies.)
        step = _PIPE if source.node is target.node else count
        done = 0
        while done < count:
            data = source.node.read(at + done, min(step, count - done))
            if not data:
                break
            try:
                stored = self._store(target, target.node, target.position, data)
            except OSError:
                if not done:
                    raise
                break
            target.position += stored
            done += stored
            if stored < len(data):
                break
        if offset is None:
            source.position += done
        return done

    def copy_file_range(
        self,
        in_fd: int,
        out_fd: int,
        count: int,
        offset_src: int | None = None,
        offset_dst: int | None = None,
    ) -> int:
        """Copy up to ``count`` bytes between two files of one filesystem."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched(  # type: ignore[no-any-return]
                "copy_file_range",
                self._copy_file_range,
                in_fd,
                out_fd,
                count,
                offset_src,
                offset_dst,
            )
        return self._copy_file_range(in_fd, out_fd, count, offset_src, offset_dst)

    def _copy_file_range(
        self, in_fd: int, out_fd: int, count: int, offset_src: int | None, offset_dst: int | None
    ) -> int:
        if count < 0:
            raise failure(EINVAL)
        source, target = self._description(in_fd), self._description(out_fd)
        if (source.flags | target.flags) & os.O_PATH:
            raise failure(EBADF)
        start = source.position if offset_src is None else offset_src
        to = target.position if offset_dst is None else offset_dst
        # The order of fs/read_write.c: generic_copy_file_checks, generic_file_rw_checks.
        if type(source.node) is Directory or type(target.node) is Directory:
            raise failure(EISDIR)
        if not source.readable or not target.writable or target.append:
            raise failure(EBADF)
        assert isinstance(source.node, File)
        assert isinstance(target.node, File)
        if source.node.volume is not target.node.volume:
            raise failure(EXDEV)
        if start < 0 or to < 0:
            raise failure(EINVAL)
        size = source.node.size
        count = min(count, max(0, size - start), WRITE_MAX)
        if source.node is target.node and start < to + count and to < start + count:
            raise failure(EINVAL)
        done = self._store(target, target.node, to, source.node.read(start, self._limited(count)))
        if offset_src is None:
            source.position += done
        if offset_dst is None:
            target.position += done
        return done

    # -- sizes and offsets ---------------------------------------------------------------------

    def posix_fallocate(self, fd: int, offset: int, length: int) -> None:
        """Allocate blocks for a range, and grow over it.

        In a trace it is a truncate when it grows the file: the new bytes read as zeros either way.
        """
        self.calls += 1
        if self.calls > self._limit:
            self._watched("posix_fallocate", self._posix_fallocate, fd, offset, length)
        else:
            self._posix_fallocate(fd, offset, length)

    def _posix_fallocate(self, fd: int, offset: int, length: int) -> None:
        description = self._description(fd)
        if description.flags & os.O_PATH:
            raise failure(EBADF)
        if offset < 0 or length <= 0:
            raise failure(EINVAL)
        if not description.writable:
            raise failure(EBADF)
        node = description.node
        if type(node) is not File:
            raise failure(EISDIR if type(node) is Directory else ENODEV)
        if offset + length > FILE_SIZE_MAX:
            raise failure(EFBIG)
        before = node.size
        try:
            node.reserve(offset, length, self.machine.clock)
        except Refused as refused:
            raise failure(refused.code) from None
        if self._recording and node.size != before:
            self._emit(Truncate(path=description.path(), size=node.size, ino=node.ino))

    def lseek(self, fd: int, position: int, whence: int) -> int:
        """Move the file offset: SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("lseek", self._lseek, fd, position, whence)  # type: ignore[no-any-return]
        return self._lseek(fd, position, whence)

    def _lseek(self, fd: int, position: int, whence: int) -> int:
        description = self._description(fd)
        if description.flags & os.O_PATH:
            raise failure(EBADF)
        node = description.node
        size = node.size if type(node) is File else 0
        if whence == os.SEEK_SET:
            new = position
        elif whence == os.SEEK_CUR:
            new = description.position + position
        elif whence == os.SEEK_END and type(node) is File:
            new = size + position
        elif whence in (os.SEEK_DATA, os.SEEK_HOLE) and type(node) is File:
            if position < 0 or position >= size:
                raise failure(ENXIO)
            found = node.data_from(position) if whence == os.SEEK_DATA else node.hole_from(position)
            if found is None:
                raise failure(ENXIO)
            new = found
        else:
            raise failure(EINVAL)
        if not 0 <= new <= FILE_SIZE_MAX:
            raise failure(EINVAL)
        description.position = new
        return new

    def ftruncate(self, fd: int, length: int) -> None:
        """Set the size of an open file."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("ftruncate", self._ftruncate, fd, length)
        else:
            self._ftruncate(fd, length)

    def _ftruncate(self, fd: int, length: int) -> None:
        if length < 0:
            raise failure(EINVAL)
        description = self._description(fd)
        if description.flags & os.O_PATH:
            raise failure(EBADF)
        node = description.node
        if type(node) is not File or not description.writable:
            raise failure(EINVAL)
        self._resize(node, length, description.path() if self._recording else "")

    def truncate(self, path: Path, length: int) -> None:
        """Set the size of a file by name."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("truncate", self._truncate, path, length)
        else:
            self._truncate(path, length)

    def _truncate(self, path: Path, length: int) -> None:
        names = (path,)
        if length < 0:
            raise failure(EINVAL, path)
        node = self._node(path, None, names, follow=True)
        if type(node) is Directory:
            raise failure(EISDIR, path)
        assert isinstance(node, File)
        self._resize(node, length, self._present_path(node) if self._recording else "", names)

    def _present_path(self, node: File) -> str:
        assert node.home is not None
        return Description(node, node.home, 0, self).path()

    def _resize(self, node: File, length: int, path: str, names: tuple[Path, ...] = ()) -> None:
        try:
            node.resize(length, self.machine.clock)
        except Refused as refused:
            raise failure(refused.code, *names) from None
        if self._recording:
            self._emit(Truncate(path=path, size=length, ino=node.ino))

    # -- durability ----------------------------------------------------------------------------

    def fsync(self, fd: int) -> None:
        """Make a file or a directory durable: here, say so in the trace."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("fsync", self._fsync, fd)
        else:
            self._fsync(fd)

    def _fsync(self, fd: int) -> None:
        description = self._description(fd)
        if description.flags & os.O_PATH:
            raise failure(EBADF)
        if self._recording:
            node = description.node
            self._emit(Fsync(path=description.path(), ino=node.ino, dir=type(node) is Directory))

    def fdatasync(self, fd: int) -> None:
        """Make a file's data and size durable.

        Of a directory it is the same as fsync, and in a trace stands as that.
        """
        self.calls += 1
        if self.calls > self._limit:
            self._watched("fdatasync", self._fdatasync, fd)
        else:
            self._fdatasync(fd)

    def _fdatasync(self, fd: int) -> None:
        description = self._description(fd)
        if type(description.node) is Directory or description.flags & os.O_PATH:
            self._fsync(fd)
        elif self._recording:
            self._emit(Fdatasync(path=description.path(), ino=description.node.ino))

    def sync(self) -> None:
        """Make everything durable."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("sync", self._sync)

    def _sync(self) -> None:
        if self._recording:
            self._emit(Sync())


_SYNC_FULL = os.O_SYNC & ~os.O_DSYNC
"""What O_SYNC asks beyond O_DSYNC."""

_PIPE = 16 * BLOCK
"""Bytes that splice moves at a time (PIPE_DEF_BUFFERS in include/linux/pipe_fs_i.h)."""

_RWF_APPEND = getattr(os, "RWF_APPEND", 0x10)
