"""TinyDB with its default JSONStorage: one JSON file, rewritten in place.

Package: tinydb 4.9.0. What it claims: "a lightweight document oriented database". Its documentation
("Why Not Use TinyDB?") names "access from multiple processes or threads" as a reason not to use it,
so it is a single writer; it does sync ("Ensure the file has been written"), so it is judged on
everything else.

Write protocol (``JSONStorage.write``, tinydb/storages.py; confirmed by strace), for one document
``{"key": ..., "value": base64}`` a key::

    read the whole file; change it in memory
    self._handle.seek(0)
    self._handle.write(serialized); flush      write, over the old content, in place
    os.fsync(self._handle.fileno())            fsync
    self._handle.truncate()                    ftruncate, when the document got shorter: NOT synced

The file is created on open by ``touch`` (open "a"); no directory is synced.

Expected
- ``atomicity`` violated on every profile: the new text goes over the old one; stopped between
  write and truncate after anything got shorter, the file is the new document with the old one's
  tail behind it, and no key can be read any more ("Extra data").
- ``recovery`` violated on every profile: opening succeeds, but every operation, a write too, first
  parses the file, so the store accepts nothing until somebody deletes it.
- ``durability`` violated under ``ordered`` and ``posix``: the truncation comes after the last sync,
  so a shrinking write that was acknowledged can read as damage after a power cut; under ``posix``
  the file's name is never synced as well. Under ``kill`` all the damage is done while an operation
  is in flight; whether the other keys it takes along count here or under ``atomicity`` is a matter
  of definition, so no verdict is declared.
- ``listing``: on a damaged file ``list`` raises like everything else; that is ``recovery``, so no
  verdict is declared.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterable

from tinydb import TinyDB, where
from tinydb.storages import JSONStorage

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "Store", "open_store"]

PACKAGE = "tinydb==4.9.0"

EXPECTED: Expected = {
    "kill": {"atomicity": "violated", "recovery": "violated"},
    "ordered": {"atomicity": "violated", "durability": "violated", "recovery": "violated"},
    "posix": {"atomicity": "violated", "durability": "violated", "recovery": "violated"},
}
UNCLAIMED: Expected = {}


class Store:
    """One document a key, in ``store.json``.

    Args:
        directory: Where the file lives.
        storage: A TinyDB storage class, or a middleware around one.
    """

    def __init__(self, directory: str, storage: object = JSONStorage) -> None:
        self._database = TinyDB(
            os.path.join(directory, "store.json"), create_dirs=True, storage=storage
        )

    def write(self, key: str, value: bytes) -> None:
        document = {"key": key, "value": b64encode(value).decode()}
        self._database.upsert(document, where("key") == key)

    def read(self, key: str) -> bytes:
        document = self._database.get(where("key") == key)
        if document is None:
            raise KeyError(key)
        assert isinstance(document, dict)
        return b64decode(document["value"])

    def delete(self, key: str) -> None:
        self._database.remove(where("key") == key)

    def list(self) -> Iterable[str]:
        return [document["key"] for document in self._database.all()]

    def close(self) -> None:
        self._database.close()


@declares(single_writer=True)
def open_store(directory: str) -> Store:
    """Open the database in a directory."""
    return Store(directory)
