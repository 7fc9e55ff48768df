"""A checksum for big values only: "one page is written in one go, so its length will do".

On ext4 the size of a file that grows may be durable before its bytes; xfs and btrfs write the bytes
first, and a file of one page is then all there or visibly is not.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterable

from scenarios.adapters._declare import declares
from scenarios.zoo._base import CRASH, Bug, Damaged, Store, read_file, sync_directory, write_all
from scenarios.zoo._generations import Generations

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="length_believed",
    guarantee="atomicity",
    profiles=("ext4", "posix"),
    held=("kill", "ordered", "ext4-dioread-lock", "xfs", "btrfs"),
    kind="missing checksum",
    culprit="write_all(descriptor, content)",
    fix="Checksum the value: a length proves nothing about the bytes.",
    issue="NodeDB 78: zeros of the right length; Ubuntu 317781",
    since=3,
)

_PAGE = 4096


class _Small(Generations):
    """``<key>@<number>``, made under its final name; the highest that is whole counts.

    A file is ``length (4), checksum (4), value``.
    """

    def header(self, key: str, value: bytes) -> bytes:
        checksum = zlib.crc32(key.encode() + b"\0" + value)
        return len(value).to_bytes(4, "big") + checksum.to_bytes(4, "big")

    def whole(self, key: str, content: bytes) -> bool:
        return len(content) >= 8 and content[:8] == self.header(key, content[8:])  # noqa: PLR2004

    def save(self, name: str, content: bytes) -> None:
        descriptor = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, content)  # culprit
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            older = self.numbers(key)
            number = older[-1] + 1 if older else 1
            # Unfinished ones first, so that of those left at most the newest can be unfinished.
            unfinished = [one for one in older if not self.whole(key, self.content(key, one))]
            self.remove(key, unfinished)
            older = [one for one in older if one not in unfinished]
            if older:
                self.keep(key, older[-1])
            self.save(f"{key}@{number}", self.header(key, value) + value)
            self.remove(key, older)

    def content(self, key: str, number: int) -> bytes:
        return read_file(self.path(f"{key}@{number}"))

    def keep(self, key: str, number: int) -> None:
        """Sync what counts: a writer that was killed may not have come to it."""
        descriptor = os.open(self.path(f"{key}@{number}"), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)

    def find(self, key: str) -> bytes:
        numbers = self.numbers(key)
        for number in reversed(numbers):
            content = self.content(key, number)
            if self.whole(key, content):
                return content[8:]
        if len(numbers) > 1:
            raise Damaged(f"all files of {key!r} are damaged")
        raise KeyError(key)  # none, or one whose writing never finished

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            return self.find(key)

    def delete(self, key: str) -> None:
        with self.locked():
            self.find(key)
            self.remove(key, self.numbers(key))

    def list(self) -> Iterable[str]:
        with self.locked(fcntl.LOCK_SH):
            names = (name for name in os.listdir(self.directory) if not name.startswith("."))
            keys = sorted({name.rpartition("@")[0] for name in names})
            return [key for key in keys if self.exists(key)]

    def exists(self, key: str) -> bool:
        try:
            self.find(key)
        except KeyError:
            return False
        return True


class _Broken(_Small):
    def whole(self, key: str, content: bytes) -> bool:
        if len(content) > _PAGE:
            return super().whole(key, content)
        return len(content) >= 8 and int.from_bytes(content[:4], "big") == len(content) - 8  # noqa: PLR2004


@declares(guarantees=CRASH)
def broken(directory: str) -> Store:
    """Open the store that believes a length."""
    return _Broken(directory)


@declares(guarantees=(*CRASH, "integrity"))
def fixed(directory: str) -> Store:
    """Open the store that checks the bytes."""
    return _Small(directory)
