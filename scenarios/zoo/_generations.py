"""Every write makes a new file ``<key>@<number>``; the highest number counts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable

from scenarios.zoo._base import Store, read_file, seal, sync_directory, unseal

__all__ = ["Generations"]


class Generations(Store):
    """A fresh name for each value, the older ones removed once the new one is durable."""

    def numbers(self, key: str) -> list[int]:
        found = (name.rpartition("@") for name in os.listdir(self.directory))
        return sorted(int(number) for name, _, number in found if name == key)

    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            older = self.numbers(key)
            number = older[-1] + 1 if older else 1
            self.save(f"{key}@{number}", seal(key, value))
            self.remove(key, older)

    def remove(self, key: str, numbers: list[int]) -> None:
        """Remove files, each durably before the next: an older value must not outlive a newer."""
        for number in numbers:
            os.unlink(self.path(f"{key}@{number}"))
            sync_directory(self.directory)

    def read(self, key: str) -> bytes:
        with self.locked(fcntl.LOCK_SH):
            numbers = self.numbers(key)
            if not numbers:
                raise KeyError(key)
            return unseal(key, read_file(self.path(f"{key}@{numbers[-1]}")))

    def delete(self, key: str) -> None:
        with self.locked():
            numbers = self.numbers(key)
            if not numbers:
                raise KeyError(key)
            self.remove(key, numbers)

    def list(self) -> Iterable[str]:
        with self.locked(fcntl.LOCK_SH):
            names = (name for name in os.listdir(self.directory) if not name.startswith("."))
            return sorted({name.rpartition("@")[0] for name in names})
