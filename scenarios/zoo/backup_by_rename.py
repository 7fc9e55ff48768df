"""Keep the old value as a backup by renaming it away: until the new one is there, none is."""

import os

from scenarios.zoo._base import EVERY, POWER_CUT, Bug, Store, seal

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="backup_by_rename",
    guarantee="atomicity",
    profiles=EVERY,
    held=(),
    kind="old value destroyed first",
    culprit='os.rename(self.path(key), self.path(f".{key}.bak"))',
    fix="Link the old value to the backup's name, so that it keeps its own until it is replaced.",
    issue="dbm.dumb _commit: the only index is renamed to .bak, which nothing reads",
    since=2,
    also={"durability": POWER_CUT},
)


class _Broken(Store):
    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            if os.path.exists(self.path(key)):
                os.rename(self.path(key), self.path(f".{key}.bak"))  # culprit
            self.save(key, seal(key, value))


class _Fixed(Store):
    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            if os.path.exists(self.path(key)):
                if os.path.exists(self.path(".bak")):
                    os.unlink(self.path(".bak"))
                os.link(self.path(key), self.path(".bak"))
                os.rename(self.path(".bak"), self.path(f".{key}.bak"))
            self.save(key, seal(key, value))


def broken(directory: str) -> Store:
    """Open the store that renames the live file to its backup's name."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that gives it a second name."""
    return _Fixed(directory)
