"""A lock that is a file made with O_EXCL: its holder dies, and nobody ever gets in again."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.adapters._declare import declares
from scenarios.zoo._base import EVERY, Bug, Store

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="lock_file_left_behind",
    guarantee="recovery",
    profiles=EVERY,
    held=(),
    kind="stale lock",
    culprit="os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))",
    fix="Take a flock on a file that stays: the kernel drops it with its holder.",
    issue="the stale .lock file of every tool that has one; git's index.lock the best known",
    since=2,
)


class _Broken(Store):
    @contextmanager
    def locked(self, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        if how == fcntl.LOCK_SH:  # values are replaced by rename: reading needs no lock
            yield
            return
        lock = self.path(".lock")
        try:
            os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # culprit
        except FileExistsError:
            raise OSError(errno.EAGAIN, "another process is using the store", lock) from None
        try:
            yield
        finally:
            os.unlink(lock)


@declares(single_writer=True)
def broken(directory: str) -> Store:
    """Open the store whose lock outlives its holder."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store whose lock does not."""
    return Store(directory)
