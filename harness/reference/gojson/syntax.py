"""Why input is not JSON, in encoding/json's words.

The parser (``parse.py``) is quick and says only that input is bad; this room then walks the input
one byte at a time, as Go's ``scanner.go`` does (go1.19), to find the first bad byte and its text.
Go feeds the scanner one space at the end of the input, which is why a truncated literal complains
about ``' '``; so does this.
"""

from __future__ import annotations

from typing import Final

from harness.reference.gojson.quote import quote_byte

__all__ = ["DEPTH_MAX", "explain"]

DEPTH_MAX: Final = 10000
"""Levels of nesting that encoding/json takes (``maxNestingDepth``)."""

_END: Final = "unexpected end of JSON input"
_SPACE: Final = frozenset(b" \t\r\n")
_DIGITS: Final = frozenset(b"0123456789")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_ESCAPES: Final = frozenset(b'bfnrt\\/"')
_LITERALS: Final = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}


class _Stop(Exception):  # noqa: N818  not an error: it carries the answer out of the scan
    """The text to give."""


class _Scanner:
    """One walk over the input."""

    def __init__(self, data: bytes) -> None:
        self.data = data + b" "
        self.at = 0
        self.stack: list[int] = []

    def bad(self, context: str) -> _Stop:
        return _Stop(f"invalid character {quote_byte(self.peek())} {context}")

    def peek(self) -> int:
        if self.at >= len(self.data):
            raise _Stop(_END)
        return self.data[self.at]

    def skip_space(self) -> int:
        while self.peek() in _SPACE:
            self.at += 1
        return self.peek()

    def push(self, opening: int) -> None:
        if len(self.stack) >= DEPTH_MAX:
            raise self.bad("exceeded max depth")
        self.stack.append(opening)
        self.at += 1

    def string(self) -> None:
        self.at += 1
        while True:
            byte = self.peek()
            if byte < 0x20:  # noqa: PLR2004  control characters end at the space
                raise self.bad("in string literal")
            self.at += 1
            if byte == ord('"'):
                return
            if byte == ord("\\"):
                self.escape()

    def escape(self) -> None:
        byte = self.peek()
        if byte == ord("u"):
            for _ in range(4):
                self.at += 1
                if self.peek() not in _HEX:
                    raise self.bad("in \\u hexadecimal character escape")
        elif byte not in _ESCAPES:
            raise self.bad("in string escape code")
        self.at += 1

    def literal(self, word: bytes) -> None:
        for expected in word[1:]:
            self.at += 1
            if self.peek() != expected:
                raise self.bad(f"in literal {word.decode()} (expecting '{chr(expected)}')")
        self.at += 1

    def digits(self, context: str) -> None:
        if self.peek() not in _DIGITS:
            raise self.bad(context)
        while self.at < len(self.data) and self.data[self.at] in _DIGITS:
            self.at += 1

    def number(self) -> None:
        if self.peek() == ord("-"):
            self.at += 1
        if self.peek() == ord("0"):
            self.at += 1
        else:
            self.digits("in numeric literal")
        if self.peek() == ord("."):
            self.at += 1
            self.digits("after decimal point in numeric literal")
        if self.peek() in b"eE":
            self.at += 1
            if self.peek() in b"+-":
                self.at += 1
            self.digits("in exponent of numeric literal")

    def key(self) -> None:
        if self.skip_space() != ord('"'):
            raise self.bad("looking for beginning of object key string")
        self.string()
        if self.skip_space() != ord(":"):
            raise self.bad("after object key")
        self.at += 1

    def opened(self) -> bool:
        """Enter one value; tell whether it is now to be followed by an end (it is complete)."""
        byte = self.skip_space()
        if byte == ord("{"):
            self.push(byte)
            if self.skip_space() == ord("}"):
                return True
            self.key()
            return False
        if byte == ord("["):
            self.push(byte)
            return self.skip_space() == ord("]")
        if byte == ord('"'):
            self.string()
        elif byte in _LITERALS:
            self.literal(_LITERALS[byte])
        elif byte == ord("-") or byte in _DIGITS:
            self.number()
        else:
            raise self.bad("looking for beginning of value")
        return True

    def closed(self) -> bool:
        """After a complete value: take what follows; tell whether that begins another value."""
        while self.stack:
            byte = self.skip_space()
            inside = self.stack[-1]
            if byte == ord(","):
                self.at += 1
                if inside == ord("{"):
                    self.key()
                return True
            if byte != (ord("}") if inside == ord("{") else ord("]")):
                what = "object key:value pair" if inside == ord("{") else "array element"
                raise self.bad(f"after {what}")
            self.stack.pop()
            self.at += 1
        return False

    def scan(self) -> None:
        more = True
        while more:
            while not self.opened():
                pass
            more = self.closed()
        while self.at < len(self.data):
            if self.data[self.at] not in _SPACE:
                raise self.bad("after top-level value")
            self.at += 1


def explain(data: bytes) -> str | None:
    """Say what is wrong with the syntax of some input.

    Args:
        data: The input.

    Returns:
        The text of Go's SyntaxError, or None where the input is JSON.
    """
    try:
        _Scanner(data).scan()
    except _Stop as stop:
        return str(stop)
    return None
