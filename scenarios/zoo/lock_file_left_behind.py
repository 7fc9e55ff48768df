"""A lock is a file that must not exist yet. Its holder dies, and nobody ever gets it again."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from scenarios.adapters._declare import declares
from scenarios.zoo._base import EVERY, Bug, Store

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="lock_file_left_behind",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="lock outlives its holder",
    culprit="descriptor = os.open(self.path(_LOCK), _EXCLUSIVE, 0o600)",
    fix="Take a flock: the kernel drops it when its holder dies.",
    issue="filelock SoftFileLock and git's index.lock: left behind by a kill, removed by hand",
    since=5,
    also={"hygiene": EVERY},
)

_LOCK = ".lock-file"
_EXCLUSIVE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_PAUSE_SECONDS = 0.05


class _Broken(Store):
    @contextmanager
    def locked(self, how: int = 0) -> Iterator[None]:
        del how
        while True:
            with suppress(FileExistsError):
                descriptor = os.open(self.path(_LOCK), _EXCLUSIVE, 0o600)  # culprit
                break
            time.sleep(_PAUSE_SECONDS)
        try:
            yield
        finally:
            os.close(descriptor)
            os.unlink(self.path(_LOCK))


@declares(guarantees=("atomicity", "durability", "listing", "isolation"))
def broken(directory: str) -> Store:
    """Open the store that a dead writer locks for ever."""
    return _Broken(directory)


@declares(guarantees=("atomicity", "durability", "listing", "isolation"))
def fixed(directory: str) -> Store:
    """Open the store whose lock ends with its holder."""
    return Store(directory)
