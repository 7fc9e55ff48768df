"""A writer whose new file was swept in the gap before its lock takes another, and keeps the first.

Opening removes temporary files that nobody holds, and a writer locks its own right after making it.
In between the sweeper may be first; the writer sees that from the link count, and starts over.
"""

import fcntl
import os

from scenarios.zoo._base import EVERY, Bug, Store, seal, sync_directory, write_all
from scenarios.zoo._unique import UniqueNames

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="descriptor_left_open_by_lost_race",
    guarantee="hygiene",
    profiles=EVERY,
    held=(),
    kind="descriptor leak",
    culprit="descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)",
    fix="Close the descriptor before taking another name.",
    issue="any retry loop around open and flock: the descriptors run out in a busy process only",
    since=5,
)


class _HeldNames(UniqueNames):
    """Writers prepare their files side by side; each holds its own, so that no sweep takes it."""

    def recover(self) -> None:
        with self.locked():
            swept = [self.swept(name) for name in os.listdir(self.directory)]
            if any(swept):
                # Else a power cut brings them back, one more each time.
                sync_directory(self.directory)

    def swept(self, name: str) -> bool:
        """Remove a temporary file that nobody holds; tell whether it was one."""
        if not name.startswith(".tmp-"):
            return False
        try:
            descriptor = os.open(self.path(name), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(self.path(name))
        except OSError:
            return False  # held, or renamed meanwhile
        finally:
            os.close(descriptor)
        return True

    def write(self, key: str, value: bytes) -> None:
        self.stray = tuple(path for path in self.stray if not self.removed(path))
        temporary, descriptor = self.create()
        try:
            write_all(descriptor, seal(key, value))
            os.fsync(descriptor)
            with self.locked():
                os.rename(temporary, self.path(key))
                sync_directory(self.directory)
        except OSError:
            self.clear(temporary)
            raise
        finally:
            os.close(descriptor)

    def create(self) -> tuple[str, int]:
        """Make a temporary file and hold it."""
        while True:
            path = self.path(".tmp-" + os.urandom(4).hex())
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            if self.held(path, descriptor):
                return path, descriptor
            os.close(descriptor)

    def held(self, path: str, descriptor: int) -> bool:
        """Lock a new file; tell whether it is still there."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return os.fstat(descriptor).st_nlink > 0
        except OSError:
            self.clear(path)
            os.close(descriptor)
            raise

    def clear(self, path: str) -> None:
        """Remove the file of a write that failed, now or at the next."""
        if not self.removed(path):
            self.stray += (path,)


class _Broken(_HeldNames):
    def create(self) -> tuple[str, int]:
        while True:
            path = self.path(".tmp-" + os.urandom(4).hex())
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # culprit
            if self.held(path, descriptor):
                return path, descriptor


def broken(directory: str) -> Store:
    """Open the store that keeps the descriptor of each file it lost."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that closes it."""
    return _HeldNames(directory)
