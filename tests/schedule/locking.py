"""Stores that lock with packages from PyPI."""

from __future__ import annotations

import os
import time

import portalocker
from filelock import FileLock, SoftFileLock

from tests.schedule.conftest import Plain


class FileLocked(Plain):
    """Locks with filelock."""

    def __init__(self, directory):
        super().__init__(directory)
        self.lock = FileLock(os.path.join(directory, ".lock"))

    def write(self, key, value):
        with self.lock:
            super().write(key, value)


class SoftLocked(Plain):
    """Locks with filelock's lock file."""

    def __init__(self, directory):
        super().__init__(directory)
        self.lock = SoftFileLock(os.path.join(directory, ".lock"))

    def write(self, key, value):
        with self.lock:
            super().write(key, value)


class PortaLocked(Plain):
    """Locks with portalocker."""

    def write(self, key, value):
        with portalocker.Lock(os.path.join(self.directory, ".lock"), timeout=60):
            super().write(key, value)


class Impatient(Plain):
    """Waits two seconds, and works for ten."""

    def write(self, key, value):
        with portalocker.Lock(os.path.join(self.directory, ".lock"), timeout=2):
            super().write(key, value)
            time.sleep(10)
