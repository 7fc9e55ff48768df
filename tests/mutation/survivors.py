"""Mutants that live, each with the argument why.

``equivalent``   keeps every promise, as far as anybody can tell
``concurrency``  is about what others do meanwhile: a matter of `isolation`
``elsewhere``    is about no fault, or not this mode: named tests hold it
``missing``      breaks a promise in a way that no scenario tries yet: it counts against the score
"""

# ruff: noqa: E501 - a name is one line of source, and stays one

from __future__ import annotations

from typing import Final

__all__ = ["KINDS", "SURVIVORS"]

KINDS: Final = ("equivalent", "concurrency", "elsewhere", "missing")

_ARGUMENTS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    (
        "equivalent",
        "Neither statement looks at what the other does.",
        (
            "manager.__init__: swap `self.store = FileStore(directory, mode) / self.mode: Mode = mode`",
            "manager.__init__: swap `self.mode: Mode = mode / self._lock = threading.Lock()`",
            "hardened_files._make_directory: swap `missing = [directory] / there = _parent(directory)`",
            "envelope.unwrap: swap `shown = name.decode('utf-8', 'replace') / raise CorruptCheckpointError(detail=f'written under anoth...`",
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
        "The envelope's CRC has refused the damaged bytes before: two checks, of which one does.",
        (
            "manager.get_checkpoint: always `if self.mode == 'kubelet':`",
            "manager._get_hardened: drop `getattr(scratch, 'verify_checksum_strict', scratch.verify...`",
        ),
    ),
    (
        "missing",
        "A descriptor for each orphan that an opening sweeps: hygiene counts those of operations.",
        (
            "hardened_files._remove_orphan: careless `try:`",
            "hardened_files._remove_orphan: drop `_close(fd)`",
        ),
    ),
    (
        "missing",
        "Shown by repeated power cuts that bring swept files back; hygiene repeats kills.",
        (
            "hardened_files._remove_orphan: drop `return True`",
            "hardened_files._sweep: swap `for name in names: / if removed:`",
            "hardened_files._sweep: never `if removed:`",
            "hardened_files._sweep: drop `_sync_directory(self._directory)`",
        ),
    ),
    (
        "concurrency",
        "Locks matter while somebody else is there: isolation judges them.",
        (
            "hardened_files._remove_orphan: uncaught `try:`",
            "hardened_files._remove_orphan: drop `return False`",
            "hardened_files._remove_orphan: uncaught `try: (2)`",
            "hardened_files._remove_orphan: drop `return False (2)`",
            "hardened_files._sweep: once `for name in names:`",
            "hardened_files.write: drop `flock(directory, LOCK_EX)`",
            "hardened_files.write: swap `flock(directory, LOCK_EX) / os.rename(temporary, self._prefix + key)`",
            "hardened_files._create: drop `flock(fd, LOCK_EX)`",
            "hardened_files._create: swap `flock(fd, LOCK_EX) / kept = os.fstat(fd).st_nlink`",
            "hardened_files._create: always `if kept:`",
            "hardened_files._create: drop `_close(fd) (2)`",
            "hardened_files.read: drop `self._wait_for_writers()`",
            "hardened_files.read: swap `self._wait_for_writers() / raise KeyNotFoundError from None`",
            "hardened_files.read: drop `flock(fd, LOCK_SH)`",
            "hardened_files.read: swap `flock(fd, LOCK_SH) / data = os.read(fd, _CHUNK)`",
            "hardened_files._wait_for_writers: drop `flock(directory, LOCK_SH)`",
            "hardened_files.delete: drop `flock(directory, LOCK_EX)`",
            "hardened_files.delete: swap `flock(directory, LOCK_EX) / with contextlib.suppress(FileNotFoundError):`",
            "hardened_files.list: drop `flock(directory, LOCK_SH)`",
            "hardened_files.list: swap `flock(directory, LOCK_SH) / with os.scandir(self._directory) as entries:`",
            "hardened_files._remove_orphan: drop `flock(fd, LOCK_EX | LOCK_NB)`",
            "hardened_files._remove_orphan: swap `flock(fd, LOCK_EX | LOCK_NB) / mine = os.fstat(fd)`",
            "hardened_files._remove_orphan: never `if mine.st_ino != named.st_ino or not stat.S_ISREG(mine.s...`",
            "hardened_files._remove_orphan: swap `if mine.st_ino != named.st_ino or not stat.S_ISREG(mine.s... / os.unlink(path)`",
            "hardened_files._make_directory: unguard `with contextlib.suppress(FileExistsError):`",
            "manager.create_checkpoint: unguard `with self._lock:`",
            "manager.get_checkpoint: unguard `with self._lock:`",
            "manager.remove_checkpoint: unguard `with self._lock:`",
            "manager.list_checkpoints: unguard `with self._lock:`",
        ),
    ),
    (
        "missing",
        "It takes two failures in one operation: of the write, and of removing what it left. Faults are injected one at a time.",
        (
            "hardened_files._unlink: uncaught `try:`",
            "hardened_files._unlink: drop `return False`",
            "hardened_files.write: never `if self._stray:`",
            "hardened_files.write: drop `self._stray = [path for path in self._stray if not _unlin...`",
            "hardened_files.write: drop `self._stray.append(temporary)`",
            "hardened_files._create: drop `self._stray.append(path)`",
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
        "elsewhere",
        "An invalid key is the caller's mistake, no fault; tests/reference has keys of every kind.",
        (
            "hardened_files.write: drop `check_key(key)`",
            "hardened_files.write: swap `check_key(key) / blob = wrap(key, data)`",
            "hardened_files.read: drop `check_key(key)`",
            "hardened_files.read: swap `check_key(key) / try:`",
            "hardened_files.delete: drop `check_key(key)`",
            "hardened_files.delete: swap `check_key(key) / directory = os.open(self._directory, _DIRECTORY)`",
        ),
    ),
    (
        "equivalent",
        "Only the command `harness verify` asks it; tests/reference does.",
        ("envelope.is_wrapped: drop `return data[:len(MAGIC)] == MAGIC`",),
    ),
    (
        "equivalent",
        "It only says whether a second read is needed; without it one more is made, or the value's own checks refuse.",
        (
            "envelope.size_of: never `if len(data) < HEADER_SIZE:`",
            "envelope.size_of: always `if len(data) < HEADER_SIZE:`",
            "envelope.size_of: swap `if len(data) < HEADER_SIZE: / _, name_size, value_size = _HEAD.unpack_from(data)`",
            "envelope.size_of: drop `return 0`",
            "envelope.size_of: drop `return HEADER_SIZE + int(name_size) + int(value_size)`",
            "hardened_files.read: always `if len(data) == _CHUNK or len(data) != size_of(data):`",
        ),
    ),
    (
        "equivalent",
        "The CRC covers the magic number and both lengths, and the bytes behind them: it refuses what this check does, and an error of another type is a refusal too.",
        (
            "envelope.unwrap_any: never `if len(data) < HEADER_SIZE:`",
            "envelope.unwrap_any: swap `if len(data) < HEADER_SIZE: / magic, name_size, value_size = _HEAD.unpack_from(data)`",
            "envelope.unwrap_any: drop `raise CorruptCheckpointError(detail=f'{len(data)} bytes, ...`",
            "envelope.unwrap_any: never `if magic != MAGIC:`",
            "envelope.unwrap_any: swap `if magic != MAGIC: / body = HEADER_SIZE + name_size`",
            "envelope.unwrap_any: drop `raise CorruptCheckpointError(detail='no envelope: the mag...`",
            "envelope.unwrap_any: never `if len(data) != body + value_size:`",
            "envelope.unwrap_any: swap `if len(data) != body + value_size: / name = data[HEADER_SIZE:body]`",
            "envelope.unwrap_any: drop `raise CorruptCheckpointError(detail=f'{len(data)} bytes, ... (2)`",
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
        "missing",
        "Shown where a directory lists a key before an orphan; the simulated disk lists in the order of names.",
        ("hardened_files.__init__: once `for name in names:`",),
    ),
    (
        "missing",
        "It takes a kill before the directory's own name is durable, and then a failed sync of its parent.",
        (
            "hardened_files.write: swap `_sync_directory(_parent(self._directory)) / self._settled = True`",
        ),
    ),
    (
        "elsewhere",
        "Of the other mode, which tests/reference and its own findings hold to what a kubelet does.",
        (
            "filestore.__init__: never `if mode not in _PROTOCOLS:`",
            "filestore.__init__: drop `raise ValueError(f\"mode {mode!r}: there are {' and '.join...`",
            "filestore.__init__: drop `self.directory: Final = directory`",
            "filestore.__init__: drop `self.mode: Final = mode`",
            "manager.get_checkpoint: never `if self.mode == 'kubelet':`",
            "manager.get_checkpoint: drop `checkpoint.unmarshal(blob)`",
            "manager.get_checkpoint: swap `checkpoint.unmarshal(blob) / checkpoint.verify_checksum()`",
            "manager.get_checkpoint: drop `checkpoint.verify_checksum()`",
        ),
    ),
    (
        "elsewhere",
        "For objects with the three methods alone, which tests/reference has; the subject's checkpoints are the project's own.",
        (
            "manager._get_hardened: never `if adopt:`",
            "manager._get_hardened: always `if adopt:`",
            "manager._get_hardened: drop `checkpoint.unmarshal(blob)`",
            "manager._get_hardened: drop `checkpoint.verify_checksum()`",
        ),
    ),
)
"""Kind, argument, and the mutants it is about."""

SURVIVORS: Final = {name: (kind, why) for kind, why, names in _ARGUMENTS for name in names}
"""Mutant to its kind and the argument."""
