"""delete tidies up before it takes the lock: a file that another writer is about to rename."""

import os
from contextlib import suppress

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="delete_tidies_without_lock",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="check, then act",
    culprit="self.tidy()",
    fix="Tidy up under the lock: a temporary file without its writer's lock is nobody's.",
    issue="creating an entry fails with FileNotFoundError while another is removed",
    since=5,
)


class _Tidy(Store):
    def tidy(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.path(".tmp"))


class _Broken(_Tidy):
    def delete(self, key: str) -> None:
        self.tidy()  # culprit
        super().delete(key)


class _Fixed(_Tidy):
    def delete(self, key: str) -> None:
        with self.locked():
            self.tidy()
            os.unlink(self.path(key))
            sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store whose delete takes a create's file away."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store whose delete waits."""
    return _Fixed(directory)
