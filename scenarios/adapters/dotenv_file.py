"""A .env file changed by python-dotenv's ``set_key`` and ``unset_key``.

Package: python-dotenv 1.2.4. What it claims: "Adds or Updates a key/value to the given .env".
Settings that were in the file are to be in it afterwards, so ``atomicity`` is judged; its
documentation speaks of no crash, so ``durability`` is not claimed.

Write protocol (``rewrite``, dotenv/main.py; confirmed by strace)::

    open(path)                                 openat(O_RDONLY)
    NamedTemporaryFile(dir=dirname(path))      openat(O_RDWR|O_CREAT|O_EXCL)
    the whole file, one key changed            write ...; close
    os.chmod(dest_path, original_mode)         chmod
    os.replace(dest_path, path)                rename

There is no fsync anywhere.

Expected
- ``kill`` and ``ordered``: ``atomicity`` held: the rename is atomic and follows the data.
- ``posix``: the rename may be durable while the file's data is not: the whole file, other keys
  included, then reads as zeros or is empty: ``atomicity`` violated at
  ``os.replace(dest_path, path)``.
- ``recovery`` and ``listing`` held under ``kill`` and ``ordered``. Under ``posix`` violated: a file
  of zeros parses as one key without a value, which is then listed; a file cut inside a quoted value
  swallows the line that the next ``set_key`` appends, so that the new key reads as absent.
- ``hygiene`` violated, were it claimed: ``.tmp_*`` files of dead writers are never removed.

Values are text there, so the adapter writes them in base64.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable

import dotenv

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "python-dotenv==1.2.4"

EXPECTED: Expected = {
    "kill": {"atomicity": "held", "recovery": "held", "listing": "held"},
    "ordered": {"atomicity": "held", "recovery": "held", "listing": "held"},
    "posix": {"atomicity": "violated", "recovery": "violated", "listing": "violated"},
}
UNCLAIMED: Expected = {
    "kill": {"durability": "held"},
    "ordered": {"durability": "violated"},
    "posix": {"durability": "violated"},
}


class Store:
    """One .env file in the directory."""

    def __init__(self, directory: str) -> None:
        os.makedirs(directory, exist_ok=True)
        self._path = os.path.join(directory, ".env")

    def write(self, key: str, value: bytes) -> None:
        dotenv.set_key(self._path, key, base64.b64encode(value).decode())

    def read(self, key: str) -> bytes:
        text = self._values().get(key)
        if text is None:
            raise KeyError(key)
        return base64.b64decode(text, validate=True)

    def delete(self, key: str) -> None:
        if key not in self._values():
            raise KeyError(key)
        dotenv.unset_key(self._path, key)

    def list(self) -> Iterable[str]:
        return list(self._values())

    def _values(self) -> dict[str, str | None]:
        return dotenv.dotenv_values(self._path, interpolate=False)


@declares(
    guarantees=("atomicity", "recovery", "listing"),
    single_writer=True,
)
def open_store(directory: str) -> Store:
    """Open the file in a directory."""
    return Store(directory)
