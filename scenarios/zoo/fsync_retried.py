"""fsync failed, so it is tried again, and the second success believed."""

import os

from scenarios.zoo._base import POWER_CUT, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="fsync_retried",
    guarantee="clean-failure",
    profiles=POWER_CUT,
    held=("kill",),
    kind="failed sync believed",
    culprit="os.fsync(descriptor)",
    fix="Give the file up after a failed fsync: its pages were dropped or marked clean.",
    issue="PostgreSQL, 2018 ('fsyncgate'); CuttleFS, ATC 2020",
    since=4,
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
            try:
                os.fsync(descriptor)
            except OSError:
                os.fsync(descriptor)  # culprit
        finally:
            os.close(descriptor)
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that believes the second fsync."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that raises at the first."""
    return Store(directory)
