"""A log: every write and delete is a record appended to one file; the last one of a key counts.

Record: ``header, key, value``; the header is ``kind`` (1 value, 2 tombstone), the lengths of key
and value, and a checksum over all the rest. The log is read anew for each operation, so there is no
state in memory that could differ from it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator

from scenarios.zoo._base import Store, read_file, sync_directory, write_all

__all__ = ["GUARANTEES", "HEADER", "TOMBSTONE", "VALUE", "Log", "Record"]

GUARANTEES = ("atomicity", "durability", "recovery", "listing", "integrity", "isolation", "hygiene")
"""Not ``clean-failure``: after a failed fsync a log can't know what of its tail is durable."""

VALUE, TOMBSTONE = 1, 2
HEADER = struct.Struct("<BHII")

Record = tuple[int, str, bytes, int]
"""Kind, key, value, and the offset behind the record."""


class Log(Store):
    """Append-only store in the file ``.log``."""

    def encode(self, kind: int, key: str, value: bytes) -> bytes:
        name = key.encode()
        lengths = struct.pack("<BHI", kind, len(name), len(value))
        checksum = zlib.crc32(lengths + name + value)
        return HEADER.pack(kind, len(name), len(value), checksum) + name + value

    def records(self, content: bytes) -> Iterator[Record]:
        """Records up to the first that is cut short or damaged."""
        offset = 0
        while len(content) - offset >= HEADER.size:
            kind, name_size, size, _ = HEADER.unpack_from(content, offset)
            start = offset + HEADER.size
            end = start + name_size + size
            name, value = content[start : start + name_size], content[start + name_size : end]
            if not self.intact(content[offset:end], kind, name_size, size):
                return
            offset = end
            yield kind, name.decode(), value, end

    def intact(self, record: bytes, kind: int, name_size: int, size: int) -> bool:
        """Tell whether a record is all there and as it was written."""
        body = record[HEADER.size :]
        checksum = zlib.crc32(struct.pack("<BHI", kind, name_size, size) + body)
        return len(body) == name_size + size and record[7:11] == checksum.to_bytes(4, "little")

    def content(self) -> bytes:
        try:
            return read_file(self.path(".log"))
        except FileNotFoundError:
            return b""

    def state(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for kind, key, value, _ in self.records(self.content()):
            if kind == VALUE:
                found[key] = value
            else:
                found.pop(key, None)
        return found

    def good_end(self) -> int:
        """The offset behind the last good record."""
        return max((end for *_, end in self.records(self.content())), default=0)

    def append(self, record: bytes) -> None:
        end = self.good_end()
        descriptor = os.open(self.path(".log"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            # A dead writer may have left half a record: nothing behind it would ever be read.
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, end, os.SEEK_SET)
            write_all(descriptor, record)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.append(self.encode(VALUE, key, value))

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            return self.state()[key]

    def delete(self, key: str) -> None:
        with self.locked():
            if key not in self.state():
                raise KeyError(key)
            self.append(self.encode(TOMBSTONE, key, b""))

    def list(self) -> Iterable[str]:
        with self.locked(fcntl.LOCK_SH):
            return list(self.state())
