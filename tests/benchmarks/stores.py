"""The stores that are measured: small, plain, and the same on every kind of disk."""

from __future__ import annotations

import os
import zlib

__all__ = ["AppendLog", "OneFile", "synced_log", "unsynced_log"]


class OneFile:
    """A file per key, replaced by renaming: what a recovery check costs at the least."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def write(self, key: str, value: bytes) -> None:
        temporary = os.path.join(self.directory, "." + key)
        with open(temporary, "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, os.path.join(self.directory, key))

    def read(self, key: str) -> bytes:
        with open(os.path.join(self.directory, key), "rb") as file:
            return file.read()

    def delete(self, key: str) -> None:
        os.unlink(os.path.join(self.directory, key))

    def list(self) -> list[str]:
        return [name for name in os.listdir(self.directory) if name[0] != "."]


class AppendLog:
    """A log of whole records, read back at the start; a torn end is cut off."""

    sync = True

    def __init__(self, directory: str) -> None:
        if not os.path.isdir(directory):
            os.makedirs(directory)
            self._sync_directory(os.path.dirname(directory))
        path = os.path.join(directory, "log")
        fresh = not os.path.exists(path)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if fresh:
            self._sync_directory(directory)
        self._values: dict[str, bytes] = {}
        self._load()

    def _sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def _load(self) -> None:
        log = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        at = 0
        while at + 8 <= len(log):
            size, checksum = int.from_bytes(log[at : at + 4]), int.from_bytes(log[at + 4 : at + 8])
            body = log[at + 8 : at + 8 + size]
            if not size or len(body) < size or zlib.crc32(body) != checksum:
                break
            self._apply(body)
            at += 8 + size
        if at < len(log):
            os.ftruncate(self._fd, at)
            os.fsync(self._fd)

    def _apply(self, body: bytes) -> None:
        key, _, value = body.partition(b"\0")
        if value:
            self._values[key.decode()] = value[1:]
        else:
            self._values.pop(key.decode(), None)

    def _append(self, body: bytes) -> None:
        record = len(body).to_bytes(4) + zlib.crc32(body).to_bytes(4) + body
        os.write(self._fd, record)
        if self.sync:
            os.fsync(self._fd)
        self._apply(body)

    def write(self, key: str, value: bytes) -> None:
        self._append(key.encode() + b"\0+" + value)

    def read(self, key: str) -> bytes:
        return self._values[key]

    def delete(self, key: str) -> None:
        if key not in self._values:
            raise KeyError(key)
        self._append(key.encode() + b"\0")

    def list(self) -> list[str]:
        return sorted(self._values)

    def close(self) -> None:
        os.close(self._fd)


class _Unsynced(AppendLog):
    sync = False


def synced_log(directory: str) -> AppendLog:
    """Open the log that syncs after each record."""
    return AppendLog(directory)


def unsynced_log(directory: str) -> AppendLog:
    """Open the log that never syncs: it claims no durability."""
    return _Unsynced(directory)


unsynced_log.guarantees = ("atomicity", "recovery", "listing")  # type: ignore[attr-defined]
