"""Remove the old file "to make room", as Windows once needed it, then rename."""

import os

from scenarios.zoo._base import EVERY, POWER_CUT, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="unlink_before_rename",
    guarantee="atomicity",
    profiles=EVERY,
    held=(),
    kind="old value destroyed first",
    culprit="os.unlink(self.path(name))",
    fix="Drop the unlink: rename replaces the old file atomically.",
    issue="containerd 11295: status file missing, metadata present",
    since=2,
    also={"durability": POWER_CUT},
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
        if os.path.exists(self.path(name)):
            os.unlink(self.path(name))  # culprit
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that removes the old file first."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that renames over it."""
    return Store(directory)
