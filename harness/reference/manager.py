"""CheckpointManager: checkpoints under keys, in a FileStore.

Source: ``pkg/kubelet/checkpointmanager/checkpoint_manager.go``; the order of work in each call is
its.
"""

from __future__ import annotations

import copy
import threading
from typing import Any

from harness.reference.checkpoint import Checkpoint
from harness.reference.errors import CheckpointNotFoundError, KeyNotFoundError, ListError
from harness.reference.filestore import FileStore, Mode

__all__ = ["CheckpointManager"]


class CheckpointManager:
    """Stores and reads back checkpoints.

    Two modes: ``kubelet`` accepts what a kubelet accepts (a zero or missing checksum where its
    kind says so) and leaves a caller's object as far filled as decoding got; ``hardened`` takes a
    missing or zero checksum for damage and touches the caller's object only when all is well.

    Args:
        directory: Where; made, with its parents, if absent.
        mode: Which mode, for the store below as well.

    Raises:
        OSError: The directory cannot be made or used.
    """

    def __init__(self, directory: str, mode: Mode = "hardened") -> None:
        self.store = FileStore(directory, mode)
        self.mode: Mode = mode
        # One lock, as in Go: it orders the threads of this manager, and nothing between processes.
        self._lock = threading.Lock()

    def create_checkpoint(self, key: str, checkpoint: Checkpoint) -> None:
        """Store a checkpoint.

        Raises:
            InvalidKeyError: The key cannot be stored.
            Exception: Whatever the checkpoint's marshal or the store raises, unchanged.
        """
        with self._lock:
            self.store.write(key, checkpoint.marshal())

    def get_checkpoint(self, key: str, checkpoint: Checkpoint) -> None:
        """Read a checkpoint into an object.

        Raises:
            CheckpointNotFoundError: There is none.
            CorruptCheckpointError: Its checksum does not match, or the file is damaged.
            Exception: Whatever the checkpoint's unmarshal or the store raises, unchanged.
        """
        with self._lock:
            try:
                blob = self.store.read(key)
            except KeyNotFoundError:
                raise CheckpointNotFoundError from None
            if self.mode == "kubelet":
                checkpoint.unmarshal(blob)
                checkpoint.verify_checksum()
            else:
                _get_hardened(checkpoint, blob)

    def remove_checkpoint(self, key: str) -> None:
        """Remove a checkpoint; none there is no error.

        Raises:
            InvalidKeyError: The key cannot be stored.
            OSError: The store failed.
        """
        with self._lock:
            self.store.delete(key)

    def list_checkpoints(self) -> list[str]:
        """Give the keys of all checkpoints.

        Raises:
            ListError: The store cannot be listed.
        """
        with self._lock:
            try:
                return self.store.list()
            except OSError as error:
                raise ListError(f"failed to list checkpoint store: {error}") from error


def _get_hardened(checkpoint: Any, blob: bytes) -> None:
    """Read into a scratch object first, and into the caller's only once that has worked.

    Our own kinds start from their constructor, so that nothing of what the caller's object held
    before is merged in, make it cheap (``fresh``, ``adopt``), and verify without exemption; any
    other object with the three methods is copied, and read a second time.
    """
    fresh = getattr(checkpoint, "fresh", None)
    scratch = fresh() if fresh else copy.deepcopy(checkpoint)
    scratch.unmarshal(blob)
    getattr(scratch, "verify_checksum_strict", scratch.verify_checksum)()
    adopt = getattr(checkpoint, "adopt", None)
    if adopt:
        adopt(scratch)
    else:
        checkpoint.unmarshal(blob)
        checkpoint.verify_checksum()
