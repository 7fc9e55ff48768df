"""A save that fails late puts the old value back, in place, where a crash can tear it."""

import os

from scenarios.zoo._base import EVERY, Bug, Store, read_file, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="rollback_in_place",
    guarantee="clean-failure",
    profiles=EVERY,
    held=(),
    kind="unsafe handling of an error",
    culprit="super().save(name, content)",
    fix="Raise and leave the new value: it is whole, and the caller knows that it may be there.",
    issue="kubernetes 141206: memory and disk part ways after a failed write",
    since=4,
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        try:
            old = read_file(self.path(name))
        except FileNotFoundError:
            old = None
        try:
            super().save(name, content)  # culprit
        except OSError:
            if old is not None:
                descriptor = os.open(self.path(name), os.O_WRONLY | os.O_TRUNC)
                try:
                    write_all(descriptor, old)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            raise


def broken(directory: str) -> Store:
    """Open the store that rolls back by overwriting."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that only raises."""
    return Store(directory)
