"""Delete is unlink and no more: after a power cut the key is back."""

import os

from scenarios.zoo._base import POWER_CUT, Bug, Store

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="unlink_not_synced",
    guarantee="durability",
    profiles=POWER_CUT,
    held=("kill",),
    kind="missing directory sync",
    culprit="os.unlink(self.path(key))",
    fix="fsync the directory after the unlink, before the delete is acknowledged.",
    issue="cri-o 3999: clean.shutdown marker back after a power cut",
    since=2,
)


class _Broken(Store):
    def delete(self, key: str) -> None:
        with self.locked():
            os.unlink(self.path(key))  # culprit


def broken(directory: str) -> Store:
    """Open the store that does not sync deletes."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that does."""
    return Store(directory)
