"""The one place where the reference system draws a random number: names of temporary files."""

from __future__ import annotations

import os

__all__ = ["random_uint32"]


def random_uint32() -> int:
    """Draw 32 bits; from the kernel, because two forks share the state of ``random``."""
    return int.from_bytes(os.urandom(4), "little")
