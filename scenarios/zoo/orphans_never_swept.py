"""A writer that dies leaves its temporary file, and nothing ever looks for those."""

import os

from scenarios.zoo._base import EVERY, Bug, Store
from scenarios.zoo._unique import UniqueNames

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="orphans_never_swept",
    guarantee="hygiene",
    profiles=EVERY,
    held=(),
    kind="file leak",
    culprit="descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)",
    fix="Remove orphaned temporary files on opening, under the lock that writers hold.",
    issue="the kubelet's FileStore: .tmp files of dead writers stay in /var/lib/kubelet",
    since=4,
)


class _Broken(UniqueNames):
    def recover(self) -> None:
        """Trust that every writer lives to rename its file."""

    def fill(self, path: str, content: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # culprit
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def broken(directory: str) -> Store:
    """Open the store that never sweeps."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that sweeps on opening."""
    return UniqueNames(directory)
