"""The lock file is tidied away on release: who waits on it then holds a lock on no name at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.zoo._base import EVERY, Bug, Store
from scenarios.zoo._document import Document

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="lock_file_removed",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="wrong lock",
    culprit='os.unlink(self.path(".lock"))',
    fix="Leave the lock file where it is.",
    issue="dogpile.cache: 'it's never really safe to delete a lockfile'",
    since=5,
)


class _Broken(Document):
    @contextmanager
    def locked(self, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        del how  # everybody removes the file, so nobody may share it
        descriptor = os.open(self.path(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            if os.path.exists(self.path(".lock")):
                os.unlink(self.path(".lock"))  # culprit
        finally:
            os.close(descriptor)


def broken(directory: str) -> Store:
    """Open the store that removes its lock file."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that leaves it."""
    return Document(directory)
