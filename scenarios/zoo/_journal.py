"""A journal: each write goes to ``.journal`` first, then in place over the value's file.

A crash while the file is being overwritten is repaired from the journal, by whoever gets the lock
next: a writer may die while others live on, and they must not read what it left.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.zoo._base import (
    CRASH,
    Damaged,
    Store,
    read_file,
    seal,
    sync_directory,
    unseal,
    write_all,
)

__all__ = ["GUARANTEES", "Journal"]

GUARANTEES = (*CRASH, "integrity")
"""A half-applied write is repaired at the next operation only: what a failing call leaves may still
take effect then."""


class Journal(Store):
    """In-place writes made safe by a journal of one write."""

    def recover(self) -> None:
        with self.locked():
            pass

    @contextmanager
    def locked(self, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        del how  # a reader may find something to repair
        with super().locked():
            self.repair()
            yield

    def repair(self) -> None:
        """Finish what a dead writer began: only under the lock, where no live one is at work."""
        try:
            content = read_file(self.path(".journal"))
        except FileNotFoundError:
            return
        # A killed writer's journal can be read before its name is durable: it must be, before
        # the value that it would repair is destroyed.
        sync_directory(self.directory)
        try:
            entry = unseal(".journal", content)
        except Damaged:
            pass  # it was never finished, so nothing was applied
        else:
            key, _, sealed = entry.partition(b"\0")
            self.apply(key.decode(), sealed)
        os.unlink(self.path(".journal"))
        sync_directory(self.directory)

    def save(self, name: str, content: bytes) -> None:
        super().save(".journal", self.entry(name, content))
        self.apply(name, content)
        os.unlink(self.path(".journal"))
        sync_directory(self.directory)

    def entry(self, name: str, content: bytes) -> bytes:
        return seal(".journal", name.encode() + b"\0" + content)

    def apply(self, name: str, content: bytes) -> None:
        """Overwrite the value's file, durably."""
        descriptor = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)
