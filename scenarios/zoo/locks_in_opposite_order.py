"""Two locks, taken in one order for writing and in the other for deleting."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="locks_in_opposite_order",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="deadlock",
    culprit='with self.holding(".names.lock"), self.holding(".values.lock"):',
    fix="Take the locks in the same order everywhere.",
    issue="the classic one: lock order inversion",
    since=5,
)


class _TwoLocks(Store):
    """One lock for names, one for values; whoever changes both takes both."""

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        descriptor = os.open(self.path(name), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def locked(self, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        del how
        with self.holding(".values.lock"), self.holding(".names.lock"):
            yield


class _Broken(_TwoLocks):
    def delete(self, key: str) -> None:
        with self.holding(".names.lock"), self.holding(".values.lock"):  # culprit
            os.unlink(self.path(key))
            sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that can wait for itself for ever."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that takes its locks in one order."""
    return _TwoLocks(directory)
