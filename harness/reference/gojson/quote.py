"""``strconv.Quote``, as Go error messages use it (``%q``)."""

from __future__ import annotations

from typing import Final

__all__ = ["quote", "quote_byte"]

_SHORT: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}


def _escape(character: str, delimiter: str) -> str:
    if character == delimiter:
        return "\\" + character
    if character in _SHORT:
        return _SHORT[character]
    # Python's printable and Go's unicode.IsPrint agree: letters, marks, numbers, punctuation,
    # symbols and the ASCII space.
    if character.isprintable():
        return character
    code = ord(character)
    if code < ord(" ") or code == 0x7F:  # noqa: PLR2004  DEL
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  the BMP's end


def quote(text: str) -> str:
    """Quote text as Go's ``%q`` does."""
    return '"' + "".join(_escape(character, '"') for character in text) + '"'


def quote_byte(byte: int) -> str:
    """Quote one byte, taken as a Latin-1 character, as encoding/json's ``quoteChar`` does."""
    return "'" + _escape(chr(byte), "'") + "'"
