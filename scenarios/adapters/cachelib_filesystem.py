"""cachelib's FileSystemCache, which is also Flask-Caching's and Flask-Session's file backend.

Package: cachelib 0.17.0. What it claims: a cache. Its docstring speaks of "the maximum number of
items the cache stores before it starts deleting some"; a lost entry is a miss, so ``durability``
is not claimed. A wrong value or a vanished-and-never-deleted one under an overwrite is not a miss
that anybody agreed to, so ``atomicity`` is.

Write protocol (``FileSystemCache.set``, cachelib/file.py; confirmed by strace)::

    tempfile.mkstemp(suffix=".__wz_cache")     openat(O_RDWR|O_CREAT|O_EXCL)
    f.write(timeout); pickle.dump(value, f)    write, write ...
    close
    os.replace(tmp, filename)                  rename
    os.chmod(filename, 0o600)                  chmod

There is no fsync anywhere. ``get`` turns OSError, EOFError, struct.error and (in its serializer)
PickleError into a miss, logged as a warning. ``delete`` is ``os.remove``.

Expected
- ``kill``: the rename is atomic for a living kernel: everything held.
- ``ordered``: data before the rename: everything claimed held; the last acknowledged writes are
  lost, hence ``durability`` violated, were it claimed.
- ``posix``: the rename may be durable while pages of the file are not. A lost page in the middle
  of a pickled bytes object unpickles without complaint into a value nobody wrote; a lost first page
  is a miss. Culprit: ``self._run_safely(os.replace, tmp, filename)`` without a sync before it.
- ``hygiene``: ``*.__wz_cache`` files of dead writers are never removed (``clear`` skips them too,
  by ``_is_mgmt``): one more for each crash between mkstemp and rename, so unbounded.

Listing: file names are SHA-256 of the key and there is no call that lists keys, so ``listing`` is
not claimed. The adapter answers ``list`` through the documented ``hash_method`` parameter, with a
"hash" that can be turned round; it lists what is there, entries that no longer load included.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from cachelib import FileSystemCache

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "cachelib==0.17.0"

EXPECTED: Expected = {
    "kill": {"atomicity": "held", "recovery": "held"},
    "ordered": {"atomicity": "held", "recovery": "held"},
    "posix": {"atomicity": "violated", "recovery": "held"},
}
UNCLAIMED: Expected = {
    "kill": {"durability": "held"},
    "ordered": {"durability": "violated"},
    "posix": {"durability": "violated"},
}


class _Reversible:
    """Stands in for a hash: hexdigest() is the key itself, spelled in hexadecimal."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def hexdigest(self) -> str:
        return self._data.hex()


class Store:
    """FileSystemCache with neither limit nor expiry, so that nothing goes but what is deleted."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._cache = FileSystemCache(
            directory, threshold=0, default_timeout=0, hash_method=_Reversible
        )

    def write(self, key: str, value: bytes) -> None:
        # set() reports failure by its result; swallowing that would be the adapter's lie.
        if not self._cache.set(key, value):
            raise OSError(f"FileSystemCache.set({key!r}) returned False")

    def read(self, key: str) -> bytes:
        value = self._cache.get(key)
        if value is None:
            raise KeyError(key)
        assert isinstance(value, bytes)
        return value

    def delete(self, key: str) -> None:
        if not self._cache.delete(key):
            raise OSError(f"FileSystemCache.delete({key!r}) returned False")

    def list(self) -> Iterable[str]:
        names = os.listdir(self._directory)
        return [bytes.fromhex(name).decode() for name in names if "." not in name]


@declares(
    guarantees=("atomicity", "recovery", "integrity", "clean-failure", "isolation", "hygiene")
)
def open_store(directory: str) -> Store:
    """Open the cache in a directory."""
    return Store(directory)
