"""A temporary file of its own for each write, as with mkstemp, removed on error and on opening."""

from __future__ import annotations

import os

from scenarios.zoo._base import Store, sync_directory, write_all

__all__ = ["UniqueNames"]


class UniqueNames(Store):
    """Names ``.tmp-<random>``; the lock tells an orphan from a live writer's file."""

    stray: tuple[str, ...] = ()
    """Files of failed writes that could not be removed either; each write tries again."""

    def recover(self) -> None:
        with self.locked():
            orphans = [name for name in os.listdir(self.directory) if name.startswith(".tmp-")]
            for name in orphans:
                os.unlink(self.path(name))
            if orphans:
                # Else a power cut brings them back, one more each time.
                sync_directory(self.directory)

    def save(self, name: str, content: bytes) -> None:
        self.stray = tuple(path for path in self.stray if not self.removed(path))
        temporary = self.path(".tmp-" + os.urandom(4).hex())
        try:
            self.fill(temporary, content)
            os.rename(temporary, self.path(name))
        except OSError:
            if not self.removed(temporary):
                self.stray += (temporary,)
            raise
        sync_directory(self.directory)

    def removed(self, path: str) -> bool:
        """Remove a file; tell whether it is gone."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def fill(self, path: str, content: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
