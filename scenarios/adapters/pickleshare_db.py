"""PickleShareDB, the store behind IPython's ``%store`` for many years.

Package: pickleshare 0.7.5. What it claims: "a small 'shelve' like datastore with concurrency
support"; "many processes can access the database simultaneously. Changing a value in database is
immediately visible to other processes"; and, in fairness, "can be used for low-load (non-mission-
critical) situations". No guarantee is disclaimed by name, so all are judged.

Write protocol (``PickleShareDB.__setitem__``, pickleshare.py; confirmed by strace)::

    fil.open("wb")                             openat(O_WRONLY|O_CREAT|O_TRUNC)
    pickle.dump(value, f, protocol=2)          write ...
    close
    fil.stat()

No temporary file, no rename, no fsync. ``__getitem__`` turns every exception, by a bare except,
into KeyError; ``__delitem__`` ignores every OSError.

Expected
- ``atomicity`` violated on every profile: ``fil.open('wb')`` empties the old value first, and what
  does not unpickle reads as "no such key".
- ``durability`` held under ``kill``; violated under ``ordered`` and ``posix``: nothing is synced.
- ``recovery`` held: it always opens, and the next write replaces what was damaged.
- ``listing`` violated on every profile: ``keys`` names each file, the empty one included, and
  reading that raises KeyError: a ghost.
- For concurrent scenarios: readers see half-written values (as KeyError), and the cache is keyed by
  the modification time alone, so that two writes within one clock tick hide one from other
  processes.
"""

from __future__ import annotations

from collections.abc import Iterable

from pickleshare import PickleShareDB  # type: ignore[import-untyped]

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "pickleshare==0.7.5"

EXPECTED: Expected = {
    "kill": {
        "atomicity": "violated",
        "durability": "held",
        "recovery": "held",
        "listing": "violated",
    },
    "ordered": {
        "atomicity": "violated",
        "durability": "violated",
        "recovery": "held",
        "listing": "violated",
    },
    "posix": {
        "atomicity": "violated",
        "durability": "violated",
        "recovery": "held",
        "listing": "violated",
    },
}
UNCLAIMED: Expected = {}


class Store:
    """The mapping, with values typed."""

    def __init__(self, directory: str) -> None:
        self._database = PickleShareDB(directory)

    def write(self, key: str, value: bytes) -> None:
        self._database[key] = value

    def read(self, key: str) -> bytes:
        value = self._database[key]
        assert isinstance(value, bytes)
        return value

    def delete(self, key: str) -> None:
        del self._database[key]

    def list(self) -> Iterable[str]:
        return list(self._database)


@declares()
def open_store(directory: str) -> Store:
    """Open the database in a directory."""
    return Store(directory)
