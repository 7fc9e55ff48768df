"""Mutants that live, each with the argument why.

``equivalent``   keeps every promise, as far as anybody can tell
``missing``      breaks a promise in a way that no scenario tries yet: it counts against the score
"""

# ruff: noqa: E501 - a name is one line of source, and stays one

from __future__ import annotations

from typing import Final

__all__ = ["KINDS", "SURVIVORS"]

KINDS: Final = ("equivalent", "missing")

_ARGUMENTS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    (
        "equivalent",
        "Neither statement looks at what the other does.",
        (
            "manager.__init__: swap `self.store = FileStore(directory, mode) / self.mode: Mode = mode`",
            "manager.__init__: swap `self.mode: Mode = mode / self._lock = threading.Lock()`",
            "hardened_files._make_directory: swap `missing = [directory] / there = _parent(directory)`",
            "envelope.unwrap_any: swap `name = data[HEADER_SIZE:body] / value = data[body:]`",
            "envelope.unwrap_any: swap `value = data[body:] / expected, = _CRC.unpack_from(data, _HEAD.size)`",
            "envelope.unwrap_any: swap `expected, = _CRC.unpack_from(data, _HEAD.size) / actual = zlib.crc32(value, zlib.crc32(name, zlib.crc32(da...`",
            "hardened_files.__init__: swap `self._directory = directory / self._prefix = directory + '/'`",
            "hardened_files.__init__: swap `self._prefix = directory + '/' / self._settled = False`",
            "hardened_files.__init__: swap `self._settled = False / self._stray: list[str] = []`",
            "hardened_files.__init__: swap `_make_directory(directory) / self._settled = True`",
            "hardened_files.__init__: swap `self._settled = True / return`",
            "hardened_files._sweep: swap `removed = False / for name in names:`",
            "hardened_files.write: swap `blob = wrap(key, data) / if self._stray:`",
            "hardened_files.write: swap `if self._stray: / temporary, fd = self._create()`",
            "hardened_files.write: swap `temporary, fd = self._create() / renamed = False`",
            "hardened_files.write: swap `if not written: / rest = rest[written:]`",
            "hardened_files.write: swap `if not renamed and (not _unlink(temporary)): / _close(fd)`",
            "hardened_files._create: swap `if not _unlink(path): / _close(fd)`",
            "hardened_files._remove_orphan: swap `mine = os.fstat(fd) / named = os.lstat(path)`",
            "filestore.__init__: swap `if mode not in _PROTOCOLS: / self.directory: Final = directory`",
            "filestore.__init__: swap `self.directory: Final = directory / self.mode: Final = mode`",
            "filestore.__init__: swap `self.mode: Final = mode / self._files = _PROTOCOLS[mode](directory)`",
            "manager._get_hardened: swap `getattr(scratch, 'verify_checksum_strict', scratch.verify... / adopt = getattr(checkpoint, 'adopt', None)`",
            "manager._get_hardened: swap `checkpoint.unmarshal(blob) / checkpoint.verify_checksum()`",
        ),
    ),
    (
        "equivalent",
        "All of it is synced before the store is opened, in whatever order; nothing is promised before.",
        (
            "hardened_files._make_directory: swap `if there != _parent(there): / for path in reversed(missing):`",
        ),
    ),
    (
        "equivalent",
        "It only says whether a second read is needed; without it one more is made, or the value's own checks refuse.",
        (
            "envelope.size_of: always `if len(data) < HEADER_SIZE:`",
            "envelope.size_of: drop `return HEADER_SIZE + int(name_size) + int(value_size)`",
            "hardened_files.read: always `if len(data) == _CHUNK or len(data) != size_of(data):`",
        ),
    ),
    (
        "equivalent",
        "The CRC covers the magic number and both lengths, and the bytes behind them: it refuses what this check does, and an error of another type is a refusal too.",
        (
            "envelope.unwrap_any: swap `if magic != MAGIC: / body = HEADER_SIZE + name_size`",
            "envelope.unwrap_any: swap `if len(data) != body + value_size: / name = data[HEADER_SIZE:body]`",
        ),
    ),
    (
        "equivalent",
        "After a failed sync of the directory the file to remove has its new name: nothing is removed either way.",
        ("hardened_files.write: swap `renamed = True / os.fsync(directory)`",),
    ),
    (
        "equivalent",
        "One sync more than needed: nothing rests on there being none.",
        (
            "hardened_files.__init__: drop `self._settled = True`",
            "hardened_files._sweep: always `if removed:`",
            "hardened_files.write: swap `os.fsync(fd) / if not self._settled:`",
            "hardened_files.write: always `if not self._settled:`",
            "hardened_files.write: drop `self._settled = True`",
            "hardened_files._make_directory: always `if there != _parent(there):`",
        ),
    ),
    (
        "equivalent",
        "The sweep looks at each name itself; to call it for nothing, or twice, does no harm.",
        (
            "hardened_files.__init__: always `if name.startswith(_TEMP):`",
            "hardened_files.__init__: drop `return (2)`",
        ),
    ),
    (
        "equivalent",
        "An opening, or an operation, may raise where a call of it fails; it raises another error, or a file is simply tried again.",
        (
            "hardened_files._sweep: uncaught `try:`",
            "hardened_files._sweep: drop `return`",
            "hardened_files._create: drop `raise`",
            "hardened_files._wait_for_writers: uncaught `try:`",
            "hardened_files._wait_for_writers: drop `return`",
            "hardened_files._close: uncaught `try:`",
            "hardened_files._close: drop `return`",
            "hardened_files._unlink: drop `return True`",
            "hardened_files._unlink: drop `return True (2)`",
            "hardened_files._remove_orphan: drop `return False (3)`",
            "hardened_files._sync_directory: uncaught `try:`",
            "hardened_files._sync_directory: drop `return`",
            "manager.list_checkpoints: uncaught `try:`",
            "manager.list_checkpoints: drop `raise ListError(f'failed to list checkpoint store: {error...`",
        ),
    ),
    (
        "equivalent",
        "A list of nothing to do is gone through: nothing is done.",
        (
            "hardened_files.write: always `if self._stray:`",
            "hardened_files.write: always `if not renamed and (not _unlink(temporary)):`",
            "hardened_files._create: always `if not _unlink(path):`",
        ),
    ),
    (
        "equivalent",
        "write(2) of some bytes to a regular file never returns 0 (POSIX); the check is for a kernel's bug.",
        (
            "hardened_files.write: never `if not written:`",
            "hardened_files.write: drop `raise OSError('write returned 0: no progress')`",
        ),
    ),
    (
        "equivalent",
        "A name is drawn from 2**64: that it is taken, or that two of them are, is not to be waited for.",
        (
            "hardened_files._create: once `while True:`",
            "hardened_files._create: uncaught `try:`",
            "hardened_files._create: drop `continue`",
        ),
    ),
    (
        "equivalent",
        "CPython closes the iterator as soon as nobody holds it.",
        ("hardened_files.list: unguard `with os.scandir(self._directory) as entries:`",),
    ),
    (
        "equivalent",
        "A file is never changed once it has its name: its bytes are the same before the wait and after it.",
        ("hardened_files.read: swap `flock(fd, LOCK_SH) / data = os.read(fd, _CHUNK)`",),
    ),
    (
        "equivalent",
        "Of what fstat gives, the inode's number and kind are used: no lock changes them.",
        (
            "hardened_files._remove_orphan: swap `flock(fd, LOCK_EX | LOCK_NB) / mine = os.fstat(fd)`",
        ),
    ),
    (
        "equivalent",
        "It takes an orphan's name that is drawn anew, one in 2**64, between an open and an lstat; where the name is gone, lstat raises.",
        (
            "hardened_files._remove_orphan: never `if mine.st_ino != named.st_ino or not stat.S_ISREG(mine.s...`",
            "hardened_files._remove_orphan: swap `if mine.st_ino != named.st_ino or not stat.S_ISREG(mine.s... / os.unlink(path)`",
            "hardened_files._remove_orphan: drop `return False (2)`",
        ),
    ),
    (
        "equivalent",
        "Wrapping does nothing but compute: the key is refused all the same, and nothing was done.",
        ("hardened_files.write: swap `check_key(key) / blob = wrap(key, data)`",),
    ),
    (
        "equivalent",
        "The same bytes were verified on the copy.",
        ("manager._get_hardened: drop `checkpoint.verify_checksum()`",),
    ),
    (
        "equivalent",
        "The file store below keeps threads apart by itself: each operation locks what it opened.",
        (
            "manager.create_checkpoint: unguard `with self._lock:`",
            "manager.get_checkpoint: unguard `with self._lock:`",
            "manager.remove_checkpoint: unguard `with self._lock:`",
            "manager.list_checkpoints: unguard `with self._lock:`",
        ),
    ),
)
"""Kind, argument, and the mutants it is about."""

SURVIVORS: Final = {name: (kind, why) for kind, why, names in _ARGUMENTS for name in names}
"""Mutant to its kind and the argument."""
