"""The journal is removed once it has been applied, and only then is the value synced."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import UNSYNCED_DATA, Bug, Store, seal, sync_directory, write_all
from scenarios.zoo._journal import GUARANTEES, Journal

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="journal_removed_too_early",
    guarantee="atomicity",
    profiles=UNSYNCED_DATA,
    held=("kill", "ordered"),
    kind="wrong order",
    culprit='os.unlink(self.path(".journal"))',
    fix="Sync the value's file before the journal that could repair it is removed.",
    issue="etcd 10219: crash between the hard state and the snapshot it refers to",
    since=2,
    also={"durability": UNSYNCED_DATA},
)


class _Broken(Journal):
    def save(self, name: str, content: bytes) -> None:
        Store.save(self, ".journal", seal(".journal", name.encode() + b"\0" + content))
        descriptor = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
            os.unlink(self.path(".journal"))  # culprit
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)


@declares(guarantees=GUARANTEES)
def broken(directory: str) -> Store:
    """Open the store that removes its journal before the value is durable."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the store that removes it after."""
    return Journal(directory)
