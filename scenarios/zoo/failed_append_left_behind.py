"""An append fails half-way; the half record stays, and the next one goes behind it."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import EVERY, Bug, Store, sync_directory, write_all
from scenarios.zoo._log import GUARANTEES, Log

__all__ = ["BUG", "Appending", "broken", "fixed"]

BUG = Bug(
    name="failed_append_left_behind",
    guarantee="clean-failure",
    profiles=EVERY,
    held=(),
    kind="damage left in place",
    culprit="write_all(descriptor, record)",
    fix="Cut the log back to where it ended when an append fails.",
    issue="prometheus 5867, etcd 5230: the log is unreadable from the full disk's moment on",
    since=4,
)


class Appending(Log):
    """Repairs its tail on opening, and then appends to the end of the file.

    After a failed fsync memory may show what the disk will never hold, because the kernel marks the
    pages clean; cutting it off may fail, too. Whoever relies on what memory shows then (the next
    append, the next process) writes all of it to a new file instead of going on behind it.
    """

    doubtful = False
    """Whether an append has failed since the file was last written anew."""

    def recover(self) -> None:
        with self.locked():
            if self.content():
                self.save(".log", self.content()[: self.good_end()])

    def append(self, record: bytes) -> None:
        if self.doubtful:
            self.save(".log", self.content()[: self.good_end()] + record)
            self.doubtful = False
            return
        try:
            self.add(record)
        except OSError:
            self.doubtful = True
            raise

    def add(self, record: bytes) -> None:
        descriptor = os.open(self.path(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            end = self.good_end()
            try:
                write_all(descriptor, record)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        sync_directory(self.directory)


class _Broken(Appending):
    def append(self, record: bytes) -> None:
        descriptor = os.open(self.path(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            write_all(descriptor, record)  # culprit
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)


# A process that dies leaves its half record to those that live on, until one opens the store anew.
_GUARANTEES = (*(name for name in GUARANTEES if name != "isolation"), "clean-failure")


@declares(guarantees=_GUARANTEES)
def broken(directory: str) -> Store:
    """Open the log that leaves what a failed append wrote."""
    return _Broken(directory)


@declares(guarantees=_GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the log that cuts it off."""
    return Appending(directory)
