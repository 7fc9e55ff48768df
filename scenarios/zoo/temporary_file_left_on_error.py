"""A failed write leaves its temporary file: each retry on a full disk makes it fuller."""

import os

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory
from scenarios.zoo._unique import UniqueNames

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="temporary_file_left_on_error",
    guarantee="hygiene",
    profiles=EVERY,
    held=(),
    kind="file leak",
    culprit="self.fill(temporary, content)",
    fix="Remove the temporary file where writing it fails.",
    issue="huggingface_hub 3371: .incomplete files pile up until the disk is full",
    since=4,
)


class _Broken(UniqueNames):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp-" + os.urandom(4).hex())
        self.fill(temporary, content)  # culprit
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that leaves the files of failed writes."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that removes them."""
    return UniqueNames(directory)
