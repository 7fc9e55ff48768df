"""Rename onto a fresh name without a sync: no filesystem has a heuristic for that one."""

import os

from scenarios.zoo._base import UNSYNCED_DATA, Bug, Store, sync_directory, write_all
from scenarios.zoo._generations import Generations

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="fresh_name_without_fsync",
    guarantee="atomicity",
    profiles=UNSYNCED_DATA,
    held=("kill", "ordered"),
    kind="missing file sync",
    culprit="os.rename(temporary, self.path(name))",
    fix="fsync the temporary file before the rename; auto_da_alloc covers only replacing.",
    issue="metaseq 53: zero-byte shards of a checkpoint directory",
    since=2,
    also={"durability": UNSYNCED_DATA},
)


class _Broken(Generations):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
        finally:
            os.close(descriptor)
        os.rename(temporary, self.path(name))  # culprit
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that renames unsynced files onto fresh names."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that syncs them first."""
    return Generations(directory)
