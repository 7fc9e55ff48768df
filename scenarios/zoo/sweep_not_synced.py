"""Orphans are removed on opening, but not durably: each power cut brings them all back."""

import os

from scenarios.zoo._base import Bug, Store
from scenarios.zoo._unique import UniqueNames

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="sweep_not_synced",
    guarantee="hygiene",
    profiles=("btrfs", "posix"),
    held=("kill", "ordered", "ext4", "ext4-dioread-lock", "xfs"),
    kind="file leak",
    culprit="os.unlink(self.path(name))",
    fix="fsync the directory once the orphans are removed.",
    issue="a node that crashes in a loop: the orphans of all its lives are there again each time",
    since=4,
)


class _Broken(UniqueNames):
    def recover(self) -> None:
        with self.locked():
            for name in os.listdir(self.directory):
                if name.startswith(".tmp-"):
                    os.unlink(self.path(name))  # culprit


def broken(directory: str) -> Store:
    """Open the store that sweeps in memory only."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that makes its sweeping durable."""
    return UniqueNames(directory)
