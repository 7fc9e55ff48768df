"""One temporary name and no lock: two writers write into one file, and one renames it away."""

from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.zoo._base import EVERY, Bug, Store, seal

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="shared_temporary_file",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="missing lock",
    culprit="self.save(key, seal(key, value))",
    fix="Hold a lock while writing, or give each writer a temporary file of its own.",
    issue="pickleDB save(): <location>.tmp shared by all processes",
    since=5,
)


class _Broken(Store):
    @contextmanager
    def locked(self, how: int = 0) -> Iterator[None]:
        del how
        yield

    def write(self, key: str, value: bytes) -> None:
        self.save(key, seal(key, value))  # culprit


def broken(directory: str) -> Store:
    """Open the store whose writers share a file."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store whose writers take turns."""
    return Store(directory)
