"""Opening looks at each orphan through a descriptor, and forgets to close it."""

import fcntl
import os

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory
from scenarios.zoo._unique import UniqueNames

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="descriptor_left_open_by_sweep",
    guarantee="hygiene",
    profiles=EVERY,
    held=(),
    kind="descriptor leak",
    culprit="descriptor = os.open(self.path(name), os.O_RDWR)",
    fix="Close the descriptor in a finally clause.",
    issue="a supervisor that opens its workers' store after each of their crashes",
    since=4,
)


class _Sweeping(UniqueNames):
    """An orphan is a temporary file that nobody holds."""

    def recover(self) -> None:
        with self.locked():
            orphans = [name for name in os.listdir(self.directory) if name.startswith(".tmp-")]
            for name in orphans:
                self.sweep(name)
            if orphans:
                sync_directory(self.directory)

    def sweep(self, name: str) -> None:
        descriptor = os.open(self.path(name), os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.unlink(self.path(name))
        finally:
            os.close(descriptor)


class _Broken(_Sweeping):
    def sweep(self, name: str) -> None:
        descriptor = os.open(self.path(name), os.O_RDWR)  # culprit
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.unlink(self.path(name))


def broken(directory: str) -> Store:
    """Open the store that keeps a descriptor of each orphan."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that closes them."""
    return _Sweeping(directory)
