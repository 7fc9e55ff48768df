"""Any fsync commits the journal, and every name with it: true of ext4 and xfs, not of btrfs."""

import os

from scenarios.zoo._base import Bug, Store

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="fsync_of_another_file",
    guarantee="durability",
    profiles=("btrfs", "posix"),
    held=("kill", "ordered", "ext4", "ext4-dioread-lock", "xfs"),
    kind="missing directory sync",
    culprit="os.unlink(self.path(key))",
    fix="fsync the directory that the name was in.",
    issue="CrashMonkey, OSDI 2018: btrfs persists what was asked for and not what came before",
    since=3,
)


class _Broken(Store):
    def delete(self, key: str) -> None:
        with self.locked():
            os.unlink(self.path(key))  # culprit
            self.stamp()

    def stamp(self) -> None:
        """Count the change in ``.stamp``, durably."""
        descriptor = os.open(self.path(".stamp"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            count = int(os.read(descriptor, 20) or b"0") + 1
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, b"%020d" % count)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def broken(directory: str) -> Store:
    """Open the store that syncs a file of its own instead."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that syncs the directory."""
    return Store(directory)
