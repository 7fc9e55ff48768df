"""fsspec's key-value mapping over local files, as dask and zarr use it for stores of chunks.

Package: fsspec 2026.9.0. What it claims: "Wrap a FileSystem instance as a mutable wrapping. The
keys of the mapping become files under the given root". That is a view of a file system, and
promises no more than one does: ``recovery`` and ``listing`` are judged, ``atomicity`` and
``durability`` are not claimed.

Write protocol (``FSMap.__setitem__``, fsspec/mapping.py; ``AbstractFileSystem.pipe_file``,
fsspec/spec.py; ``LocalFileOpener``, fsspec/implementations/local.py; confirmed by strace)::

    fs.mkdirs(parent, exist_ok=True)           mkdir, where it is not there
    open(path, "wb")                           openat(O_WRONLY|O_CREAT|O_TRUNC)
    f.write(value)                             write ...; close

There is no fsync and no rename: a value is written where it stays.

Expected
- ``atomicity`` violated on every profile, were it claimed: the old value is cut to nothing before
  the new one is there. Culprit: ``self.f = open(self.path, mode=self.mode)``.
- ``durability`` violated from ``ordered`` on, were it claimed: nothing is ever synced.
- ``recovery`` and ``listing`` held: the names it lists are the files it opens.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import fsspec  # type: ignore[import-untyped]

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "fsspec==2026.9.0"

EXPECTED: Expected = {
    "kill": {"recovery": "held", "listing": "held"},
    "ordered": {"recovery": "held", "listing": "held"},
    "posix": {"recovery": "held", "listing": "held"},
}
UNCLAIMED: Expected = {
    "kill": {"atomicity": "violated"},
    "ordered": {"atomicity": "violated", "durability": "violated"},
    "posix": {"atomicity": "violated", "durability": "violated"},
}


class Store:
    """The mapping over a directory."""

    def __init__(self, directory: str) -> None:
        os.makedirs(directory, exist_ok=True)
        self._map = fsspec.filesystem("file", use_listings_cache=False).get_mapper(directory)

    def write(self, key: str, value: bytes) -> None:
        self._map[key] = value

    def read(self, key: str) -> bytes:
        value = self._map[key]
        assert isinstance(value, bytes)
        return value

    def delete(self, key: str) -> None:
        del self._map[key]

    def list(self) -> Iterable[str]:
        return list(self._map)


@declares(guarantees=("recovery", "listing"))
def open_store(directory: str) -> Store:
    """Open the mapping over a directory."""
    return Store(directory)
