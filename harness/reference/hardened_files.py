"""The file store that keeps what it acknowledged.

What is assumed of the disk is the least that ext4, xfs and btrfs share: no order but fsync's; fsync
of a file brings its data and size, not its name; fsync of a directory brings its names; rename
within a directory is atomic; a new directory is a name in its parent. (Measured on the three;
Pillai et al., OSDI'14, table 1; Rebello et al., ATC'20, for what a failed fsync leaves behind.)

**Write.** A temporary file in the same directory (O_EXCL), all of the bytes, fsync, rename, fsync
of the directory. Until the rename the old value is untouched, and any failure removes the
temporary file and raises. After a failed fsync nothing is retried: the kernel may have dropped
the dirty pages and marked them clean, so that a second fsync would succeed and lie; the next
write starts from a new file. If the directory's fsync fails the rename has happened and cannot
safely be undone (another process may already have replaced it): the write raises, the key reads
the new value, entirely, and after a power cut the old or the new one. Writing again renames
again, which needs no belief in the failed sync. Delete is unlink and the same fsync, also where
the key is gone already, because the one who unlinked it may have died, or failed, before it was
durable.

**Seen means durable.** A reader must not return a value, or an absence, that a power cut can
still take back while its writer lives. Whoever changes names holds an exclusive flock on the
directory until its fsync has returned; a writer also holds one on its own new file from its
creation. A reader takes a shared flock on the file it found, hence waits for that file's writer
and nobody else; who found nothing, or lists, takes a shared flock on the directory. Locks are
only ever taken in the order own new file, directory, and readers hold one at a time: no cycle, no
deadlock.

**Sweep.** A crash leaves a temporary file. Opening the store removes those that nobody holds:
LOCK_EX|LOCK_NB on the file, and only if that succeeds and the name still is that inode, unlink. A
live writer holds its lock, so its file stays. The gap is between its open and its flock: the
sweeper may get the lock first and unlink. So the writer, once it has the lock, looks at its link
count; at zero it lost the race, and takes a new name. From then on no sweeper can get the lock,
and only its owner renames the file; before that the name can't change under the sweeper, since a
writer that does not have the lock does not rename, and O_EXCL lets nobody else take the name. If
the writer is done by the time the sweeper gets its lock, the name is gone, or (drawn anew, 1 in
2**64) another inode.

Not for network filesystems, where flock may mean something else.
"""

from __future__ import annotations

import contextlib
import os
import stat
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from typing import Final

from harness.reference.envelope import size_of, unwrap, wrap
from harness.reference.errors import KeyNotFoundError
from harness.reference.keys import check_key, is_key
from harness.reference.temp import random_uint32

__all__ = ["HardenedFiles"]

_TEMP: Final = ".tmp-"
"""No valid key starts with a dot, so no key can ever be taken for a temporary file."""

_CHUNK: Final = 1 << 17
"""Bytes asked for in one read: more than most values, so that one read does."""

