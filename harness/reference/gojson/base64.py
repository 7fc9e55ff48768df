"""Base64 as Go's ``encoding/base64`` reads it (StdEncoding), with its error text.

Python's decoder differs: it ignores foreign characters, or refuses the line breaks Go skips.
"""

from __future__ import annotations

import binascii
from typing import Final

from harness.reference.gojson.errors import JSONValueError

__all__ = ["decode_base64"]

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_DIGIT: Final = {byte: value for value, byte in enumerate(_ALPHABET)}


def decode_base64(text: str) -> bytes:
    """Decode base64 text.

    Args:
        text: The text; carriage returns and line feeds are skipped wherever they stand.

    Raises:
        JSONValueError: Not base64; the text names the byte, counted as Go's decodeQuantum counts.
    """
    source = text.encode()
    out = bytearray()
    at = 0
    while at < len(source):
        at, chunk, bad = _quantum(source, at)
        out += chunk
        if bad is not None:
            raise JSONValueError(f"illegal base64 data at input byte {bad}")
    return bytes(out)


def _quantum(source: bytes, at: int) -> tuple[int, bytes, int | None]:
    """Decode up to four digits; give the position after, the bytes, and the bad byte's position."""
    digits: list[int] = []
    while len(digits) < 4:  # noqa: PLR2004  four digits make three bytes
        if at == len(source):
            return at, b"", (at - len(digits)) if digits else None
        byte = source[at]
        at += 1
        if byte in _DIGIT:
            digits.append(_DIGIT[byte])
        elif byte in b"\r\n":
            continue
        elif byte != ord("=") or len(digits) < 2:  # noqa: PLR2004  padding stands in place 3 or 4
            return at, b"", at - 1
        else:
            return _padded(source, at, digits)
    return at, _bytes(digits), None


def _padded(source: bytes, at: int, digits: list[int]) -> tuple[int, bytes, int | None]:
    if len(digits) == 2:  # noqa: PLR2004  "==" is needed
        at = _skip(source, at)
        if at == len(source):
            return at, b"", at
        if source[at] != ord("="):
            return at, b"", at - 1
        at += 1
    at = _skip(source, at)
    return at, _bytes(digits), at if at < len(source) else None


def _skip(source: bytes, at: int) -> int:
    while at < len(source) and source[at] in b"\r\n":
        at += 1
    return at


def _bytes(digits: list[int]) -> bytes:
    # Bits beyond the last whole byte are dropped unseen: StdEncoding is not strict.
    text = bytes(_ALPHABET[digit] for digit in digits) + b"=" * (4 - len(digits))
    return binascii.a2b_base64(text)
