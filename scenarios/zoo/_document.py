"""All keys in one JSON document, ``.json``, replaced as a whole."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable

from scenarios.zoo._base import Store, read_file, seal, unseal

__all__ = ["Document"]


class Document(Store):
    """A dictionary in a file: values as hexadecimal text."""

    def load(self) -> dict[str, str]:
        try:
            content = read_file(self.path(".json"))
        except FileNotFoundError:
            return {}
        document: dict[str, str] = json.loads(unseal(".json", content))
        return document

    def store(self, document: dict[str, str]) -> None:
        self.save(".json", seal(".json", json.dumps(document).encode()))

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.store({**self.load(), key: value.hex()})

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            return bytes.fromhex(self.load()[key])

    def delete(self, key: str) -> None:
        with self.locked():
            document = self.load()
            del document[key]
            self.store(document)

    def list(self) -> Iterable[str]:
        with self.locked(fcntl.LOCK_SH):
            return list(self.load())
