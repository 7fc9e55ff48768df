"""Replace by rename, with the file never synced: the name may get there before the bytes."""

import os

from scenarios.zoo._base import UNSYNCED_DATA, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="rename_without_fsync",
    guarantee="atomicity",
    profiles=UNSYNCED_DATA,
    held=("kill", "ordered"),
    kind="missing file sync",
    culprit="os.rename(temporary, self.path(name))",
    fix="fsync the temporary file before the rename.",
    issue="kubernetes 52222: empty checkpoints after a hard reboot; Ubuntu 317781 (ext4, 2009)",
    since=2,
    also={"durability": UNSYNCED_DATA},
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
        finally:
            os.close(descriptor)
        os.rename(temporary, self.path(name))  # culprit
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that renames unsynced files."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that syncs them first."""
    return Store(directory)
