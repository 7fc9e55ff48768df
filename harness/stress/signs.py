"""Signs: what a round saw, in words, and hashed; one that saw a new one is worth keeping.

Kinds of system call in a row, a fault and what came of it, what a recovery showed and repaired, a
cause found, a way to end the process.
"""

from __future__ import annotations

import zlib

__all__ = ["broke_sign", "found_sign", "hashed"]


def hashed(sign: str) -> int:
    """Shorten a sign for the journal; the same number on any machine."""
    return zlib.crc32(sign.encode())


def found_sign(name: str) -> str:
    """Give the sign of a round that found a cause."""
    return f"found:{name}"


def broke_sign(kind: str) -> str:
    """Give the sign of a round that broke down."""
    return f"broke:{kind}"
