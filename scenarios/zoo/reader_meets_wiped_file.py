"""delete wipes the file that it has unlinked; a reader that holds no lock has it open still."""

import os

from scenarios.zoo._base import EVERY, Bug, Store, read_file, sync_directory, unseal, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="reader_meets_wiped_file",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="reader without lock",
    culprit="return unseal(key, read_file(self.path(key)))",
    fix="Read under the lock, shared.",
    issue="reading a secret while it is shredded gives zeros instead of 'not there'",
    since=5,
)


class _Wiping(Store):
    def delete(self, key: str) -> None:
        with self.locked():
            descriptor = os.open(self.path(key), os.O_WRONLY)
            try:
                os.unlink(self.path(key))
                sync_directory(self.directory)
                write_all(descriptor, bytes(os.fstat(descriptor).st_size))
            finally:
                os.close(descriptor)


class _Broken(_Wiping):
    def read(self, key: str) -> bytes:
        return unseal(key, read_file(self.path(key)))  # culprit


def broken(directory: str) -> Store:
    """Open the store whose readers may meet a file that is being wiped."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store whose readers wait."""
    return _Wiping(directory)
