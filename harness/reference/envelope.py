"""The envelope around a stored value: what makes damage visible, whatever the value is.

Layout, all numbers little-endian::

    8  magic and version: 89 43 4b 50 54 0d 0a 01
    2  length of the key, in bytes
    8  length of the value, in bytes
    4  CRC-32 (IEEE) of everything else: magic, both lengths, key, value
    .. key
    .. value

The key is inside, so that one file's content under another's name is refused; the lengths, so
that a cut file and an old tail behind a new body are; the CRC, so that any single bit flip and
any burst up to 32 bits are certain to be seen, and everything else but for one chance in 2**32.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from harness.reference.errors import CorruptCheckpointError

__all__ = ["HEADER_SIZE", "MAGIC", "is_wrapped", "size_of", "unwrap", "unwrap_any", "wrap"]

# The high bit and the line break catch transports that are not 8-bit clean, as PNG's do.
MAGIC: Final = b"\x89CKPT\r\n\x01"

_HEAD: Final = struct.Struct("<8sHQ")
_CRC: Final = struct.Struct("<I")
HEADER_SIZE: Final = _HEAD.size + _CRC.size
"""Bytes before the key."""


def wrap(key: str, value: bytes) -> bytes:
    """Put a value into its envelope."""
    name = key.encode()
    head = _HEAD.pack(MAGIC, len(name), len(value))
    crc = zlib.crc32(value, zlib.crc32(name, zlib.crc32(head)))
    return b"".join((head, _CRC.pack(crc), name, value))


def is_wrapped(data: bytes) -> bool:
    """Tell whether data begins like an envelope; its tail, or a damaged one, may not."""
    return data[: len(MAGIC)] == MAGIC


def size_of(data: bytes) -> int:
    """Read from an envelope's first bytes how long all of it is, or 0 where that cannot be told."""
    if len(data) < HEADER_SIZE:
        return 0
    _, name_size, value_size = _HEAD.unpack_from(data)
    return HEADER_SIZE + int(name_size) + int(value_size)


def unwrap(key: str, data: bytes) -> bytes:
    """Take a value out of its envelope.

    Args:
        key: The key it has to be for.
        data: The whole file.

    Raises:
        CorruptCheckpointError: Any of it is damaged, or it was written under another key.
    """
    name, value = unwrap_any(data)
    if name != key.encode():
        shown = name.decode("utf-8", "replace")
        raise CorruptCheckpointError(detail=f"written under another key, {shown!r}")
    return value


def unwrap_any(data: bytes) -> tuple[bytes, bytes]:
    """Take key and value out of an envelope, whichever key it was written under.

    Raises:
        CorruptCheckpointError: Any of it is damaged.
    """
    if len(data) < HEADER_SIZE:
        raise CorruptCheckpointError(detail=f"{len(data)} bytes, too short for an envelope")
    magic, name_size, value_size = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise CorruptCheckpointError(detail="no envelope: the magic number is missing")
    body = HEADER_SIZE + name_size
    if len(data) != body + value_size:
        raise CorruptCheckpointError(
            detail=f"{len(data)} bytes, the envelope says {body + value_size}"
        )
    name = data[HEADER_SIZE:body]
    value = data[body:]
    (expected,) = _CRC.unpack_from(data, _HEAD.size)
    actual = zlib.crc32(value, zlib.crc32(name, zlib.crc32(data[: _HEAD.size])))
    if actual != expected:
        raise CorruptCheckpointError(actual, expected, f"CRC {actual:08x}, stored {expected:08x}")
    return name, value
