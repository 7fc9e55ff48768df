"""An append fails half-way; the half record stays, and the next one goes behind it."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import EVERY, Bug, Store, sync_directory, write_all
from scenarios.zoo._log import GUARANTEES, Log

__all__ = ["BUG", "broken", "fixed"]

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


class _Appending(Log):
    """Repairs its tail on opening, and then appends to the end of the file."""

    def recover(self) -> None:
        with self.locked():
            end = self.good_end()
            if len(self.content()) > end:
                self.cut(end)

    def cut(self, end: int) -> None:
        descriptor = os.open(self.path(".log"), os.O_WRONLY)
        try:
            os.ftruncate(descriptor, end)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def append(self, record: bytes) -> None:
        descriptor = os.open(self.path(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            end = self.good_end()
            if os.fstat(descriptor).st_size > end:
                os.ftruncate(descriptor, end)  # what an earlier failure could not cut off
            try:
                write_all(descriptor, record)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        sync_directory(self.directory)


class _Broken(_Appending):
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
    return _Appending(directory)
