"""Everything inside the store is synced; the store's own name in its parent is not."""

import os

from scenarios.zoo._base import Bug, Store

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="new_directory_not_synced",
    guarantee="durability",
    profiles=("posix",),
    held=("kill", "ordered", "ext4", "ext4-dioread-lock", "xfs"),
    kind="missing directory sync",
    culprit="os.makedirs(self.directory, exist_ok=True)",
    fix="fsync the parent after making the directory.",
    issue="orbax 394: a checkpoint directory that was complete is not there after a reboot",
    since=2,
)


class _Broken(Store):
    def make_directory(self) -> None:
        os.makedirs(self.directory, exist_ok=True)  # culprit


def broken(directory: str) -> Store:
    """Open the store that does not sync its own name."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that does."""
    return Store(directory)
