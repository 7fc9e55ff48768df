"""Which keys a store takes: ``ValidateKey`` of the kubelet's file store."""

from __future__ import annotations

import re
from typing import Final

from harness.reference.errors import InvalidKeyError

__all__ = ["KEY_BYTES_MAX", "check_key", "is_key"]

KEY_BYTES_MAX: Final = 250
"""``keyMaxLength``; bytes, though every valid key is ASCII. Leaves room within NAME_MAX (255)."""

# Go's $ is the very end, Python's is also before a final newline: hence fullmatch, and no $.
_match: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]").fullmatch


def is_key(name: str) -> bool:
    """Tell whether a name is a valid key."""
    return len(name) <= KEY_BYTES_MAX and _match(name) is not None


def check_key(key: str) -> None:
    """Refuse a key that is not valid.

    Raises:
        InvalidKeyError: It is not; the text is Go's.
    """
    if len(key) > KEY_BYTES_MAX or _match(key) is None:
        raise InvalidKeyError(key)
