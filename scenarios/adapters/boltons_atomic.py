"""A file a key, each written by boltons' ``atomic_save``.

Package: boltons 26.2.0. What it claims: "a context manager that atomically saves files"; "avoiding
overwriting an existing, valid file with a partially written one". It speaks of no power cut, so
``durability`` is not claimed. It writes and does nothing else: the names, ``list``, ``delete`` and
the making of the directory are this adapter's.

Write protocol (``AtomicSaver``, boltons/fileutils.py; confirmed by strace)::

    os.open(<dest>.part, O_CREAT|O_EXCL|...)   openat
    the body's writes; flush; os.fsync; close  write ..., fsync, close
    os.rename(<dest>.part, <dest>)             rename

The file is synced before the rename; the directory never is.

Expected
- ``atomicity`` held everywhere: the sync stands between the data and the rename.
- ``durability`` violated from ``ordered`` on, were it claimed: a rename that nothing syncs may be
  lost.
- ``recovery`` violated: a writer that dies leaves ``<dest>.part``, and every later save of that key
  raises FileExistsError until somebody removes it. The documentation says so ("by default an
  OSError is raised if the part_file exists"), for whoever wants to resume; a program that has to go
  on by itself passes ``overwrite_part=True``.
- ``listing`` held.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from boltons.fileutils import atomic_save  # type: ignore[import-untyped]

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "boltons==26.2.0"

_ALL = {"atomicity": "held", "recovery": "violated", "listing": "held"}
EXPECTED: Expected = {"kill": dict(_ALL), "ordered": dict(_ALL), "posix": dict(_ALL)}
UNCLAIMED: Expected = {
    "kill": {"durability": "held"},
    "ordered": {"durability": "violated"},
    "posix": {"durability": "violated"},
}

_SUFFIX = ".value"  # a key may well end in the ".part" that the library gives its own files


class Store:
    """One file a key."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        os.makedirs(directory, exist_ok=True)

    def _path(self, key: str) -> str:
        return os.path.join(self._directory, key + _SUFFIX)

    def write(self, key: str, value: bytes) -> None:
        with atomic_save(self._path(key)) as file:
            file.write(value)

    def read(self, key: str) -> bytes:
        with open(self._path(key), "rb") as file:
            return file.read()

    def delete(self, key: str) -> None:
        os.unlink(self._path(key))

    def list(self) -> Iterable[str]:
        names = os.listdir(self._directory)
        return [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]


@declares(
    not_found=(FileNotFoundError,),
    guarantees=("atomicity", "recovery", "listing", "clean-failure"),
)
def open_store(directory: str) -> Store:
    """Open the store in a directory."""
    return Store(directory)
