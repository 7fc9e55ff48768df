"""JSON into Go values, as ``encoding/json`` does it (go1.19 decode.go).

Three habits of it decide what a kubelet accepts, and are kept:

- decoding goes INTO a value: what the input does not name stays, duplicate maps merge, a duplicate
  array decodes into the old elements;
- a value of the wrong kind is skipped, decoding goes on, and the first such error is returned;
- null empties maps, slices and pointers, and leaves everything else as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

from harness.reference.gojson.base64 import decode_base64
from harness.reference.gojson.errors import JSONError, JSONTypeError, JSONValueError
from harness.reference.gojson.parse import Node, Number, describe, parse
from harness.reference.gojson.types import (
    Bool,
    Bytes,
    Field,
    Int,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
    Text,
    Type,
    zero,
)

__all__ = ["decode_into"]

# strconv.ParseInt(s, 10, 64) and ParseUint: a sign only for signed ones; "01" is fine.
_SIGNED: Final = re.compile(r"[+-]?[0-9]+")
_UNSIGNED: Final = re.compile(r"[0-9]+")
_UINT8: Final = Int("uint8", 0, 255)

_Place: TypeAlias = "tuple[_Place | None, Struct, Field] | None"
"""Where in the structs decoding stands, innermost last: for the error text."""


class _Abort(Exception):  # noqa: N818  ends the decoding at once, unlike an error that is kept
    """A text type refused its content."""


class _Grown(list[Any]):
    """A slice with what its array still holds beyond its length: Go decodes into that again."""

    __slots__ = ("tail",)
    tail: list[Any]


class _Decoding:
    """One run: the first error is what counts."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: JSONError | None = None

    def mismatch(self, value: str, kind: Type, place: _Place) -> None:
        if self.error is None:
            self.error = JSONTypeError(f"json: cannot unmarshal {value} into {_where(kind, place)}")

    def store(self, kind: Type, node: Node, old: Any, place: _Place) -> Any:
        return _STORE[type(kind)](self, kind, node, old, place)


def _where(kind: Type, place: _Place) -> str:
    if place is None:
        return f"Go value of type {kind.name}"
    struct, names = place[1], []
    while place is not None:
        names.append(place[2].json)
        place = place[0]
    path = ".".join(reversed(names))
    return f"Go struct field {struct.short}.{path} of type {kind.name}"


def _string(run: _Decoding, kind: String, node: Node, old: Any, place: _Place) -> Any:
    if isinstance(node, str):
        return node
    if node is not None:
        run.mismatch(describe(node), kind, place)
    return old


def _integer(kind: Int, text: str) -> int | None:
    if not (_SIGNED if kind.low else _UNSIGNED).fullmatch(text):
        return None
    # Python refuses to convert thousands of digits; so many are out of every range anyway.
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > 20:  # noqa: PLR2004  2**64 has 20
        return None
    value = int(text)
    return value if kind.low <= value <= kind.high else None


def _int(run: _Decoding, kind: Int, node: Node, old: Any, place: _Place) -> Any:
    if isinstance(node, Number):
        value = _integer(kind, node.text)
        if value is not None:
            return value
        run.mismatch("number " + node.text, kind, place)
    elif node is not None:
        run.mismatch(describe(node), kind, place)
    return old


def _bool(run: _Decoding, kind: Bool, node: Node, old: Any, place: _Place) -> Any:
    if isinstance(node, bool):
        return node
    if node is not None:
        run.mismatch(describe(node), kind, place)
    return old


def _bytes(run: _Decoding, kind: Bytes, node: Node, old: Any, place: _Place) -> Any:
    if node is None:
        return None
    if isinstance(node, str):
        try:
            return decode_base64(node)
        except JSONValueError as error:
            run.error = run.error or error
            return old
    if isinstance(node, list):
        before = old or b""
        return bytes(
            run.store(_UINT8, item, before[i] if i < len(before) else 0, place)
            for i, item in enumerate(node)
        )
    run.mismatch(describe(node), kind, place)
    return old


def _slice(run: _Decoding, kind: Slice, node: Node, old: Any, place: _Place) -> Any:
    if node is None:
        return None
    if not isinstance(node, list):
        run.mismatch(describe(node), kind, place)
        return old
    if not node:
        return []
    before = [] if old is None else list(old) + getattr(old, "tail", [])
    elem = kind.elem
    after = _Grown(
        run.store(elem, item, before[i] if i < len(before) else zero(elem), place)
        for i, item in enumerate(node)
    )
    after.tail = before[len(node) :]
    return after


def _map(run: _Decoding, kind: Map, node: Node, old: Any, place: _Place) -> Any:
    if node is None:
        return None
    if not isinstance(node, tuple):
        run.mismatch(describe(node), kind, place)
        return old
    result: dict[Any, Any] = {} if old is None else old
    elem, key_kind = kind.elem, kind.key
    for name, item in node:
        value = run.store(elem, item, zero(elem), place)
        if isinstance(key_kind, Int):
            number = _integer(key_kind, name)
            if number is None:
                run.mismatch("number " + name, key_kind, place)
            else:
                result[number] = value
        else:
            result[name] = value
    return result


def _pointer(run: _Decoding, kind: Pointer, node: Node, old: Any, place: _Place) -> Any:
    if node is None:
        return None
    return run.store(kind.elem, node, zero(kind.elem) if old is None else old, place)


def _struct(run: _Decoding, kind: Struct, node: Node, old: Any, place: _Place) -> Any:
    if isinstance(node, tuple):
        for name, item in node:
            field = kind.field(name)
            if field is not None:
                old[field.go] = run.store(field.type, item, old[field.go], (place, kind, field))
    elif node is not None:
        run.mismatch(describe(node), kind, place)
    return old


def _text(run: _Decoding, kind: Text, node: Node, old: Any, place: _Place) -> Any:
    if isinstance(node, str):
        try:
            return kind.parse(node)
        except ValueError as error:
            raise _Abort(str(error)) from None
    if node is not None:
        run.mismatch(describe(node), kind, place)
    return old


_Store: TypeAlias = Callable[[_Decoding, Any, Node, Any, _Place], Any]
_STORE: Final[dict[type, _Store]] = {
    String: _string,
    Int: _int,
    Bool: _bool,
    Bytes: _bytes,
    Slice: _slice,
    Map: _map,
    Pointer: _pointer,
    Struct: _struct,
    Text: _text,
}

_T = TypeVar("_T")


def decode_into(kind: Type, data: bytes, old: _T) -> _T:
    """Decode JSON into an existing Go value (``json.Unmarshal``).

    Args:
        kind: The value's type.
        data: The JSON text.
        old: The value; structs and maps are changed in place.

    Returns:
        The value after decoding.

    Raises:
        JSONSyntaxError: Not JSON. Nothing was decoded.
        JSONError: Something did not fit. What does fit has been decoded into ``old``: encoding/json
            does the same, and a kubelet is left with a half-filled checkpoint.
    """
    tree = parse(data)
    run = _Decoding()
    try:
        result: _T = run.store(kind, tree, old, None)
    except _Abort as abort:
        raise JSONValueError(str(abort)) from None
    if run.error is not None:
        raise run.error
    return result
