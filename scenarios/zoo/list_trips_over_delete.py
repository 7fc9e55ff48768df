"""list looks at each file after naming them all; one that is deleted in between makes it raise."""

import os
import stat
from collections.abc import Iterable

from scenarios.zoo._base import EVERY, Bug, Store

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="list_trips_over_delete",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="check, then act",
    culprit="return [name for name in names if stat.S_ISREG(os.stat(self.path(name)).st_mode)]",
    fix="List under the lock, or leave out what has gone.",
    issue="cachelib and others: FileNotFoundError while pruning a shared cache",
    since=5,
)


class _Broken(Store):
    def list(self) -> Iterable[str]:
        names = [name for name in os.listdir(self.directory) if not name.startswith(".")]
        return [name for name in names if stat.S_ISREG(os.stat(self.path(name)).st_mode)]  # culprit


def broken(directory: str) -> Store:
    """Open the store whose list raises while others delete."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store whose list does not."""
    return Store(directory)
