"""fsync of a file object's descriptor while the bytes are still in the file object."""

import os

from scenarios.zoo._base import UNSYNCED_DATA, Bug, Store, sync_directory

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="fsync_before_flush",
    guarantee="atomicity",
    profiles=UNSYNCED_DATA,
    held=("kill", "ordered"),
    kind="wrong order",
    culprit="os.fsync(file.fileno())",
    fix="Call file.flush() before os.fsync(file.fileno()).",
    issue="the note in the Python manual under os.fsync, overlooked about as often as read",
    since=2,
    also={"durability": UNSYNCED_DATA},
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        with open(temporary, "wb") as file:
            file.write(content)
            os.fsync(file.fileno())  # culprit
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)


class _Fixed(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that syncs before it flushes."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that flushes first."""
    return _Fixed(directory)
