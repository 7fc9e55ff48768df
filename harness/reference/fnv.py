"""FNV-1a, 32 bits: the hash behind every kubelet checksum except DRA's.

Source: Fowler/Noll/Vo, and Go's ``hash/fnv`` (``New32a``), which the kubelet's
``pkg/kubelet/checkpointmanager/checksum`` uses.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["fnv1a_32"]

_OFFSET: Final = 2166136261
_PRIME: Final = 16777619


# Remembered, because a harness reads the same few values back ten thousand times and the loop costs
# some 50 ns a byte; bounded, because a value may be 100 KiB. Pure, so nothing can go stale.
@lru_cache(maxsize=64)
def fnv1a_32(data: bytes) -> int:
    """Hash bytes.

    Args:
        data: What is hashed.

    Returns:
        The hash, 0 to 2**32 - 1.
    """
    value = _OFFSET
    for byte in data:
        value = ((value ^ byte) * _PRIME) & 0xFFFFFFFF
    return value
