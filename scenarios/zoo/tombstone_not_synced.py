"""A log that syncs what it writes and not what it deletes: "losing a delete is harmless"."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import POWER_CUT, Bug, Store, write_all
from scenarios.zoo._log import GUARANTEES, TOMBSTONE, Log

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="tombstone_not_synced",
    guarantee="durability",
    profiles=POWER_CUT,
    held=("kill",),
    kind="missing file sync",
    culprit="write_all(descriptor, tombstone)",
    fix="fsync the log after a tombstone as after a value.",
    issue="kubernetes 43021: a removed sandbox's checkpoint comes back after a reboot",
    since=2,
)


class _Broken(Log):
    def delete(self, key: str) -> None:
        with self.locked():
            if key not in self.state():
                raise KeyError(key)
            tombstone = self.encode(TOMBSTONE, key, b"")
            end = self.good_end()
            descriptor = os.open(self.path(".log"), os.O_WRONLY)
            try:
                os.ftruncate(descriptor, end)
                os.lseek(descriptor, end, os.SEEK_SET)
                write_all(descriptor, tombstone)  # culprit
            finally:
                os.close(descriptor)


@declares(guarantees=GUARANTEES)
def broken(directory: str) -> Store:
    """Open the log that does not sync tombstones."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the log that does."""
    return Log(directory)
