"""The reference system as subjects of the harness.

``hardened`` is what ``harness check`` checks when it is given nothing; it keeps every guarantee.
``kubelet`` and ``kubelet_filestore`` do not, and show what a kubelet's protocol leaves open.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any, ClassVar, Final, Generic, TypeVar

from harness.reference.checkpoint import Checkpoint
from harness.reference.cpu import CPUManagerCheckpoint
from harness.reference.errors import CheckpointNotFoundError, KeyNotFoundError
from harness.reference.filestore import FileStore
from harness.reference.gojson import encode
from harness.reference.manager import CheckpointManager

__all__ = ["CPUCodec", "filestore", "hardened", "kubelet", "kubelet_filestore"]

_T = TypeVar("_T")

_POLICY: Final = "static"
_DEFAULT: Final = "0"
_POD: Final = "pod"
_CONTAINER: Final = "container"


class CPUCodec:
    """Carries arbitrary bytes in a real CPU manager checkpoint.

    The value is the CPU list of the one container of the one pod, in base64: neither the JSON nor
    the hashed text escapes any of its characters, so size costs little.
    """

    def encode(self, value: bytes) -> CPUManagerCheckpoint:
        """Make the checkpoint that carries a value."""
        checkpoint = CPUManagerCheckpoint()
        checkpoint.policy_name = _POLICY
        checkpoint.default_cpu_set = _DEFAULT
        text = binascii.b2a_base64(value, newline=False).decode()
        checkpoint.entries = {_POD: {_CONTAINER: text}}
        return checkpoint

    def empty(self) -> CPUManagerCheckpoint:
        """Make a checkpoint to read into."""
        return CPUManagerCheckpoint()

    def decode(self, checkpoint: Checkpoint) -> bytes:
        """Give back the value that a checkpoint carries.

        A state that no value makes, one that damage altered and a manager nevertheless accepted,
        gives its own JSON after a mark: no error, because nobody detected anything, and nothing a
        harness ever wrote.
        """
        assert isinstance(checkpoint, CPUManagerCheckpoint)
        value = checkpoint.value
        entries = value["Entries"]
        if value["PolicyName"] == _POLICY and value["DefaultCPUSet"] == _DEFAULT and entries:
            containers = entries.get(_POD)
            if len(entries) == 1 and containers and containers.keys() == {_CONTAINER}:
                try:
                    return binascii.a2b_base64(containers[_CONTAINER], strict_mode=True)
                except ValueError:
                    pass  # altered, see below
        return b"altered state: " + encode(checkpoint.struct, value)


class Factory(Generic[_T]):
    """A subject's factory: called with a directory, it opens or recovers the store there.

    Args:
        name: The factory's name in this module.
        open_store: What it calls.
        not_found: Exception types that mean "no such key".
    """

    def __init__(
        self,
        name: str,
        open_store: Callable[[str], _T],
        not_found: tuple[type[Exception], ...],
    ) -> None:
        self.__name__ = name
        self.__qualname__ = name
        self.__module__ = __name__
        self.__doc__ = open_store.__doc__
        self.not_found: Final = not_found
        self._open = open_store

    def __call__(self, directory: str) -> _T:
        return self._open(directory)

    def __repr__(self) -> str:
        return f"{self.__module__}:{self.__name__}"


class ManagerFactory(Factory[CheckpointManager]):
    """A factory of managers, which says how a value becomes a checkpoint and back."""

    checkpoint: ClassVar[Any] = CPUCodec()


def _hardened(directory: str) -> CheckpointManager:
    """Open the reference checkpoint manager, hardened."""
    return CheckpointManager(directory)


def _kubelet(directory: str) -> CheckpointManager:
    """Open the checkpoint manager as a kubelet has it."""
    return CheckpointManager(directory, "kubelet")


def _filestore(directory: str) -> FileStore:
    """Open the hardened file store, without checkpoints on top."""
    return FileStore(directory)


def _kubelet_filestore(directory: str) -> FileStore:
    """Open the file store as a kubelet has it: bare bytes."""
    return FileStore(directory, "kubelet")


hardened: Final = ManagerFactory("hardened", _hardened, (CheckpointNotFoundError,))
kubelet: Final = ManagerFactory("kubelet", _kubelet, (CheckpointNotFoundError,))
filestore: Final = Factory("filestore", _filestore, (KeyNotFoundError,))
kubelet_filestore: Final = Factory("kubelet_filestore", _kubelet_filestore, (KeyNotFoundError,))