_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""No link is followed, and a FIFO somebody put there does not hang the reader."""

_DIRECTORY: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class HardenedFiles:
    """One directory of the hardened store.

    Args:
        directory: Made, with its parents, if absent.

    Raises:
        OSError: It cannot be made, listed or made durable.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._prefix = directory + "/"
        # Whether the directory's own name is known to be on disk. One that was there already may
        # have been made by a process that died before it could sync, so the first write finds out.
        self._settled = False
        # Temporary files that could not be removed after a failure; tried again at each write.
        self._stray: list[str] = []
        try:
            names = os.listdir(directory)  # noqa: PTH208  one call, no objects
        except FileNotFoundError:
            _make_directory(directory)
            self._settled = True
            return
        for name in names:
            if name.startswith(_TEMP):
                self._sweep(names)
                return

    def _sweep(self, names: list[str]) -> None:
        removed = False
        for name in names:
            if name.startswith(_TEMP):
                removed = _remove_orphan(self._prefix + name) or removed
        if removed:
            # Else a crash could bring them all back, each time one more: unbounded.
            try:
                _sync_directory(self._directory)
            except OSError:
                return  # nothing was promised yet; whoever acknowledges something syncs again

    def write(self, key: str, data: bytes) -> None:
        check_key(key)
        blob = wrap(key, data)
        if self._stray:
            self._stray = [path for path in self._stray if not _unlink(path)]
        temporary, fd = self._create()
        renamed = False
        try:
            rest = memoryview(blob)
            while rest:
                written = os.write(fd, rest)
                if not written:
                    raise OSError("write returned 0: no progress")
                rest = rest[written:]
            os.fsync(fd)
            if not self._settled:
                _sync_directory(_parent(self._directory))
                self._settled = True
            # Opened before the rename: running out of descriptors after it would be too late.
            directory = os.open(self._directory, _DIRECTORY)
            try:
                flock(directory, LOCK_EX)
                os.rename(temporary, self._prefix + key)  # noqa: PTH104
                renamed = True
                os.fsync(directory)
            finally:
                _close(directory)
        finally:
            if not renamed and not _unlink(temporary):
                self._stray.append(temporary)
            _close(fd)

    def _create(self) -> tuple[str, int]:
        """Make a temporary file and lock it, so that no sweeper takes it."""
        while True:
            path = f"{self._prefix}{_TEMP}{random_uint32():08x}{random_uint32():08x}"
            try:
                fd = os.open(path, _CREATE, 0o600)
            except FileExistsError:
                continue
            try:
                flock(fd, LOCK_EX)
                kept = os.fstat(fd).st_nlink
            except BaseException:
                if not _unlink(path):
                    self._stray.append(path)
                _close(fd)
                raise
            if kept:
                return path, fd
            _close(fd)  # swept between open and flock; take another name

    def read(self, key: str) -> bytes:
        check_key(key)
        try:
            fd = os.open(self._prefix + key, _READ)
        except FileNotFoundError:
            self._wait_for_writers()
            raise KeyNotFoundError from None
        try:
            flock(fd, LOCK_SH)
            data = os.read(fd, _CHUNK)
            # A full answer of the right length needs no second read to see the end.
            if len(data) == _CHUNK or len(data) != size_of(data):
                parts = [data]
                while part := os.read(fd, _CHUNK):
                    parts.append(part)
                data = b"".join(parts)
        finally:
            _close(fd)
        return unwrap(key, data)

    def _wait_for_writers(self) -> None:
        """Wait until every change of names that began before is durable."""
        try:
            directory = os.open(self._directory, _DIRECTORY)
        except FileNotFoundError:
            return
        try:
            flock(directory, LOCK_SH)
        finally:
            _close(directory)

    def delete(self, key: str) -> None:
        check_key(key)
        directory = os.open(self._directory, _DIRECTORY)
        try:
            flock(directory, LOCK_EX)
            # Gone already is still to be made durable.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._prefix + key)  # noqa: PTH108
            os.fsync(directory)
        finally:
            _close(directory)

    def list(self) -> list[str]:
        directory = os.open(self._directory, _DIRECTORY)
        try:
            flock(directory, LOCK_SH)
            with os.scandir(self._directory) as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if is_key(entry.name) and entry.is_file(follow_symlinks=False)
                )
        finally:
            _close(directory)


def _close(fd: int) -> None:
    """Close without complaint: what mattered is synced, and the descriptor is free anyway."""
    try:
        os.close(fd)
    except OSError:
        return


def _unlink(path: str) -> bool:
    """Remove a file; tell whether it is gone."""
    try:
        os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _remove_orphan(path: str) -> bool:
    """Remove a temporary file unless somebody holds it (see the module's text); tell if removed."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        flock(fd, LOCK_EX | LOCK_NB)
        mine = os.fstat(fd)
        named = os.lstat(path)
        if mine.st_ino != named.st_ino or not stat.S_ISREG(mine.st_mode):
            return False
        os.unlink(path)  # noqa: PTH108
    except OSError:
        return False  # held, gone, or not to be removed: the next opening tries again
    else:
        return True
    finally:
        _close(fd)


def _parent(directory: str) -> str:
    above = directory.rstrip("/").rpartition("/")[0]
    return above or ("/" if directory.startswith("/") else ".")


def _sync_directory(directory: str) -> None:
    """Make a directory's names durable; where it may not be read, by syncing everything."""
    try:
        fd = os.open(directory, _DIRECTORY)
    except PermissionError:
        os.sync()
        return
    try:
        os.fsync(fd)
    finally:
        _close(fd)


def _make_directory(directory: str) -> None:
    """Make a directory and its missing parents, each durable before the next is made.

    The nearest parent that is there already is made durable, too: whoever made it may have died
    before it could.
    """
    missing = [directory]
    there = _parent(directory)
    while not os.path.isdir(there) and there != _parent(there):  # noqa: PTH112
        missing.append(there)
        there = _parent(there)
    if there != _parent(there):
        _sync_directory(_parent(there))
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)  # noqa: PTH102
        _sync_directory(_parent(path))
