"""The journal of a run: which rounds are done, and what came of each, a line a round.

Append-only. Each line carries a checksum over itself and stands for itself, so a torn tail, or a
line that rotted, costs the round it was about, which is then run again; nothing before or after
suffers. A line is acknowledged once `Journal.append` returned: written by one call, synced, and the
directory's name synced when the file was new.

Repairing is cutting: what is behind the last newline was never acknowledged, and has to go before
anything is appended to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["Journal", "sound_lines"]

_SUM: Final = 8
"""Hexadecimal digits of a line's CRC-32."""


class Journal:
    """An open journal; one process writes to it.

    Args:
        directory: Where it lives; made if absent, in a parent that exists.
        name: Of the file.

    Raises:
        BlockingIOError: Another process has it open.
    """

    def __init__(self, directory: str, name: str = "journal.jsonl") -> None:
        self.path = os.path.join(directory, name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory)
        # Where it was there already, too: whoever made it may have died before syncing its name.
        _sync(os.path.dirname(directory) or ".")
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end = self._end()
            if end != os.fstat(self._fd).st_size:
                os.ftruncate(self._fd, end)
            # What is read from it below is acted on: it has to be durable first, and its name too.
            os.fsync(self._fd)
            _sync(directory)
        except BaseException:
            os.close(self._fd)
            raise
        self._good = end
        self._broken = False

    def append(self, payload: bytes) -> None:
        """Add a line, durably.

        Args:
            payload: Its content, without a newline.

        Raises:
            OSError: It could not be written; what was there before is still there, and the next
                call starts from a clean end again.
        """
        line = b"%08x %s\n" % (zlib.crc32(payload), payload)
        if self._broken:
            # An earlier append failed, and what of it is on disk nobody knows: cut, and know.
            os.ftruncate(self._fd, self._good)
            os.fsync(self._fd)
            self._broken = False
        self._broken = True
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        os.fsync(self._fd)
        self._broken = False
        self._good += len(line)

    def lines(self) -> Iterator[bytes]:
        """Yield the content of each whole line, oldest first; damaged ones are left out."""
        yield from sound_lines(self.path)

    @property
    def damaged(self) -> int:
        """Lines that are not as they were written."""
        return sum(payload is None for _, payload in _all(self.path))

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)

    def _end(self) -> int:
        end = 0
        for stop, _ in _all(self.path):
            end = stop
        return end


def sound_lines(path: str) -> Iterator[bytes]:
    """Yield the content of each whole, sound line of a journal."""
    for _, payload in _all(path):
        if payload is not None:
            yield payload


def _all(path: str) -> Iterator[tuple[int, bytes | None]]:
    """Yield where each line that has a newline ends, and its content if that is sound."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb") as file:
        end = 0
        for line in file:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            yield end, _checked(line[:-1])


def _checked(line: bytes) -> bytes | None:
    payload = line[_SUM + 1 :]
    return payload if line[: _SUM + 1] == b"%08x " % zlib.crc32(payload) else None


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
