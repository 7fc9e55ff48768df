"""TinyDB with CachingMiddleware: the JSON file is rewritten at ``flush`` only.

Package: tinydb 4.9.0. What it claims: "writing only the last DB state every WRITE_CACHE_SIZE time
and reading always from cache", so durability is promised at ``flush`` ("Flush all unwritten data to
disk") and ``close`` only: ``sync`` of the adapter. A single writer like TinyDB itself.

Write protocol: none for up to 999 writes; then JSONStorage's, in place (see tinydb_json; confirmed
by strace).

Expected: as for tinydb_json, once a workload flushes a document shorter than the one before. The
in-place rewrite happens in ``sync`` (or close), and stopped in the middle it leaves no key
readable, not even those that an earlier ``sync`` had made durable: ``atomicity`` and ``recovery``
violated on every profile; ``durability`` violated under ``ordered`` and ``posix``, where the
truncation comes after the last sync. Under ``kill`` it is always an operation in flight that does
the damage, so no verdict on ``durability`` is declared.
"""

from __future__ import annotations

from tinydb.middlewares import CachingMiddleware
from tinydb.storages import JSONStorage

from scenarios.adapters import tinydb_json
from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = tinydb_json.PACKAGE

EXPECTED: Expected = {
    "kill": {"atomicity": "violated", "recovery": "violated"},
    "ordered": {"atomicity": "violated", "durability": "violated", "recovery": "violated"},
    "posix": {"atomicity": "violated", "durability": "violated", "recovery": "violated"},
}
UNCLAIMED: Expected = {}


class Store(tinydb_json.Store):
    """TinyDB behind its own write cache."""

    def __init__(self, directory: str) -> None:
        self._cache = CachingMiddleware(JSONStorage)  # type: ignore[no-untyped-call]
        super().__init__(directory, self._cache)

    def sync(self) -> None:
        self._cache.flush()  # type: ignore[no-untyped-call]


@declares(sync="sync", single_writer=True)
def open_store(directory: str) -> Store:
    """Open the database in a directory."""
    return Store(directory)
