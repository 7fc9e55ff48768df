"""The checksum covers the value alone: another key's file passes for this one's."""

import zlib

from scenarios.zoo._base import EVERY, Bug, Damaged, Store, read_file

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="checksum_without_key",
    guarantee="integrity",
    profiles=EVERY,
    held=(),
    kind="checksum too narrow",
    culprit="content = read_file(self.path(key))",
    fix="Include the key in what is checksummed.",
    issue="the kubelet accepts a checkpoint that lies under another checkpoint's name",
    since=4,
)


class _Broken(Store):
    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.save(key, b"sum1" + zlib.crc32(value).to_bytes(4, "big") + value)

    def read(self, key: str) -> bytes:
        with self.locked():
            content = read_file(self.path(key))  # culprit
        value = content[8:]
        if content[:8] != b"sum1" + zlib.crc32(value).to_bytes(4, "big"):
            raise Damaged(f"the file of {key!r} is damaged")
        return value


def broken(directory: str) -> Store:
    """Open the store whose checksum says nothing about the key."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store whose checksum binds key and value."""
    return Store(directory)
