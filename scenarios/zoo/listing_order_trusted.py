"""The sweep stops at the first name of a key: orphans were all in front when it was tried."""

import os

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory
from scenarios.zoo._unique import UniqueNames

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="listing_order_trusted",
    guarantee="hygiene",
    profiles=EVERY,
    held=(),
    kind="file leak",
    culprit="self.fill(temporary, content)",
    fix="Look at every name: readdir promises no order.",
    issue="glob results taken for sorted: right on one filesystem, wrong on the next",
    since=4,
)


class _Broken(UniqueNames):
    def recover(self) -> None:
        with self.locked():
            found = False
            for name in os.listdir(self.directory):
                if not name.startswith("."):
                    break
                if name.startswith(".tmp-"):
                    os.unlink(self.path(name))
                    found = True
            if found:
                sync_directory(self.directory)

    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp-" + os.urandom(4).hex())
        try:
            self.fill(temporary, content)  # culprit
            os.rename(temporary, self.path(name))
        except OSError:
            if not self.removed(temporary):
                self.stray += (temporary,)
            raise
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that relies on the order of names."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that looks at them all."""
    return UniqueNames(directory)
