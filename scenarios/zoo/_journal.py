"""A journal: each write goes to ``.journal`` first, then in place over the value's file.

A crash while the file is being overwritten is repaired on opening, from the journal.
"""

from __future__ import annotations

import os

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
"""Only on opening is a half-applied write repaired, so a failing call may leave one for a while."""


class Journal(Store):
    """In-place writes made safe by a journal of one write."""

    def recover(self) -> None:
        with self.locked():
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
