"""Values are spread over subdirectories; a new one's own name is never synced."""

import fcntl
import os
from collections.abc import Iterable

from scenarios.zoo._base import Bug, Store, read_file, seal, sync_directory, unseal, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="shard_directory_not_synced",
    guarantee="durability",
    profiles=("posix",),
    held=("kill", "ordered", "ext4", "ext4-dioread-lock", "xfs"),
    kind="missing directory sync",
    culprit="os.mkdir(shard)",
    fix="fsync the store's directory after making a subdirectory in it.",
    issue="orbax 2837: a step directory vanishes with everything in it",
    since=2,
)


class _Sharded(Store):
    """One subdirectory for each first character."""

    sync_shards = True

    def shard(self, key: str) -> str:
        return self.path("shard-" + key[0])

    def make_shard(self, key: str) -> str:
        shard = self.shard(key)
        if not os.path.exists(shard):
            os.mkdir(shard)  # culprit
        if self.sync_shards:
            # Also where it was there already: its maker may have died before doing so.
            sync_directory(self.directory)
        return shard

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            shard = self.make_shard(key)
            temporary = os.path.join(shard, ".tmp")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                write_all(descriptor, seal(key, value))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, os.path.join(shard, key))
            sync_directory(shard)

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            return unseal(key, read_file(os.path.join(self.shard(key), key)))

    def delete(self, key: str) -> None:
        with self.locked():
            os.unlink(os.path.join(self.shard(key), key))
            sync_directory(self.shard(key))

    def list(self) -> Iterable[str]:
        with self.locked(fcntl.LOCK_SH):
            shards = [name for name in os.listdir(self.directory) if name.startswith("shard-")]
            names = [name for shard in shards for name in os.listdir(self.path(shard))]
            return [name for name in names if not name.startswith(".")]


class _Broken(_Sharded):
    sync_shards = False


def broken(directory: str) -> Store:
    """Open the store that does not sync the names of its subdirectories."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that does."""
    return _Sharded(directory)
