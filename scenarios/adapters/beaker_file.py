"""Beaker's FileNamespaceManager: cache and session data of a Pylons or Bottle application.

Package: Beaker 1.14.1. What it claims: "a web session and general caching library"; a cache, so
``durability`` is not claimed. Its managers take a flock around every access (``file_synchronizer``)
so that several processes may share one directory; in its own words (``container.py:47``, on
NamespaceManager): managers of one name "share access to the same underlying datasource and will
attempt to synchronize against a common mutex object. The scope of this sharing may be within a
single process or across multiple processes", and a file's locks are files (``container.py:651``).

Write protocol (``FileNamespaceManager.do_close`` and ``util.safe_write``; confirmed by strace)::

    open lock file; flock(LOCK_EX)
    pickle.load of the whole namespace         read
    open(<file>.cache.temp, "wb")              openat(O_WRONLY|O_CREAT|O_TRUNC)
    fh.write(contents); close                  write ...
    os.rename(<file>.cache.temp, <file>.cache) rename
    flock(LOCK_UN)

No fsync. All keys of a namespace live in one pickle, under a fixed temporary name that the lock
protects.

Expected
- ``kill``: everything claimed held; the rename is atomic, and a dead holder's lock is dropped.
- ``ordered``: everything claimed held (``durability`` is not claimed and would be violated).
- ``posix``: ``atomicity`` violated: ``os.rename(tempname, filepath)`` without a sync before it can
  leave the whole namespace empty, zeros, or with a lost page in the middle. ``recovery`` violated:
  ``do_open`` unpickles before any access, a write too, and lets EOFError and UnpicklingError pass,
  so a damaged namespace stays damaged until somebody removes the file.
- ``listing`` under ``posix``: ``keys`` raises on a damaged file like everything else; that is
  ``recovery``, so no verdict is declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import beaker.crypto  # type: ignore[import-untyped]  # noqa: F401 - see below
from beaker.container import FileNamespaceManager  # type: ignore[import-untyped]

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

# beaker.util imports beaker.crypto at its first use, which would be while the disk is simulated.

PACKAGE = "Beaker==1.14.1"

EXPECTED: Expected = {
    "kill": {"atomicity": "held", "recovery": "held", "listing": "held"},
    "ordered": {"atomicity": "held", "recovery": "held", "listing": "held"},
    "posix": {"atomicity": "violated", "recovery": "violated"},
}
UNCLAIMED: Expected = {
    "kill": {"durability": "held"},
    "ordered": {"durability": "violated"},
    "posix": {"durability": "violated"},
}


class Store:
    """One namespace, locked around every access as beaker.container.Value does it."""

    def __init__(self, directory: str) -> None:
        self._namespace = FileNamespaceManager("store", data_dir=directory)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._namespace.acquire_read_lock()
        try:
            yield
        finally:
            self._namespace.release_read_lock()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._namespace.acquire_write_lock()
        try:
            yield
        finally:
            self._namespace.release_write_lock()

    def write(self, key: str, value: bytes) -> None:
        with self._writing():
            self._namespace[key] = value

    def read(self, key: str) -> bytes:
        with self._reading():
            value = self._namespace[key]
        assert isinstance(value, bytes)
        return value

    def delete(self, key: str) -> None:
        with self._writing():
            del self._namespace[key]

    def list(self) -> Iterable[str]:
        with self._reading():
            return list(self._namespace.keys())


@declares(
    guarantees=(
        "atomicity",
        "recovery",
        "listing",
        "integrity",
        "clean-failure",
        "isolation",
        "hygiene",
    )
)
def open_store(directory: str) -> Store:
    """Open the namespace in a directory."""
    return Store(directory)
