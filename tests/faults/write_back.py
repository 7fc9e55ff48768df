"""A store that keeps what it is told in memory until `flush`, and twins with one mistake each."""

import os
import zlib
from concurrent.futures import Future
from contextlib import suppress
from queue import Queue
from threading import Thread

from scenarios.adapters._declare import declares

__all__ = ["answered", "correct", "forgets", "leaks", "swallows", "threaded"]

GUARANTEES = ("atomicity", "durability", "recovery", "clean-failure", "hygiene", "listing")


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class WriteBack:
    """Right: what cannot be saved stays to be saved, and `flush` and `close` say so."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        _sync_directory(os.path.dirname(directory) or ".")
        self.saves = 0
        self.load()

    def load(self) -> None:
        self.cache: dict[str, bytes] = {}
        self.dirty: set[str] = set()
        for name in os.listdir(self.directory):
            if name.startswith("k-"):
                with open(os.path.join(self.directory, name), "rb") as file:
                    raw = file.read()
                if raw[:4] != zlib.crc32(raw[4:]).to_bytes(4, "big"):
                    raise ValueError(f"{name} is damaged")
                self.cache[name[2:]] = raw[4:]

    def write(self, key: str, value: bytes) -> None:
        self.cache[key] = value
        self.dirty.add(key)

    def delete(self, key: str) -> None:
        del self.cache[key]
        self.dirty.add(key)

    def read(self, key: str) -> bytes:
        return self.cache[key]

    def list(self) -> list[str]:
        return list(self.cache)

    def temporary(self) -> str:
        return "tmp"

    def flush(self) -> None:
        for key in sorted(self.dirty):
            path = os.path.join(self.directory, "k-" + key)
            value = self.cache.get(key)
            if value is not None:
                temporary = os.path.join(self.directory, self.temporary())
                with open(temporary, "wb") as file:
                    file.write(zlib.crc32(value).to_bytes(4, "big") + value)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(path)
        _sync_directory(self.directory)
        self.dirty.clear()

    def close(self) -> None:
        self.flush()


class _Swallows(WriteBack):
    def flush(self) -> None:
        with suppress(OSError):
            super().flush()

    def close(self) -> None:
        WriteBack.flush(self)


class _Forgets(WriteBack):
    def write(self, key: str, value: bytes) -> None:
        try:
            with open(os.path.join(self.directory, "log"), "wb") as file:
                file.write(value)
        except OSError:
            self.load()  # whatever else it was told is gone
            raise
        super().write(key, value)


class _Leaks(WriteBack):
    def temporary(self) -> str:
        self.saves += 1
        return f"tmp-{self.saves}"


class _Threaded(WriteBack):
    def flush(self) -> None:
        saver = Thread(target=super().flush)
        saver.start()
        saver.join()


class _Answered(WriteBack):
    def __init__(self, directory: str) -> None:
        self.jobs: Queue[Future[None]] = Queue()
        Thread(target=self.work, daemon=True).start()
        super().__init__(directory)

    def work(self) -> None:
        while True:
            answer = self.jobs.get()
            try:
                super().flush()
            except OSError as error:
                answer.set_exception(error)
            else:
                answer.set_result(None)

    def flush(self) -> None:
        answer: Future[None] = Future()
        self.jobs.put(answer)
        answer.result()


@declares(sync="flush", single_writer=True, guarantees=GUARANTEES)
def correct(directory: str) -> WriteBack:
    """Open the store."""
    return WriteBack(directory)


@declares(sync="flush", single_writer=True, guarantees=GUARANTEES)
def swallows(directory: str) -> WriteBack:
    """Open one whose sync says that all is saved, and it is not."""
    return _Swallows(directory)


@declares(sync="flush", single_writer=True, guarantees=GUARANTEES)
def forgets(directory: str) -> WriteBack:
    """Open one that drops what it was told before when a write, not a sync, fails."""
    return _Forgets(directory)


@declares(sync="flush", single_writer=True, guarantees=GUARANTEES)
def leaks(directory: str) -> WriteBack:
    """Open one that leaves a file behind with each sync that fails."""
    return _Leaks(directory)


@declares(sync="flush", single_writer=True, guarantees=GUARANTEES)
def threaded(directory: str) -> WriteBack:
    """Open one that waits for a thread to save."""
    return _Threaded(directory)


@declares(sync="flush", single_writer=True, guarantees=GUARANTEES)
def answered(directory: str) -> WriteBack:
    """Open one that waits for the answer of a thread that goes on."""
    return _Answered(directory)
