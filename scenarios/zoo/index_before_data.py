"""The index learns of a key before there is a value: in between, list names a ghost."""

from scenarios.zoo._base import EVERY, Bug, Store, seal
from scenarios.zoo._index import Indexed

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="index_before_data",
    guarantee="listing",
    profiles=EVERY,
    held=(),
    kind="wrong order",
    culprit="self.save_index({**names, key: key})",
    fix="Write the value first, then the index that names it.",
    issue="containerd 11295: metadata present, file missing",
    since=2,
)


class _Broken(Indexed):
    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            names = self.index()
            if key not in names:
                self.save_index({**names, key: key})  # culprit
            self.save(key, seal(key, value))


def broken(directory: str) -> Store:
    """Open the store that names a key before it has a value."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that writes the value first."""
    return Indexed(directory)
