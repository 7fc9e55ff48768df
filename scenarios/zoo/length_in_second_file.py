"""A value and its length in two files: between the two saves they do not belong together."""

import fcntl
import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import (
    CRASH,
    EVERY,
    POWER_CUT,
    Bug,
    Store,
    read_file,
    sync_directory,
    write_all,
)

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="length_in_second_file",
    guarantee="atomicity",
    profiles=EVERY,
    held=(),
    kind="two saves for one state",
    culprit="self.overwrite(key, value)",
    fix="Keep what belongs together in one file, and replace that.",
    issue="kubernetes 84783, 136604: crash between SetCPUSet and SetDefaultCPUSet",
    since=2,
    also={"durability": POWER_CUT},
)


class _Preallocated(Store):
    """Value files never shrink ("truncating fragments the disk"); the length says what counts."""

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.overwrite(key, value)  # culprit
            self.save(f".{key}.length", str(len(value)).encode())

    def overwrite(self, key: str, value: bytes) -> None:
        descriptor = os.open(self.path(key), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            write_all(descriptor, value)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            content = read_file(self.path(key))
            try:
                return content[: int(read_file(self.path(f".{key}.length")))]
            except FileNotFoundError:
                return content


class _Fixed(Store):
    """One file, ``length, newline, value``, replaced as a whole."""

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.save(key, b"%d\n%b" % (len(value), value))

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            length, _, value = read_file(self.path(key)).partition(b"\n")
            return value[: int(length)]


@declares(guarantees=CRASH)
def broken(directory: str) -> Store:
    """Open the store that saves value and length one after the other."""
    return _Preallocated(directory)


@declares(guarantees=(*CRASH, "clean-failure", "isolation", "hygiene"))
def fixed(directory: str) -> Store:
    """Open the store that saves them together."""
    return _Fixed(directory)
