"""Read the document, change it, replace it: without a lock the slower of two writers wins all."""

from scenarios.zoo._base import EVERY, Bug, Store
from scenarios.zoo._document import Document

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="lost_update",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="missing lock",
    culprit="document = {**self.load(), key: value.hex()}",
    fix="Hold the lock from reading the document until it has been replaced.",
    issue="tinydb 529, 537: two processes on one JSON file",
    since=5,
)


class _Broken(Document):
    def write(self, key: str, value: bytes) -> None:
        document = {**self.load(), key: value.hex()}  # culprit
        with self.locked():
            self.store(document)


def broken(directory: str) -> Store:
    """Open the store that locks the replacement only."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that locks the whole update."""
    return Document(directory)
