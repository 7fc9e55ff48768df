"""The file store as a kubelet has it, weaknesses included.

Source: ``pkg/kubelet/util/store/filestore.go`` (1.10 to today) and its system calls under strace:
temporary file, write, fsync, close, rename. What it does NOT do is the point of keeping it: the
directory is never synced, so a rename that was acknowledged may be lost; nothing is ever swept,
so a crash leaves ``.NNNN`` for ever; the bytes are bare, so damage is the caller's problem; list
names whatever lies there.
"""

from __future__ import annotations

import os
from typing import Final

from harness.reference.errors import KeyNotFoundError, PathError
from harness.reference.gojson import quote
from harness.reference.keys import check_key
from harness.reference.temp import random_uint32

__all__ = ["KubeletFiles"]

_CHUNK: Final = 1 << 20
_ATTEMPTS: Final = 10000
"""How often Go's TempFile tries another name."""


class KubeletFiles:
    """One directory of a kubelet's file store.

    Args:
        directory: Made, with its parents, if absent.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._ensure()

    def _ensure(self) -> None:
        os.makedirs(self._directory, 0o755, exist_ok=True)  # noqa: PTH103  lean, see FileStore

    def write(self, key: str, data: bytes) -> None:
        check_key(key)
        self._ensure()
        temporary, fd = self._create()
        failed: Exception | None = None
        try:
            self._fill(temporary, fd, data)
        except OSError as error:
            failed = error
        try:
            os.close(fd)
        except OSError as error:
            failed = _close_failed(failed, error)
        if failed is None:
            try:
                os.rename(temporary, self._path(key))  # noqa: PTH104
            except OSError as error:
                failed = PathError(f"rename {temporary}", self._path(key), error)
        if failed is not None:
            raise self._remove(temporary, failed)

    def _create(self) -> tuple[str, int]:
        for attempt in range(_ATTEMPTS):
            path = f"{self._directory}/.{random_uint32()}"
            try:
                return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                if attempt == _ATTEMPTS - 1:
                    raise
            except OSError as error:
                raise PathError("open", path, error) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _fill(self, path: str, fd: int, data: bytes) -> None:
        rest = memoryview(data)
        try:
            # Go's os.File.Write goes on after a short write, too.
            while rest:
                rest = rest[os.write(fd, rest) :]
        except OSError as error:
            raise PathError("write", path, error) from error
        try:
            os.fsync(fd)
        except OSError as error:
            raise PathError("sync", path, error) from error

    @staticmethod
    def _remove(path: str, failed: Exception) -> Exception:
        """Remove a temporary file after a failure; give the error to raise."""
        try:
            os.unlink(path)  # noqa: PTH108
        except FileNotFoundError:
            pass
        except OSError as error:
            removal = PathError("remove", path, error)
            return OSError(
                f"failed to remove the temporary file ({quote(path)}) after error {failed}; "
                f"remove error: {removal}"
            )
        return failed

    def read(self, key: str) -> bytes:
        check_key(key)
        path = self._path(key)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise KeyNotFoundError from None
        except OSError as error:
            raise PathError("open", path, error) from error
        try:
            parts = []
            while part := os.read(fd, _CHUNK):
                parts.append(part)
        except OSError as error:
            raise PathError("read", path, error) from error
        finally:
            os.close(fd)
        return b"".join(parts)

    def delete(self, key: str) -> None:
        check_key(key)
        path = self._path(key)
        try:
            os.unlink(path)  # noqa: PTH108
        except FileNotFoundError:
            pass
        except OSError as error:
            # Go's os.Remove: unlink, and where that fails rmdir; so an empty directory goes, too.
            try:
                os.rmdir(path)  # noqa: PTH106
            except FileNotFoundError:
                return
            except NotADirectoryError:
                raise PathError("remove", path, error) from error
            except OSError as second:
                raise PathError("remove", path, second) from second

    def list(self) -> list[str]:
        try:
            names = os.listdir(self._directory)  # noqa: PTH208
        except OSError as error:
            raise PathError("open", self._directory, error) from error
        return sorted(name for name in names if not name.startswith("."))

    def _path(self, key: str) -> str:
        return f"{self._directory}/{key}"


def _close_failed(before: Exception | None, error: OSError) -> Exception:
    if before is None:
        return OSError(f"close error: {error}")
    return OSError(f"failed to close temp file after error {before}; close error: {error}")
