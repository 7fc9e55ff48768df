"""The reference system: a checkpoint manager that works like the kubelet's, and a hardened one.

The harness proves itself on it, and users copy from it.
"""

from harness.reference.checkpoint import Checkpoint
from harness.reference.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CorruptCheckpointError,
    InvalidKeyError,
    KeyNotFoundError,
    ListError,
    RestoreError,
)
from harness.reference.filestore import FileStore
from harness.reference.manager import CheckpointManager

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CheckpointManager",
    "CheckpointNotFoundError",
    "CorruptCheckpointError",
    "FileStore",
    "InvalidKeyError",
    "KeyNotFoundError",
    "ListError",
    "RestoreError",
]
