"""Replace by rename, with the file synced and the directory not."""

import os

from scenarios.zoo._base import POWER_CUT, Bug, Store, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="no_directory_sync",
    guarantee="durability",
    profiles=POWER_CUT,
    held=("kill",),
    kind="missing directory sync",
    culprit="os.rename(temporary, self.path(name))",
    fix="Open the directory and fsync it after the rename.",
    issue="the kubelet's FileStore to this day; systemd 2619 (machine-id)",
    since=2,
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, self.path(name))  # culprit


def broken(directory: str) -> Store:
    """Open the store that never syncs its directory after a rename."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that does."""
    return Store(directory)
