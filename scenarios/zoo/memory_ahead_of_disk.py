"""Values are kept in memory too, and changed there first: after a failed save the two differ."""

import threading
from collections.abc import Iterable

from scenarios.adapters._declare import declares
from scenarios.zoo._base import EVERY, Bug, Store
from scenarios.zoo._document import Document

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="memory_ahead_of_disk",
    guarantee="clean-failure",
    profiles=EVERY,
    held=(),
    kind="memory and disk diverge",
    culprit="self.store(self.values)",
    fix="Save first, change the state in memory once that succeeded, and read it anew if not.",
    issue="kubernetes 141206, 141222: state in memory and checkpoint split after a failed write",
    since=4,
)


class _Cached(Document):
    """One process, which owns the directory: reads are answered from memory."""

    values: dict[str, str] | None

    def recover(self) -> None:
        self.values = self.load()
        self.mutex = threading.Lock()

    def known(self) -> dict[str, str]:
        if self.values is None:
            self.values = self.load()
        return self.values

    def write(self, key: str, value: bytes) -> None:
        with self.mutex:
            self.change({**self.known(), key: value.hex()})

    def read(self, key: str) -> bytes:
        with self.mutex:
            return bytes.fromhex(self.known()[key])

    def delete(self, key: str) -> None:
        with self.mutex:
            values = dict(self.known())
            del values[key]
            self.change(values)

    def list(self) -> Iterable[str]:
        with self.mutex:
            return list(self.known())

    def change(self, values: dict[str, str]) -> None:
        try:
            self.store(values)
        except OSError:
            # Only the disk knows: the rename may have happened before what failed. And the disk may
            # not answer just now, so it is asked when somebody needs to know.
            self.values = None
            raise
        self.values = values


class _Broken(_Cached):
    def change(self, values: dict[str, str]) -> None:
        self.values = values
        self.store(self.values)  # culprit


@declares(single_writer=True)
def broken(directory: str) -> Store:
    """Open the store that changes its memory first."""
    return _Broken(directory)


@declares(single_writer=True)
def fixed(directory: str) -> Store:
    """Open the store that changes its memory last."""
    return _Cached(directory)
