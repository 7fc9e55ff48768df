"""simplekv's FilesystemStore.

Package: simplekv 0.14.1. What it claims: "an API for very basic key-value stores used for small,
frequently accessed data or large binary blobs". No guarantee is disclaimed, so all are judged.

Write protocol (``FilesystemStore._put_file``, simplekv/fs.py; confirmed by strace)::

    os.makedirs(root)                          mkdir, on the first put
    open(target, "wb")                         openat(O_WRONLY|O_CREAT|O_TRUNC)
    f.write(1 MiB at a time)                   write ...
    close

No temporary file, no rename, no fsync. ``delete`` is ``os.unlink``.

Expected
- ``atomicity`` violated on every profile: ``open(target, 'wb')`` empties the old value before the
  new one is written; a crash there reads as b"" or as a prefix, without any error.
- ``durability`` held under ``kill``; violated under ``ordered`` and ``posix``: nothing is synced.
- ``recovery`` held: opening does nothing that could fail.
- ``listing`` held: ``keys`` walks the files, and each can be read.
"""

from __future__ import annotations

from collections.abc import Iterable

from simplekv.fs import FilesystemStore  # type: ignore[import-untyped]

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "simplekv==0.14.1"

EXPECTED: Expected = {
    "kill": {
        "atomicity": "violated",
        "durability": "held",
        "recovery": "held",
        "listing": "held",
    },
    "ordered": {
        "atomicity": "violated",
        "durability": "violated",
        "recovery": "held",
        "listing": "held",
    },
    "posix": {
        "atomicity": "violated",
        "durability": "violated",
        "recovery": "held",
        "listing": "held",
    },
}
UNCLAIMED: Expected = {}


class Store:
    """put, get, delete and keys under the names the harness calls."""

    def __init__(self, directory: str) -> None:
        self._store = FilesystemStore(directory)

    def write(self, key: str, value: bytes) -> None:
        self._store.put(key, value)

    def read(self, key: str) -> bytes:
        value = self._store.get(key)
        assert isinstance(value, bytes)
        return value

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def list(self) -> Iterable[str]:
        return list(self._store.keys())


@declares()
def open_store(directory: str) -> Store:
    """Open the store in a directory."""
    return Store(directory)
