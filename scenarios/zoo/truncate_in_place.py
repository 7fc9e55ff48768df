"""open("w"): the old value is gone before the new one is there."""

import os

from scenarios.zoo._base import EVERY, POWER_CUT, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="truncate_in_place",
    guarantee="atomicity",
    profiles=EVERY,
    held=(),
    kind="written in place",
    culprit="descriptor = os.open(self.path(name), flags, 0o600)",
    fix="Write a temporary file, sync it, and rename it over the old one.",
    issue="kubernetes 54088: device checkpoint written in place; moby 17618 (zero-byte json)",
    since=2,
    also={"durability": POWER_CUT},
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(self.path(name), flags, 0o600)  # culprit
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that truncates the live file."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that replaces it."""
    return Store(directory)
