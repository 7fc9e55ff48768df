"""A synced temporary file, copied (not renamed) over the live one."""

import os
import shutil

from scenarios.zoo._base import EVERY, POWER_CUT, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="copy_over_live_file",
    guarantee="atomicity",
    profiles=EVERY,
    held=(),
    kind="written in place",
    culprit="shutil.copyfile(temporary, self.path(name))",
    fix="Rename the temporary file instead of copying it.",
    issue="ultralytics 5793: a checkpoint copied to last.pt is cut by a full disk",
    since=2,
    also={"durability": POWER_CUT},
)


def _sync_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        shutil.copyfile(temporary, self.path(name))  # culprit
        _sync_file(self.path(name))
        os.unlink(temporary)
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that copies over the live file."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that renames over it."""
    return Store(directory)
