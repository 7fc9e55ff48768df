"""CacheControl's FileCache, where an HTTP client (pip and Poetry among them) keeps responses.

Package: CacheControl 0.14.4. What it claims: a cache, of which an entry may go at any time, so
``durability`` is not claimed; of its writing, "Safely write the data to the given path", so a value
that nobody wrote is not what anybody agreed to, and ``atomicity`` is.

Write protocol (``_FileCacheMixin._write``, cachecontrol/caches/file_cache.py; confirmed by
strace)::

    os.makedirs(<d>/6/1/...)                   mkdir ...
    FileLock(path + ".lock")                   openat(O_RDWR|O_TRUNC|O_CREAT); flock
    tempfile.mkstemp(dir=dirname)              openat(O_RDWR|O_CREAT|O_EXCL)
    os.write(fd, data); os.close(fd)           write; close
    os.chmod; os.replace(name, path)           chmod; rename

There is no fsync anywhere. ``delete`` is ``os.remove``.

Expected
- ``kill`` and ``ordered``: everything claimed held: the rename is atomic and follows the data.
- ``posix``: the rename may be durable while pages of the file are not: ``atomicity`` violated at
  ``os.replace(name, path)``.
- ``clean-failure`` violated: ``os.write`` may write less than it was given, and says so by its
  result, which is not looked at: a body cut short takes the place of the old one.
- ``hygiene`` violated: ``mkstemp`` files of dead writers are never removed.

Listing: the file names are SHA-224 of the key and there is no call that lists keys, so ``listing``
is not claimed. The adapter answers ``list`` by a subclass whose ``encode`` can be turned round.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from cachecontrol.caches import FileCache

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "CacheControl==0.14.4"

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


class _Reversible(FileCache):
    """Spells the key in hexadecimal where the library hashes it."""

    @staticmethod
    def encode(x: str) -> str:
        return x.encode().hex()


class Store:
    """FileCache as it comes, but for the names of its files."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._cache = _Reversible(directory)

    def write(self, key: str, value: bytes) -> None:
        self._cache.set(key, value)

    def read(self, key: str) -> bytes:
        value = self._cache.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def delete(self, key: str) -> None:
        self._cache.delete(key)

    def list(self) -> Iterable[str]:
        for directory, _, names in os.walk(self._directory):
            # A file lies below its first five letters; the library's temporary ones do as well.
            letters = os.path.relpath(directory, self._directory).replace(os.sep, "")
            for name in names:
                if name[:5] == letters and not name.endswith(".lock"):
                    yield bytes.fromhex(name).decode()


@declares(guarantees=("atomicity", "recovery", "clean-failure", "isolation", "hygiene"))
def open_store(directory: str) -> Store:
    """Open the cache in a directory."""
    return Store(directory)
