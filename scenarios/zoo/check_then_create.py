"""if not exists: mkdir. Two processes open a new store at once, and one of them fails."""

import os

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="check_then_create",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="check, then act",
    culprit="os.mkdir(self.directory)",
    fix="Make the directory and accept FileExistsError.",
    issue="the first start of two workers on a fresh machine",
    since=5,
)


class _Broken(Store):
    def make_directory(self) -> None:
        if not os.path.exists(self.directory):
            os.mkdir(self.directory)  # culprit
        sync_directory(os.path.dirname(self.directory))


def broken(directory: str) -> Store:
    """Open the store that two processes cannot make at once."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that they can."""
    return Store(directory)
