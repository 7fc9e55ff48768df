"""Overwrite in place, then cut to size: in between, a shorter value has the old one's tail."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import (
    CRASH,
    EVERY,
    POWER_CUT,
    Bug,
    Store,
    read_file,
    sync_directory,
    write_all,
)

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="overwrite_keeps_old_tail",
    guarantee="atomicity",
    profiles=EVERY,
    held=(),
    kind="written in place",
    culprit="write_all(descriptor, content)",
    fix="Write a temporary file, sync it, and rename it over the old one.",
    issue="kubernetes 135711: invalid character after top-level value",
    since=2,
    also={"durability": POWER_CUT},
)


class _Raw(Store):
    """Bytes as they are, for other programs to read: no envelope, so no integrity is claimed."""

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.save(key, value)

    def read(self, key: str) -> bytes:
        with self.locked():
            return read_file(self.path(key))


class _Broken(_Raw):
    def save(self, name: str, content: bytes) -> None:
        descriptor = os.open(self.path(name), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            write_all(descriptor, content)  # culprit
            os.ftruncate(descriptor, len(content))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)


@declares(guarantees=(*CRASH, "clean-failure", "isolation", "hygiene"))
def broken(directory: str) -> Store:
    """Open the store that writes over the old value."""
    return _Broken(directory)


@declares(guarantees=(*CRASH, "clean-failure", "isolation", "hygiene"))
def fixed(directory: str) -> Store:
    """Open the store that replaces it."""
    return _Raw(directory)
