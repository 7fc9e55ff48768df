"""JSON text to a neutral tree, keeping what encoding/json's decoding depends on.

Python's own parser, as it comes, will not do: it merges duplicate keys, keeps lone surrogates,
takes NaN, and turns numbers into values before anybody has asked what type they are for. Its
scanner is used, with hooks, for text in which none of that can differ.

A node is a ``str``, ``bool``, ``None``, ``Number`` (its literal), ``list``, or, for an object, a
``tuple`` of key and node pairs in the order of the text.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeAlias

from harness.reference.gojson.errors import JSONSyntaxError
from harness.reference.gojson.syntax import DEPTH_MAX, explain

__all__ = ["Node", "Number", "describe", "parse"]

Node: TypeAlias = Any


class Number:
    """A number's literal, undecoded."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_PLAIN: Final = r'[^"\\\x00-\x1f]*'
_TOKEN: Final = re.compile(
    r"[ \t\n\r]*(?:"
    rf'"({_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){_PLAIN})*)"'
    r"|([\[\]{},:])"
    r"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(true|false|null))"
)
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_ESCAPE: Final = re.compile(
    r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\(.)"
)
_BYTES_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
_SIMPLE: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS: Final = {"true": True, "false": False, "null": None}


def _unescape(match: re.Match[str]) -> str:
    high, low, single, simple = match.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if single:
        code = int(single, 16)
        # A surrogate that is half of nothing becomes U+FFFD (decode.go, unquoteBytes).
        return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)  # noqa: PLR2004
    return _SIMPLE.get(simple, simple)


def describe(node: Node) -> str:
    """Name a node's kind as Go's UnmarshalTypeError does."""
    if isinstance(node, str):
        return "string"
    if isinstance(node, bool):
        return "bool"
    if isinstance(node, Number):
        return "number"
    return "array" if isinstance(node, list) else "object"


def parse(data: bytes) -> Node:
    """Parse one JSON value.

    Args:
        data: UTF-8 text; each byte that is not UTF-8 becomes U+FFFD inside a string, as in Go.

    Returns:
        The tree.

    Raises:
        JSONSyntaxError: The input is not JSON; the text is Go's.
    """
    text = data.decode("utf-8", "surrogateescape")
    if _BYTES_NOT_UTF8.search(text):
        text = _BYTES_NOT_UTF8.sub("\ufffd", text)
    # Four times as quick, and the same for text without escapes; anything it balks at is not
    # thereby wrong (nesting), so that our own builder has the last word.
    if "\\" not in text:
        try:
            tree, end = _quick(text, _SPACE.match(text).end())  # type: ignore[union-attr]
            if _SPACE.fullmatch(text, end):
                return tree
        except (ValueError, StopIteration, RecursionError):
            pass
    tree = _build(text)
    if tree is _BAD:
        raise JSONSyntaxError(explain(data) or "unexpected end of JSON input")
    return tree


_BAD: Final = object()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_quick: Final = json.JSONDecoder(
    object_pairs_hook=tuple,
    parse_float=Number,
    parse_int=Number,
    parse_constant=_no_constant,
).scan_once  # type: ignore[attr-defined]  # typeshed leaves it out


def _build(text: str) -> Node:
    """Build the tree, or give ``_BAD``. Iterative: input may nest 10,000 deep, Python may not."""
    match = _TOKEN.match
    at = 0
    # Each open container: its items, and for an object the key that waits for its value.
    stack: list[tuple[list[Any], bool]] = []
    keys: list[str] = []
    items: list[Any] = []
    is_object = False
    while True:
        token = match(text, at)
        if token is None:
            return _BAD
        at = token.end()
        group = token.lastindex
        node: Node
        if group == 1:
            node = token[1]
            if "\\" in node:
                node = _ESCAPE.sub(_unescape, node)
        elif group == 3:  # noqa: PLR2004  the third alternative of _TOKEN: a number
            node = Number(token[3])
        elif group == 4:  # noqa: PLR2004  the fourth: a literal
            node = _LITERALS[token[4]]
        elif token[2] in "[{":
            if len(stack) >= DEPTH_MAX:
                return _BAD
            stack.append((items, is_object))
            items = []
            is_object = token[2] == "{"
            token = match(text, at)
            if token is None:
                return _BAD
            if token[2] == ("}" if is_object else "]"):
                at = token.end()
                node = () if is_object else []
                items, is_object = stack.pop()
            elif is_object:
                at = _key(text, token, keys)
                if at < 0:
                    return _BAD
                continue
            else:
                continue
        else:
            return _BAD
        while True:
            # A complete value: put it where it belongs, and see what follows.
            if not stack:
                end = _SPACE.match(text, at)
                return node if end is not None and end.end() == len(text) else _BAD
            items.append((keys.pop(), node) if is_object else node)
            token = match(text, at)
            if token is None:
                return _BAD
            at = token.end()
            if token[2] == ",":
                if is_object:
                    token = match(text, at)
                    at = -1 if token is None else _key(text, token, keys)
                    if at < 0:
                        return _BAD
                break
            if token[2] != ("}" if is_object else "]"):
                return _BAD
            node = tuple(items) if is_object else items
            items, is_object = stack.pop()


def _key(text: str, token: re.Match[str], keys: list[str]) -> int:
    """Take a key and its colon; give the position after them, or -1."""
    if token.lastindex != 1:
        return -1
    key = token[1]
    keys.append(_ESCAPE.sub(_unescape, key) if "\\" in key else key)
    colon = _TOKEN.match(text, token.end())
    return colon.end() if colon is not None and colon[2] == ":" else -1
