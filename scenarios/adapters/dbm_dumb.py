"""dbm.dumb of the standard library: the dbm (and shelve) of a machine without any other dbm.

Package: CPython, Lib/dbm/dumb.py, the same code from 3.11 to 3.13. What it claims: "sync():
Synchronize the on-disk directory and data files" (Library Reference, dbm.dumb), so durability is
promised at ``sync`` and ``close`` only; "support concurrent access (currently, if two processes
take turns making updates, they can mess up the index)" is on its list of things to do, so it is a
single writer.

Write protocol (confirmed by strace)::

    new key           store.dat: lseek end, write padding and value, close
                      store.dir: open "a", chmod, write one index line, close
    overwrite, fits   store.dat: write over the old value, in place; index in memory only
    overwrite, grows  store.dat: appended; index in memory only
    delete, sync      unlink store.bak; rename store.dir -> store.bak;
                      open store.dir "w"; chmod; write every line; close

No fsync, not in ``sync`` either. Nothing ever reads ``store.bak``.

Expected
- ``atomicity`` violated on every profile: an overwrite that fits goes over the old bytes
  (``_setval``: ``f.write(val)``) while the length on disk stays the old one, so "bb" over "aaaa"
  reads as "bbaa" after a crash; the source says so ("this is a disaster (for the database) if the
  program crashes").
- ``durability`` violated on every profile: ``_commit`` renames the only index away before it writes
  the new one; a crash in between leaves no ``store.dir``, and ``_update`` takes that for an empty
  database. Under ``ordered`` and ``posix`` what ``sync`` wrote was never synced either.
- ``recovery`` held under ``kill`` and ``ordered`` as long as the index stays within one 512-byte
  sector (a few dozen keys); violated under ``posix``, where ``store.dir`` can read as zeros or be
  cut inside a line, and ``ast.literal_eval`` then refuses to open the database.
- ``listing`` held: a name in the index can be read, though perhaps as too few bytes.

The object commits in ``__del__``, so dropping it writes.
"""

from __future__ import annotations

import dbm.dumb
import os
from collections.abc import Iterable

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "python>=3.11"

EXPECTED: Expected = {
    "kill": {
        "atomicity": "violated",
        "durability": "violated",
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
        "recovery": "violated",
        "listing": "held",
    },
}
UNCLAIMED: Expected = {}


class Store:
    """One database called ``store`` in the directory."""

    def __init__(self, directory: str) -> None:
        os.makedirs(directory, exist_ok=True)
        self._database = dbm.dumb.open(os.path.join(directory, "store"), "c")  # noqa: SIM115

    def write(self, key: str, value: bytes) -> None:
        self._database[key] = value

    def read(self, key: str) -> bytes:
        return self._database[key]

    def delete(self, key: str) -> None:
        del self._database[key]

    def list(self) -> Iterable[str]:
        return [bytes(key).decode() for key in self._database]

    def sync(self) -> None:
        self._database.sync()

    def close(self) -> None:
        self._database.close()


@declares(sync="sync", single_writer=True, files=(dbm.dumb.__file__,))
def open_store(directory: str) -> Store:
    """Open the database in a directory."""
    return Store(directory)
