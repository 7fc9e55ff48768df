"""A POSIX record lock belongs to the process: it keeps no thread out of anything."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.zoo._base import EVERY, Bug, Store
from scenarios.zoo._document import Document

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="lost_update_between_threads",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="wrong lock",
    culprit="fcntl.lockf(descriptor, fcntl.LOCK_EX)",
    fix="Use flock, which belongs to the open file, or a threading.Lock besides.",
    issue="fcntl(2): record locks are per process, and any close of the file drops them",
    since=5,
)


class _Broken(Document):
    @contextmanager
    def locked(self, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        del how  # a shared record lock needs a readable descriptor, an exclusive one does for all
        descriptor = os.open(self.path(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX)  # culprit
            yield
        finally:
            os.close(descriptor)


def broken(directory: str) -> Store:
    """Open the store whose lock works between processes only."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store whose lock works for threads as well."""
    return Document(directory)
