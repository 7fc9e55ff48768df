"""Values are padded to whole sectors; the checksum covers the sectors and not the length."""

import zlib

from scenarios.zoo._base import EVERY, Bug, Damaged, Store, read_file

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="checksum_without_length",
    guarantee="integrity",
    profiles=EVERY,
    held=(),
    kind="checksum too narrow",
    culprit="content = read_file(self.path(key))",
    fix="Include every field of the header in what is checksummed, the length above all.",
    issue="facts of any format whose header lies outside its own checksum",
    since=4,
)

_SECTOR = 512


class _Padded(Store):
    """``checksum (4), length (4), value, zeros up to a whole sector``."""

    def checksum(self, key: str, length: bytes, body: bytes) -> bytes:
        return zlib.crc32(key.encode() + b"\0" + length + body).to_bytes(4, "big")

    def write(self, key: str, value: bytes) -> None:
        length = len(value).to_bytes(4, "big")
        body = value + bytes(-len(value) % _SECTOR)
        with self.locked():
            self.save(key, self.checksum(key, length, body) + length + body)

    def read(self, key: str) -> bytes:
        with self.locked():
            content = read_file(self.path(key))  # culprit
        length, body = content[4:8], content[8:]
        if content[:4] != self.checksum(key, length, body):
            raise Damaged(f"the file of {key!r} is damaged")
        return body[: int.from_bytes(length, "big")]


class _Broken(_Padded):
    def checksum(self, key: str, length: bytes, body: bytes) -> bytes:
        del length
        return zlib.crc32(key.encode() + b"\0" + body).to_bytes(4, "big")


def broken(directory: str) -> Store:
    """Open the store whose checksum leaves the length out."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store whose checksum covers it."""
    return _Padded(directory)
