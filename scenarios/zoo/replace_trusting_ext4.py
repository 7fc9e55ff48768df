"""fsync only for a new name, "because ext4 flushes the data when a file is replaced by rename".

It did, before Linux 5.6 made dioread_nolock the default, and nobody else ever did.
"""

import os

from scenarios.zoo._base import Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="replace_trusting_ext4",
    guarantee="atomicity",
    profiles=("ext4", "xfs", "btrfs", "posix"),
    held=("kill", "ordered", "ext4-dioread-lock"),
    kind="missing file sync",
    culprit="os.rename(temporary, self.path(name))",
    fix="fsync the temporary file before every rename, over an existing name too.",
    issue="systemd 2619: machine-id replaced without fsync; auto_da_alloc folklore",
    since=3,
    also={"durability": ("ext4", "xfs", "btrfs", "posix")},
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
            if not os.path.exists(self.path(name)):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, self.path(name))  # culprit
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that syncs new files only."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that syncs replacements as well."""
    return Store(directory)
