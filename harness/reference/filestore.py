"""FileStore: values under keys, one file each."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from harness.reference.hardened_files import HardenedFiles
from harness.reference.kubelet_files import KubeletFiles

__all__ = ["FileStore", "Mode"]

Mode: TypeAlias = Literal["hardened", "kubelet"]
"""``hardened`` keeps its promises on any local filesystem; ``kubelet`` does what a kubelet does."""

_PROTOCOLS: Final[dict[str, type[HardenedFiles | KubeletFiles]]] = {
    "hardened": HardenedFiles,
    "kubelet": KubeletFiles,
}


class FileStore:
    """A directory of values.

    Any number of threads and processes may use one directory at a time. Values are bytes; a key is
    1 to 250 of ``A-Z a-z 0-9 - _ .``, beginning and ending alphanumeric.

    Args:
        directory: Where; made, with its parents, if absent.
        mode: Which protocol (see ``hardened_files`` and ``kubelet_files``).

    Raises:
        ValueError: There is no such mode.
        OSError: The directory cannot be made or used.
    """

    __slots__ = ("_files", "directory", "mode")

    def __init__(self, directory: str, mode: Mode = "hardened") -> None:
        if mode not in _PROTOCOLS:
            raise ValueError(f"mode {mode!r}: there are {' and '.join(_PROTOCOLS)}")
        self.directory: Final = directory
        self.mode: Final = mode
        self._files = _PROTOCOLS[mode](directory)

    def write(self, key: str, data: bytes) -> None:
        """Store a value.

        Raises:
            InvalidKeyError: The key cannot be stored.
            OSError: It failed; the key reads entirely as before or entirely as meant (hardened).
        """
        self._files.write(key, data)

    def read(self, key: str) -> bytes:
        """Read a value back.

        Raises:
            InvalidKeyError: The key cannot be stored.
            KeyNotFoundError: There is none.
            CorruptCheckpointError: What is stored is damaged (hardened).
            OSError: It cannot be read.
        """
        return self._files.read(key)

    def delete(self, key: str) -> None:
        """Remove a value; none there is no error.

        Raises:
            InvalidKeyError: The key cannot be stored.
            OSError: It failed.
        """
        self._files.delete(key)

    def list(self) -> list[str]:
        """Give the keys, sorted; in kubelet mode every name without a dot in front, key or not.

        Raises:
            OSError: The directory cannot be listed.
        """
        return self._files.list()
