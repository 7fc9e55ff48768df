"""What the reference system raises; the texts are the kubelet's, to the letter.

CheckpointError                        any of them
├── CorruptCheckpointError             "checkpoint is corrupted", with both checksums
├── CheckpointNotFoundError            "checkpoint is not found"     (also a KeyError)
├── KeyNotFoundError                   "key is not found"            (also a KeyError)
├── InvalidKeyError                    "invalid key: %q"             (also a ValueError)
├── ListError                          "failed to list checkpoint store: ..."
├── NilDereferenceError                where a kubelet would panic
├── RestoreError                       why a manager could not read its state
└── PathError                          an OSError in Go's words: "write /a: no space left on device"
"""

from __future__ import annotations

import os

from harness.reference.gojson.quote import quote

__all__ = [
    "CheckpointError",
    "CheckpointNotFoundError",
    "CorruptCheckpointError",
    "InvalidKeyError",
    "KeyNotFoundError",
    "ListError",
    "NilDereferenceError",
    "PathError",
    "RestoreError",
]


class CheckpointError(Exception):
    """Anything the reference system raises on purpose."""


class CorruptCheckpointError(CheckpointError):
    """What is stored is damaged (``errors.CorruptCheckpointError``).

    Args:
        actual: ``ActualCS``: what was computed. DRA fills the two the other way round.
        expected: ``ExpectedCS``: what was stored.
        detail: What exactly is wrong, where more is known than that two sums differ.
    """

    def __init__(self, actual: int = 0, expected: int = 0, detail: str = "") -> None:
        super().__init__("checkpoint is corrupted")
        self.actual = actual
        self.expected = expected
        self.detail = detail


class _NotFoundError(CheckpointError, KeyError):
    # KeyError prints its argument's repr; the text has to be Go's.
    def __str__(self) -> str:
        return str(self.args[0])


class KeyNotFoundError(_NotFoundError):
    """The store has no such key (``store.ErrKeyNotFound``)."""

    def __init__(self) -> None:
        super().__init__("key is not found")


class CheckpointNotFoundError(_NotFoundError):
    """There is no such checkpoint (``errors.ErrCheckpointNotFound``)."""

    def __init__(self) -> None:
        super().__init__("checkpoint is not found")


class InvalidKeyError(CheckpointError, ValueError):
    """A key that cannot name a file of the store.

    Args:
        key: The key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"invalid key: {quote(key)}")
        self.key = key


class ListError(CheckpointError):
    """The manager could not list its store."""


class NilDereferenceError(CheckpointError):
    """Go would panic here: the checkpoint's data is nil."""

    def __init__(self) -> None:
        super().__init__("runtime error: invalid memory address or nil pointer dereference")


class RestoreError(CheckpointError):
    """A manager could not take its state from its checkpoint; the text is what it logs."""


class PathError(CheckpointError, OSError):
    """An operating system error as Go prints it.

    Args:
        operation: ``open``, ``write``, ``sync``, ``rename old`` ...
        path: The path.
        error: The error itself.
    """

    def __init__(self, operation: str, path: str, error: OSError) -> None:
        number = error.errno or 0
        super().__init__(number, os.strerror(number), path)
        self.operation = operation

    def __str__(self) -> str:
        return f"{self.operation} {self.filename}: {os.strerror(self.errno or 0).lower()}"
