"""The text a kubelet hashes: go-spew's ``%#v`` with sorted keys and methods disabled.

Source: github.com/davecgh/go-spew v1.1.1 ``format.go``, with the configuration of
``k8s.io/kubernetes/pkg/util/hash`` (``DeepHashObject``) and ``dump.ForHash``.

A field or the top value shows its type, ``(T)value``; what stands inside a map or slice does not.
Strings are neither quoted nor escaped, so different values can give one text: the maps
{"c1":"1-3","c2":"4-5"} and {"c1":"1-3 c2:4-5"} do.
"""

from __future__ import annotations

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

__all__ = ["hash_text"]


class _Printer:
    """One printing; ``ignore`` is go-spew's ignoreNextType."""

    __slots__ = ("ignore", "out")

    def __init__(self) -> None:
        self.out: list[str] = []
        self.ignore = False

    def print(self, kind: Type, value: Any) -> None:
        if isinstance(kind, Pointer):
            self.pointer(kind, value)
            return
        if not self.ignore:
            self.out.append(f"({kind.name})")
        self.ignore = False
        _PRINT[type(kind)](self, kind, value)

    def pointer(self, kind: Pointer, value: Any) -> None:
        if value is None:
            if not self.ignore:
                self.out.append(f"({kind.name})")
            # Inside a map or slice formatPtr returns without clearing ignoreNextType: after a nil
            # pointer that ends one, the NEXT struct field loses its type. Kubelets' sums have it.
            self.out.append("<nil>")
            return
        self.out.append("<*>" if self.ignore else f"({kind.name})")
        self.ignore = True
        self.print(kind.elem, value)


def _plain(printer: _Printer, _: Type, value: Any) -> None:
    printer.out.append(str(value))


def _bool(printer: _Printer, _: Type, value: Any) -> None:
    printer.out.append("true" if value else "false")


def _bytes(printer: _Printer, _: Type, value: Any) -> None:
    text = "<nil>" if value is None else "[" + " ".join(map(str, value)) + "]"
    printer.out.append(text)


def _slice(printer: _Printer, kind: Slice, value: Any) -> None:
    if value is None:
        printer.out.append("<nil>")
        return
    if isinstance(kind.elem, String | Int):
        printer.out.append("[" + " ".join(map(str, value)) + "]")
        return
    separator = "["
    for item in value:
        printer.out.append(separator)
        separator = " "
        printer.ignore = True
        printer.print(kind.elem, item)
    printer.out.append("]" if value else "[]")


def _map(printer: _Printer, kind: Map, value: Any) -> None:
    if value is None:
        printer.out.append("<nil>")
        return
    if isinstance(kind.elem, String | Int):
        printer.out.append("map[" + " ".join(f"{key}:{value[key]}" for key in sorted(value)) + "]")
        return
    separator = "map["
    # Numbers in numeric order here (go-spew's sort), in string order in the JSON.
    for key in sorted(value):
        printer.out.append(f"{separator}{key}:")
        separator = " "
        printer.ignore = True
        printer.print(kind.elem, value[key])
    printer.out.append("]" if value else "map[]")


def _struct(printer: _Printer, kind: Struct, value: Any) -> None:
    separator = "{"
    for field in kind.fields:
        if printer.ignore or isinstance(field.type, Pointer):
            printer.out.append(f"{separator}{field.go}:")
            printer.print(field.type, value[field.go])
        else:
            printer.out.append(separator + field.label)
            _PRINT[type(field.type)](printer, field.type, value[field.go])
        separator = " "
    printer.out.append("}" if kind.fields else "{}")


def _text(printer: _Printer, kind: Text, value: Any) -> None:
    printer.ignore = True
    printer.print(kind.shape, kind.spread(value))


_Print = Callable[[_Printer, Any, Any], None]
_PRINT: Final[dict[type, _Print]] = {
    String: _plain,
    Int: _plain,
    Bool: _bool,
    Bytes: _bytes,
    Slice: _slice,
    Map: _map,
    Struct: _struct,
    Text: _text,
}


def hash_text(kind: Type, value: Any) -> str:
    """Print a Go value as a kubelet does before hashing it.

    Args:
        kind: The value's type; a ``Pointer`` where a pointer is passed.
        value: The value.
    """
    printer = _Printer()
    printer.print(kind, value)
    return "".join(printer.out)
