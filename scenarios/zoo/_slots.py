"""Two slots a key, written in turn and in place: the one with the higher number counts.

There is no rename: while one slot is being overwritten the other holds the value before. A slot is
``number (8 bytes), checksum (4), length (4), value``.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable

from scenarios.zoo._base import CRASH, Damaged, Store, read_file, sync_directory, write_all

__all__ = ["GUARANTEES", "HEADER", "Slots"]

GUARANTEES = (*CRASH, "integrity")
"""``clean-failure`` is left out: after a failed fsync a slot looks good and may not be durable."""

HEADER = struct.Struct("<QII")


class Slots(Store):
    """Files ``<key>@0`` and ``<key>@1``."""

    def encode(self, key: str, number: int, value: bytes) -> bytes:
        return HEADER.pack(number, self.checksum(key, number, value), len(value)) + value

    def checksum(self, key: str, number: int, value: bytes) -> int:
        return zlib.crc32(b"%s\0%d\0%b" % (key.encode(), number, value))

    def decode(self, key: str, content: bytes) -> tuple[int, bytes] | None:
        """Number and value of a slot, or None if it is not a whole one."""
        if len(content) < HEADER.size:
            return None
        number, checksum, length = HEADER.unpack_from(content)
        value = content[HEADER.size :]
        if len(value) != length or checksum != self.checksum(key, number, value):
            return None
        return number, value

    def slots(self, key: str) -> list[tuple[int, str, bytes | None]]:
        """Number, path and value of each slot that exists, the one that counts last.

        A damaged one has number -1 and no value.
        """
        found: list[tuple[int, str, bytes | None]] = []
        for path in (self.path(f"{key}@0"), self.path(f"{key}@1")):
            try:
                slot = self.decode(key, read_file(path))
            except FileNotFoundError:
                continue
            found.append((-1, path, None) if slot is None else (slot[0], path, slot[1]))
        return sorted(found, key=lambda slot: slot[0])

    def keep(self, path: str) -> None:
        """Make the slot that counts durable, for the other is about to be destroyed.

        It may be the unsynced work of a writer that was killed: readable, and gone after a power
        cut.
        """
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            number, path = 0, self.path(f"{key}@0")
            slots = self.slots(key)
            if slots and slots[-1][2] is not None:
                number, current, _ = slots[-1]
                path = current[:-1] + ("1" if current.endswith("0") else "0")
                self.keep(current)
            self.overwrite(path, self.encode(key, number + 1, value))

    def overwrite(self, path: str, content: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            slots = self.slots(key)
            if not slots:
                raise KeyError(key)
            value = slots[-1][2]
            if value is None:
                if len(slots) == 1:
                    raise KeyError(key)  # the first write of this key never finished
                raise Damaged(f"both slots of {key!r} are damaged")
            return value

    def delete(self, key: str) -> None:
        with self.locked():
            slots = self.slots(key)
            if not slots:
                raise KeyError(key)
            # The older one first, durably: it must not come back as the value of a deleted key.
            for _, path, _ in slots:
                os.unlink(path)
                sync_directory(self.directory)

    def list(self) -> Iterable[str]:
        with self.locked(fcntl.LOCK_SH):
            names = {name[:-2] for name in os.listdir(self.directory) if "@" in name}
            return [
                key for key in sorted(names) if any(slot[2] is not None for slot in self.slots(key))
            ]
