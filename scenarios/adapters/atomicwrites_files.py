"""A file a key, each written by python-atomicwrites: the protocol done right.

Package: atomicwrites 1.4.1. What it claims: "Atomic file writes"; "On POSIX, fsync is invoked on
the temporary file after it is written, and on the parent directory after the file is moved". It
writes and does nothing else: the names, ``list``, ``delete`` (with its directory sync) and the
making of the directory (with its parent's sync) are this adapter's.

Write protocol (``AtomicWriter``, atomicwrites/__init__.py; confirmed by strace)::

    tempfile.mkstemp(prefix="tmp", dir=...)    openat(O_RDWR|O_CREAT|O_EXCL); close
    io.open(name, "wb"); write                 openat(O_TRUNC) of an empty file; write ...
    flush; os.fsync; close                     fsync
    os.rename(src, dst)                        rename
    _sync_directory(dirname(dst))              openat(dir); fsync; close

Expected: ``atomicity``, ``durability``, ``recovery`` and ``listing`` held on every profile: the
one adapter here that a harness must not complain about. ``hygiene`` violated: a writer that died
leaves its ``tmp????????`` file, nothing ever removes those, so their number grows with each crash.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from atomicwrites import atomic_write  # type: ignore[import-untyped]

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "atomicwrites==1.4.1"

_HELD = {"atomicity": "held", "durability": "held", "recovery": "held", "listing": "held"}
EXPECTED: Expected = {"kill": dict(_HELD), "ordered": dict(_HELD), "posix": dict(_HELD)}
UNCLAIMED: Expected = {}

_SUFFIX = ".value"  # a key may well begin with the "tmp" that the library gives its own files


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Store:
    """One file a key."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        os.makedirs(directory, exist_ok=True)
        # Also where the directory is there already: its maker may have died before this.
        _sync_directory(os.path.dirname(os.path.abspath(directory)))

    def _path(self, key: str) -> str:
        return os.path.join(self._directory, key + _SUFFIX)

    def write(self, key: str, value: bytes) -> None:
        with atomic_write(self._path(key), mode="wb", overwrite=True) as file:
            file.write(value)

    def read(self, key: str) -> bytes:
        with open(self._path(key), "rb") as file:
            return file.read()

    def delete(self, key: str) -> None:
        os.unlink(self._path(key))
        _sync_directory(self._directory)

    def list(self) -> Iterable[str]:
        names = os.listdir(self._directory)
        return [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]


@declares(
    not_found=(FileNotFoundError,),
    # It stores bytes as they are: no checksum is claimed, so none can be missed.
    guarantees=(
        "atomicity",
        "durability",
        "recovery",
        "listing",
        "clean-failure",
        "isolation",
        "hygiene",
    ),
)
def open_store(directory: str) -> Store:
    """Open the store in a directory."""
    return Store(directory)
