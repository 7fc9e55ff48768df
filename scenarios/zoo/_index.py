"""An index beside the values: ``.index`` says which keys exist, each value has its own file.

Read and list both go by the index, so that they agree at every moment.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable

from scenarios.zoo._base import Store, read_file, seal, sync_directory, unseal

__all__ = ["Indexed"]


class Indexed(Store):
    """``.index`` maps each key to the name of the file that holds its value."""

    def index(self) -> dict[str, str]:
        try:
            content = read_file(self.path(".index"))
        except FileNotFoundError:
            return {}
        names: dict[str, str] = json.loads(unseal(".index", content))
        return names

    def save_index(self, names: dict[str, str]) -> None:
        self.save(".index", seal(".index", json.dumps(names).encode()))

    def recover(self) -> None:
        with self.locked():
            # What we go by must be durable before anything is removed because of it.
            sync_directory(self.directory)
            known = set(self.index().values())
            for name in os.listdir(self.directory):
                if not name.startswith(".") and name not in known:
                    os.unlink(self.path(name))

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.save(key, seal(key, value))
            names = self.index()
            if key not in names:
                self.save_index({**names, key: key})

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            return unseal(key, read_file(self.path(self.index()[key])))

    def delete(self, key: str) -> None:
        with self.locked():
            names = self.index()
            name = names.pop(key)
            self.save_index(names)
            os.unlink(self.path(name))
            sync_directory(self.directory)

    def list(self) -> Iterable[str]:
        with self.locked(fcntl.LOCK_SH):
            return list(self.index())
