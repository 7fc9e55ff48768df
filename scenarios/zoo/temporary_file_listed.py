"""The temporary file lies beside the values under a name that list takes for a key."""

import fcntl
import os
from collections.abc import Iterable

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="temporary_file_listed",
    guarantee="listing",
    profiles=EVERY,
    held=(),
    kind="temporary file visible",
    culprit="descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)",
    fix="Give temporary files a name that no key can have, and leave those out of the list.",
    issue="device-plugins directory: any stray file defeats the kubelet's test for emptiness",
    since=2,
    also={"recovery": EVERY},
)


class _Plain(Store):
    """Lock and values in one directory, listed by what is a value's name."""

    suffix = "+new"  # "+" is in no key

    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(name + self.suffix)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # culprit
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)


class _Fixed(_Plain):
    def list(self) -> Iterable[str]:
        with self.locked(fcntl.LOCK_SH):
            names = os.listdir(self.directory)
            return [name for name in names if "+" not in name and not name.startswith(".")]


def broken(directory: str) -> Store:
    """Open the store that lists its temporary files."""
    return _Plain(directory)


def fixed(directory: str) -> Store:
    """Open the store that leaves them out."""
    return _Fixed(directory)
