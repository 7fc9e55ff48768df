"""Bytes as they are: whatever the disk makes of them is returned as the value."""

from scenarios.zoo._base import EVERY, Bug, Store, read_file

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="no_checksum",
    guarantee="integrity",
    profiles=EVERY,
    held=(),
    kind="missing checksum",
    culprit="return read_file(self.path(key))",
    fix="Store a checksum with the value and check it on every read.",
    issue="Lightning 688, returnn 1444: a damaged checkpoint is loaded without complaint",
    since=4,
)


class _Broken(Store):
    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            self.save(key, value)

    def read(self, key: str) -> bytes:
        with self.locked():
            return read_file(self.path(key))  # culprit


def broken(directory: str) -> Store:
    """Open the store that checks nothing."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that checks its envelope."""
    return Store(directory)
