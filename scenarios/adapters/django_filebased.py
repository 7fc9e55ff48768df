"""Django's file-based cache backend.

Package: Django 5.2.19. What it claims: a cache, so a lost entry is a miss and ``durability`` is not
claimed; "the file-based backend serializes and stores each cache value as a separate file", so a
value that nobody wrote, or an error from ``get``, is not what anybody agreed to, and ``atomicity``
is. ``FileBasedCache.get`` turns a missing and an empty file into a miss, and nothing else.

Write protocol (``FileBasedCache.set``, django/core/cache/backends/filebased.py, and
``file_move_safe``, django/core/files/move.py; confirmed by strace)::

    safe_makedirs(dir)                         mkdir, where it is gone
    glob(*.djcache)                            getdents
    tempfile.mkstemp(dir=dir)                  openat(O_RDWR|O_CREAT|O_EXCL)
    f.write(expiry); f.write(zlib(pickle))     write ...; close
    os.rename(tmp_path, fname)                 rename

There is no fsync anywhere.

Expected
- ``kill`` and ``ordered``: everything claimed held: the rename is atomic and follows the data.
- ``posix``: the rename may be durable while pages of the file are not: ``get`` then raises
  ``zlib.error`` or ``UnpicklingError``, for that key and until somebody deletes the file:
  ``atomicity`` violated at ``os.rename(old_file_name, new_file_name)``.
- ``hygiene`` violated, were it claimed: ``mkstemp`` files of dead writers are never removed
  (``clear`` and the culling look at ``*.djcache`` only).

Listing: the file names are MD5 of the key and there is no call that lists keys, so ``listing`` is
not claimed. The adapter answers ``list`` by a subclass that spells the key out instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from django.core.cache.backends.filebased import FileBasedCache  # type: ignore[import-untyped]

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "Django==5.2.19"

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


class _Spelled(FileBasedCache):  # type: ignore[misc]
    """Spells the key in hexadecimal where the backend takes its MD5."""

    def _key_to_file(self, key: str, version: int | None = None) -> str:
        del version
        return os.path.join(str(self._dir), f"{key.encode().hex()}{self.cache_suffix}")


class Store:
    """The backend with neither limit nor expiry, so that nothing goes but what is deleted."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        options = {"TIMEOUT": None, "OPTIONS": {"MAX_ENTRIES": 10**9}}
        self._cache = _Spelled(directory, options)

    def write(self, key: str, value: bytes) -> None:
        self._cache.set(key, value)

    def read(self, key: str) -> bytes:
        value = self._cache.get(key)
        if value is None:
            raise KeyError(key)
        assert isinstance(value, bytes)
        return value

    def delete(self, key: str) -> None:
        self._cache.delete(key)

    def list(self) -> Iterable[str]:
        suffix = FileBasedCache.cache_suffix
        names = os.listdir(self._directory) if os.path.isdir(self._directory) else []
        return [
            bytes.fromhex(name.removesuffix(suffix)).decode()
            for name in names
            if name.endswith(suffix)
        ]


@declares(guarantees=("atomicity", "recovery", "isolation"))
def open_store(directory: str) -> Store:
    """Open the cache in a directory."""
    return Store(directory)
