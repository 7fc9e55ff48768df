"""file.flush() taken for a sync: it hands the bytes to the kernel, and no further."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import UNSYNCED_DATA, Bug, Store, sync_directory
from scenarios.zoo._log import GUARANTEES, Log

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="flush_without_fsync",
    guarantee="durability",
    profiles=UNSYNCED_DATA,
    held=("kill", "ordered"),
    kind="missing file sync",
    culprit="file.flush()",
    fix="Call os.fsync(file.fileno()) after the flush.",
    issue="returnn 1444, transformers 27820: training state cut or empty after a machine reset",
    since=2,
    also={"atomicity": UNSYNCED_DATA},
)


class _Broken(Log):
    def append(self, record: bytes) -> None:
        end = self.good_end()
        with open(self.path(".log"), "r+b" if end else "wb") as file:
            file.truncate(end)
            file.seek(end)
            file.write(record)
            file.flush()  # culprit
        # The folklore is right that the name matters, and wrong that it brings the bytes along.
        sync_directory(self.directory)


class _Fixed(Log):
    def append(self, record: bytes) -> None:
        end = self.good_end()
        with open(self.path(".log"), "r+b" if end else "wb") as file:
            file.truncate(end)
            file.seek(end)
            file.write(record)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self.directory)


@declares(guarantees=GUARANTEES)
def broken(directory: str) -> Store:
    """Open the log that flushes and does not sync."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the log that does both."""
    return _Fixed(directory)
