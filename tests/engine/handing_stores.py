"""Stores that sync nothing, whose system calls are made by threads they hand them to."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import aiofiles


class Whole:
    """A store that syncs all it has to, by calls of its own thread."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.sync(os.path.dirname(directory))

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def sync(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def write(self, key: str, value: bytes) -> None:
        with open(self.path(".tmp"), "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        self.replace(key)

    def replace(self, key: str) -> None:
        os.replace(self.path(".tmp"), self.path(key))
        self.sync(self.directory)

    def read(self, key: str) -> bytes:
        try:
            with open(self.path(key), "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise KeyError(key) from None

    def delete(self, key: str) -> None:
        try:
            os.unlink(self.path(key))
        except FileNotFoundError:
            raise KeyError(key) from None
        self.sync(self.directory)

    def list(self) -> list[str]:
        return [name for name in os.listdir(self.directory) if name != ".tmp"]

    def close(self) -> None:
        """Nothing is open."""


class ToThread(Whole):
    def replace(self, key: str) -> None:
        asyncio.run(self.moved(key))

    async def moved(self, key: str) -> None:
        await asyncio.to_thread(os.replace, self.path(".tmp"), self.path(key))  # culprit


class Executor(Whole):
    def replace(self, key: str) -> None:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(os.replace, self.path(".tmp"), self.path(key))  # culprit
            done.result()


class Thread(Whole):
    def replace(self, key: str) -> None:
        paths = self.path(".tmp"), self.path(key)
        thread = threading.Thread(target=os.replace, args=paths)
        thread.start()  # culprit
        thread.join()


class Own(Whole):
    def replace(self, key: str) -> None:
        asyncio.run(asyncio.to_thread(self.moved, key))

    def moved(self, key: str) -> None:
        os.replace(self.path(".tmp"), self.path(key))  # culprit


class Files(Whole):
    def write(self, key: str, value: bytes) -> None:
        asyncio.run(self.written(value))
        self.replace(key)

    async def written(self, value: bytes) -> None:
        async with aiofiles.open(self.path(".tmp"), "wb") as file:
            await file.write(value)  # given


class Plain(Whole):
    """The commonest of all: a temporary file, renamed, and nothing synced."""

    def sync(self, path: str) -> None:
        """Not at all."""

    def write(self, key: str, value: bytes) -> None:
        with open(self.path(".tmp"), "wb") as file:
            file.write(value)  # given
        self.replace(key)
