"""A Go type, described once: decoding, encoding and the hashed text are all derived from it.

Values of these types are plain Python: ``str``, ``int``, ``bool``, ``bytes``, ``list``, ``dict``; a
nil pointer, map, slice or byte slice is ``None``; a struct is a ``dict`` keyed by Go field name; a
pointer is what it points to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

__all__ = [
    "BOOL",
    "INT",
    "INT32",
    "INT64",
    "STRING",
    "UINT32",
    "UINT64",
    "Bool",
    "Bytes",
    "Field",
    "Int",
    "Map",
    "Pointer",
    "Slice",
    "String",
    "Struct",
    "Text",
    "Type",
    "fold",
    "zero",
]

# Go's letters fold to exactly two characters outside ASCII: K (Kelvin) and long s
# (encoding/json fold.go, equalFoldRight).
_FOLD: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)} | {
    0x212A: ord("k"),
    0x017F: ord("s"),
}


def fold(name: str) -> str:
    """Fold a name's case the way encoding/json compares an object's keys with field names."""
    return name.translate(_FOLD)


@dataclass(frozen=True, slots=True)
class String:
    """A string type; ``name`` is what reflect prints (``string``, ``v1.ResourceName``)."""

    name: str = "string"


@dataclass(frozen=True, slots=True)
class Int:
    """An integer type with its range."""

    name: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Bool:
    """The boolean type."""

    name: str = "bool"


@dataclass(frozen=True, slots=True)
class Bytes:
    """``[]byte``: base64 in JSON, a list of numbers in the hashed text."""

    name: str = "[]uint8"


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice; the name is derived unless the type is a named one."""

    elem: Type
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"[]{self.elem.name}")


@dataclass(frozen=True, slots=True)
class Map:
    """A map keyed by a string or an integer type."""

    key: String | Int
    elem: Type
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"map[{self.key.name}]{self.elem.name}")


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer to a value that is not itself a pointer."""

    elem: Type
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"*{self.elem.name}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct. ``label`` is how the hashed text introduces it.

    Attributes:
        go: The Go name, which the hashed text shows.
        type: Its type.
        json: The name in JSON; the Go name where there is no tag.
        omitempty: Whether an empty value is left out of the JSON.
    """

    go: str
    type: Type
    json: str = ""
    omitempty: bool = False
    label: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "json", self.json or self.go)
        object.__setattr__(self, "label", f"{self.go}:({self.type.name})")


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct; embedded structs are written out flat, as encoding/json sees them."""

    name: str
    fields: tuple[Field, ...]
    exact: dict[str, Field] = field(init=False, repr=False, compare=False)
    folded: dict[str, Field] = field(init=False, repr=False, compare=False)
    # The zero value, where a shallow copy of it will do: no struct is inside.
    flat: dict[str, Any] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "exact", {f.json: f for f in self.fields})
        folded: dict[str, Field] = {}
        for f in self.fields:
            folded.setdefault(fold(f.json), f)
        object.__setattr__(self, "folded", folded)
        nested = any(isinstance(f.type, Struct) for f in self.fields)
        flat = None if nested else {f.go: zero(f.type) for f in self.fields}
        object.__setattr__(self, "flat", flat)

    @property
    def short(self) -> str:
        """The name without its package, as decoding errors print it."""
        return self.name.rpartition(".")[2]

    def field(self, key: str) -> Field | None:
        """Find the field an object's key decodes into: the exact name first, then any case."""
        return self.exact.get(key) or self.folded.get(fold(key))


@dataclass(frozen=True, slots=True)
class Text:
    """A type that writes and reads itself as a JSON string (``encoding.TextMarshaler``).

    Attributes:
        name: The type's name.
        parse: Text to value; raises ValueError.
        render: Value to text.
        shape: The type whose hashed text its value has.
        spread: Value to a value of that type.
        empty: The zero value.
    """

    name: str
    parse: Callable[[str], Any]
    render: Callable[[Any], str]
    shape: Type
    spread: Callable[[Any], Any]
    empty: Any


Type: TypeAlias = String | Int | Bool | Bytes | Slice | Map | Pointer | Struct | Text

STRING: Final = String()
BOOL: Final = Bool()
INT: Final = Int("int", -(2**63), 2**63 - 1)
INT32: Final = Int("int32", -(2**31), 2**31 - 1)
INT64: Final = Int("int64", -(2**63), 2**63 - 1)
UINT32: Final = Int("uint32", 0, 2**32 - 1)
UINT64: Final = Int("uint64", 0, 2**64 - 1)


def zero(kind: Type) -> Any:
    """Make a type's zero value; a new one each time, because structs are mutable here."""
    if isinstance(kind, String):
        return ""
    if isinstance(kind, Int):
        return 0
    if isinstance(kind, Struct):
        if kind.flat is not None:
            return kind.flat.copy()
        return {f.go: zero(f.type) for f in kind.fields}
    if isinstance(kind, Bool):
        return False
    if isinstance(kind, Text):
        return kind.empty
    return None
