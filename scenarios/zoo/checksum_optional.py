"""A checksum at the end, checked "if there is one", for the sake of files of the first version."""

import zlib

from scenarios.zoo._base import EVERY, Bug, Damaged, Store, read_file

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="checksum_optional",
    guarantee="integrity",
    profiles=EVERY,
    held=(),
    kind="checksum skipped",
    culprit="content = read_file(self.path(key))",
    fix="Treat a missing checksum as damage; convert old files once, on purpose.",
    issue="the kubelet verifies nothing where the checksum key is missing or zero",
    since=4,
)

_MARK = b"\nchecksum="


class _Trailer(Store):
    """``value, newline, checksum=, decimal number``."""

    required = True

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.save(key, value + _MARK + b"%d" % self.checksum(key, value))

    def checksum(self, key: str, value: bytes) -> int:
        return zlib.crc32(key.encode() + b"\0" + value)

    def read(self, key: str) -> bytes:
        with self.locked():
            content = read_file(self.path(key))  # culprit
        value, mark, number = content.rpartition(_MARK)
        if not mark and not self.required:
            return content
        if not mark or number != b"%d" % self.checksum(key, value):
            raise Damaged(f"the file of {key!r} is damaged")
        return value


class _Broken(_Trailer):
    required = False


def broken(directory: str) -> Store:
    """Open the store that accepts files without a checksum."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that does not."""
    return _Trailer(directory)
