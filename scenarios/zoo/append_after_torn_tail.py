"""A log that skips a torn tail when reading, and appends behind it when writing."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import EVERY, Bug, Store, sync_directory, write_all
from scenarios.zoo._log import GUARANTEES, Log

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="append_after_torn_tail",
    guarantee="recovery",
    profiles=EVERY,
    held=(),
    kind="damage left in place",
    culprit="write_all(descriptor, record)",
    fix="Cut the log to its last good record before appending.",
    issue="etcd 11488: zeroed tail of the write-ahead log",
    since=2,
)


class _Broken(Log):
    def append(self, record: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self.path(".log"), flags, 0o600)
        try:
            write_all(descriptor, record)  # culprit
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)


@declares(guarantees=GUARANTEES)
def broken(directory: str) -> Store:
    """Open the log that appends wherever the file ends."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the log that appends where the good records end."""
    return Log(directory)
