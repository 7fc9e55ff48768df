"""A failed append is cut off again; where that fails, too, the next one goes behind it."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import POWER_CUT, Bug, Store, sync_directory, write_all
from scenarios.zoo._log import GUARANTEES
from scenarios.zoo.failed_append_left_behind import Appending

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="failed_cut_trusted",
    guarantee="clean-failure",
    profiles=tuple(name for name in POWER_CUT if name != "btrfs"),
    held=("kill",),
    kind="failed sync believed",
    culprit="os.fsync(descriptor)",
    fix="After a failed append write the whole log to a new file, instead of going on behind it.",
    issue="PostgreSQL's fsyncgate, 2018: the pages of a failed fsync are clean, and not on disk",
    since=6,
)


class _Broken(Appending):
    """Goes by what memory shows, which after a failed fsync the disk need not hold."""

    def append(self, record: bytes) -> None:
        descriptor = os.open(self.path(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            end = self.good_end()
            if os.fstat(descriptor).st_size > end:
                os.ftruncate(descriptor, end)  # what an earlier failure could not cut off
            try:
                write_all(descriptor, record)
                os.fsync(descriptor)  # culprit
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        sync_directory(self.directory)


_GUARANTEES = (*(name for name in GUARANTEES if name != "isolation"), "clean-failure")


@declares(guarantees=_GUARANTEES)
def broken(directory: str) -> Store:
    """Open the log that goes on behind what it could not cut off."""
    return _Broken(directory)


@declares(guarantees=_GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the log that is written anew then."""
    return Appending(directory)
