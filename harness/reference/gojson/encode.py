"""Go values into JSON, byte for byte as ``encoding/json`` writes them (go1.19 encode.go).

Compact, fields in the struct's order, map keys sorted as strings (10 before 2), ``<``, ``>``,
``&``, U+2028 and U+2029 escaped, ``[]byte`` in base64, nil as null.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from typing import Any, Final

from harness.reference.gojson.types import (
    Bool,
    Bytes,
    Int,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
    Text,
    Type,
)

__all__ = ["encode"]

_SPECIAL: Final = re.compile('["\\\\\x00-\x1f<>&\u2028\u2029]')
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def _quoted(text: str) -> str:
    return '"' + _SPECIAL.sub(_escape, text) + '"'


def _string(_: String, value: Any, out: list[str]) -> None:
    out.append(_quoted(value))


def _int(_: Int, value: Any, out: list[str]) -> None:
    out.append(str(int(value)))


def _bool(_: Bool, value: Any, out: list[str]) -> None:
    out.append("true" if value else "false")


def _bytes(_: Bytes, value: Any, out: list[str]) -> None:
    if value is None:
        out.append("null")
    else:
        out.append('"' + binascii.b2a_base64(value, newline=False).decode() + '"')


def _slice(kind: Slice, value: Any, out: list[str]) -> None:
    if value is None:
        out.append("null")
        return
    out.append("[")
    write = _WRITE[type(kind.elem)]
    for index, item in enumerate(value):
        if index:
            out.append(",")
        write(kind.elem, item, out)
    out.append("]")


def _map(kind: Map, value: Any, out: list[str]) -> None:
    if value is None:
        out.append("null")
        return
    out.append("{")
    write = _WRITE[type(kind.elem)]
    # Code point order is UTF-8's byte order, which is how Go compares strings.
    for index, (name, key) in enumerate(sorted((str(key), key) for key in value)):
        if index:
            out.append(",")
        out.append(_quoted(name) + ":")
        write(kind.elem, value[key], out)
    out.append("}")


def _pointer(kind: Pointer, value: Any, out: list[str]) -> None:
    if value is None:
        out.append("null")
    else:
        _WRITE[type(kind.elem)](kind.elem, value, out)


def _is_empty(kind: Type, value: Any) -> bool:
    """Tell whether omitempty leaves a value out: a pointer to 0 stays, and so does any struct."""
    if isinstance(kind, Pointer):
        return value is None
    return not isinstance(kind, Struct | Text) and not value


def _struct(kind: Struct, value: Any, out: list[str]) -> None:
    separator = "{"
    for field in kind.fields:
        item = value[field.go]
        if field.omitempty and _is_empty(field.type, item):
            continue
        out.append(f'{separator}"{field.json}":')
        separator = ","
        _WRITE[type(field.type)](field.type, item, out)
    out.append("{}" if separator == "{" else "}")


def _text(kind: Text, value: Any, out: list[str]) -> None:
    out.append(_quoted(kind.render(value)))


_Write = Callable[[Any, Any, list[str]], None]
_WRITE: Final[dict[type, _Write]] = {
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


def encode(kind: Type, value: Any) -> bytes:
    """Encode a Go value (``json.Marshal``).

    Args:
        kind: The value's type.
        value: The value, in the shapes of ``types``.

    Raises:
        UnicodeEncodeError: A string holds a lone surrogate, which no Go string can.
    """
    out: list[str] = []
    _WRITE[type(kind)](kind, value, out)
    return "".join(out).encode()
