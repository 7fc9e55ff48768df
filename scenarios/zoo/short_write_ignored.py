"""os.write may write less than it was given; its result is not looked at."""

import os

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="short_write_ignored",
    guarantee="clean-failure",
    profiles=EVERY,
    held=(),
    kind="short write",
    culprit="os.write(descriptor, content)",
    fix="Write in a loop until everything has been taken.",
    issue="etcd 5230: a record cut short where the disk filled up",
    since=4,
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, content)  # culprit
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that writes once."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that writes until it is done."""
    return Store(directory)
