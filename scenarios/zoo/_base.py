"""What is not the bug: the declaration, and a file-per-key store that is right.

The store keeps each value in a file named as its key, wrapped in an envelope that binds it to the
key; names that begin with a dot are its own (no key begins with one). Writers hold a flock, so one
temporary name is enough and what a dead writer leaves is one file at most. Readers hold it shared:
otherwise they could return a value whose directory entry is not durable yet, and a power cut would
take back what somebody has already seen.

A bug overrides one method and shows the faulty line; a twin is this store, or overrides the same
method with the line put right.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = [
    "CRASH",
    "EVERY",
    "POWER_CUT",
    "UNSYNCED_DATA",
    "Bug",
    "Damaged",
    "Store",
    "read_file",
    "seal",
    "sync_directory",
    "unseal",
    "write_all",
]

CRASH = ("atomicity", "durability", "recovery", "listing")
"""What crashes alone can break; a protocol that promises no more opts out of the rest."""

EVERY = ("kill", "ordered", "ext4", "ext4-dioread-lock", "xfs", "btrfs", "posix")
"""All persistence models. What stands on disk between two calls is a crash state of each."""

POWER_CUT = EVERY[1:]
"""All but the one where the kernel lives on."""

UNSYNCED_DATA = ("ext4", "ext4-dioread-lock", "xfs", "btrfs", "posix")
"""Where a durable name says nothing about the bytes: only ``ordered`` keeps them in order."""


@dataclass(frozen=True)
class Bug:
    """What the harness must find in ``broken``, and must not find in ``fixed``.

    Attributes:
        name: The module's name.
        guarantee: The promise that is broken.
        profiles: Persistence models under which it is broken.
        held: Persistence models under which it must be reported as held. One that is in neither
            leaves room: nothing is demanded there.
        kind: A word or two for the class of mistake.
        culprit: The faulty source line, which the module marks with ``# culprit``. It is one of
            the frames of the culprit call, not always the innermost.
        fix: What to change, as a sentence.
        issue: A real incident of the same kind.
        since: The generation of the engine that can judge it: 2 crashes, 3 the filesystems' own
            models, 4 failing calls, full disks and rot, 5 concurrent writers, 6 two failing calls,
            which scenarios draw and a thorough check tries all of, 7 chains of several faults,
            which stress runs draw.
        also: Other promises that the same line can break, each with its persistence models:
            findings that are right where they are made, and not demanded.
    """

    name: str
    guarantee: str
    profiles: tuple[str, ...]
    held: tuple[str, ...]
    kind: str
    culprit: str
    fix: str
    issue: str
    since: int
    also: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def module(self) -> ModuleType:
        """The module that declares this bug."""
        return import_module(f"scenarios.zoo.{self.name}")

    @property
    def broken(self) -> Callable[[str], Any]:
        """Opens the store that has the bug."""
        factory: Callable[[str], Any] = self.module.broken
        return factory

    @property
    def fixed(self) -> Callable[[str], Any]:
        """Opens the same store without it."""
        factory: Callable[[str], Any] = self.module.fixed
        return factory

    def culprit_at(self) -> tuple[str, int]:
        """File and number of the line marked ``# culprit``.

        Raises:
            ValueError: The file marks none, or more than one.
        """
        path = str(self.module.__file__)
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        (number,) = (n for n, line in enumerate(lines, 1) if line.endswith("# culprit"))
        return path, number


class Damaged(Exception):  # noqa: N818  (says what the file is, not what the caller did)
    """The stored bytes are not what was written under this key."""


def sync_directory(path: str) -> None:
    """Make the names in a directory durable: fsync of a file does not bring its name (fsync(2))."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes) -> None:
    """Write everything: write(2) may take less than it was given, on a nearly full disk too."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def read_file(path: str) -> bytes:
    """All bytes of a file.

    Raises:
        FileNotFoundError: There is no such file; for a store this means "no such key".
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _checksum(key: str, value: bytes) -> bytes:
    return zlib.crc32(key.encode() + b"\0" + value).to_bytes(4, "big")


def seal(key: str, value: bytes) -> bytes:
    """Wrap a value so that damage, and another key's value, can be told from it."""
    return b"zoo1" + _checksum(key, value) + value


def unseal(key: str, content: bytes) -> bytes:
    """The value that ``seal`` wrapped.

    Raises:
        Damaged: These are not the bytes that were sealed under this key.
    """
    value = content[8:]
    if content[:8] != b"zoo1" + _checksum(key, value):
        raise Damaged(f"the file of {key!r} is damaged")
    return value


class Store:
    """One sealed file a key, replaced by rename.

    Args:
        directory: Where the files live; made if absent, in a parent that exists.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.make_directory()
        self.recover()

    def make_directory(self) -> None:
        with suppress(FileExistsError):
            os.mkdir(self.directory)
        # Where it was there already, too: whoever made it may have died before syncing its name.
        sync_directory(os.path.dirname(self.directory))

    def recover(self) -> None:
        """Put right what a dead writer left: here, nothing ever needs it."""

    @contextmanager
    def locked(self, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Hold the store's lock; a flock is the open file's, so threads exclude each other too."""
        descriptor = os.open(self.path(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def save(self, name: str, content: bytes) -> None:
        """Replace a file, atomically and durably."""
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.save(key, seal(key, value))

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            return unseal(key, read_file(self.path(key)))

    def delete(self, key: str) -> None:
        with self.locked():
            os.unlink(self.path(key))
            sync_directory(self.directory)

    def list(self) -> Iterable[str]:
        with self.locked(fcntl.LOCK_SH):
            return [name for name in os.listdir(self.directory) if not name.startswith(".")]
