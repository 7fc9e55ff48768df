"""A temporary file of its own for each write, as with mkstemp, removed on error and on opening."""

from __future__ import annotations

import contextlib
import os

from scenarios.zoo._base import Store, sync_directory, write_all

__all__ = ["UniqueNames"]


class UniqueNames(Store):
    """Names ``.tmp-<random>``; the lock tells an orphan from a live writer's file."""

    def recover(self) -> None:
        with self.locked():
            for name in os.listdir(self.directory):
                if name.startswith(".tmp-"):
                    os.unlink(self.path(name))

    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp-" + os.urandom(4).hex())
        try:
            self.fill(temporary, content)
            os.rename(temporary, self.path(name))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_directory(self.directory)

    def fill(self, path: str, content: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
