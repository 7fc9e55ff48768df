"""Stores that hand their calls to threads of an executor."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from tests.schedule.conftest import Plain


class Pooled(Plain):
    """An executor of its own writes; callers wait for the future."""

    def __init__(self, directory):
        super().__init__(directory)
        self.pool = ThreadPoolExecutor(max_workers=2)

    def write(self, key, value):
        self.pool.submit(super().write, key, value).result()

    def close(self):
        self.pool.shutdown()


class Replaced(Pooled):
    """Each key's new file has one name, so writers of one key meet there."""

    def write(self, key, value):
        self.pool.submit(self._replace, key, value).result()

    def _replace(self, key, value):
        Plain.write(self, key + ".new", value)
        os.rename(self._path(key + ".new"), self._path(key))


class Looped(Plain):
    """An event loop for each call, and a thread for each call that could take long."""

    def write(self, key, value):
        asyncio.run(asyncio.to_thread(super().write, key, value))


class Stranded(Plain):
    """Its lock belongs to one event loop, and threads bring one each: who waits is never told."""

    def __init__(self, directory):
        super().__init__(directory)
        self.lock = asyncio.Lock()

    def write(self, key, value):
        asyncio.run(self._write(key, value))

    async def _write(self, key, value):
        async with self.lock:
            await asyncio.to_thread(super().write, key, value)
