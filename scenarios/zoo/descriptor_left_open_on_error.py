"""The descriptor is closed where everything went well, and only there."""

import os

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="descriptor_left_open_on_error",
    guarantee="hygiene",
    profiles=EVERY,
    held=(),
    kind="descriptor leak",
    culprit="descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)",
    fix="Close the descriptor in a finally clause.",
    issue="'too many open files' an hour after the disk was full",
    since=4,
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # culprit
        write_all(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that leaks a descriptor for each failed write."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that closes what it opened."""
    return Store(directory)
