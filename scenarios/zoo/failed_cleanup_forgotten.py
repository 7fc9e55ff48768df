"""A failed write removes its temporary file; where that fails as well, nobody ever tries again."""

import os
from contextlib import suppress

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory
from scenarios.zoo._unique import UniqueNames

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="failed_cleanup_forgotten",
    guarantee="hygiene",
    profiles=EVERY,
    held=(),
    kind="file leak",
    culprit="self.fill(temporary, content)",
    fix="Remember what could not be removed, and try again at the next write.",
    issue="a daemon on a flaky disk: the error path's own unlink fails, and its error is dropped",
    since=4,
)


class _Broken(UniqueNames):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp-" + os.urandom(4).hex())
        try:
            self.fill(temporary, content)  # culprit
            os.rename(temporary, self.path(name))
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that forgets what it could not remove."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that tries again."""
    return UniqueNames(directory)
