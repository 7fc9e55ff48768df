"""The temporary file is made in /tmp and moved: across filesystems a move is a copy."""

import os
import shutil
import tempfile

from scenarios.zoo._base import EVERY, POWER_CUT, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="move_from_other_filesystem",
    guarantee="atomicity",
    profiles=EVERY,
    held=(),
    kind="written in place",
    culprit="shutil.move(temporary, self.path(name))",
    fix="Make the temporary file in the directory where it shall end up, and rename it.",
    issue="huggingface_hub 1396: cache on another filesystem than its temporary files",
    since=2,
    also={"durability": POWER_CUT},
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        descriptor, temporary = tempfile.mkstemp()
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        shutil.move(temporary, self.path(name))  # culprit
        descriptor = os.open(self.path(name), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that moves its files in from /tmp."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that makes them where they belong."""
    return Store(directory)
