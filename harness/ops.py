"""Operations on a store, and workloads made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = [
    "STORE",
    "SYNCED",
    "Kind",
    "Operation",
    "Workload",
    "delete",
    "listing",
    "read",
    "reopen",
    "write",
]

Kind: TypeAlias = Literal["open", "write", "read", "delete", "list", "sync", "close", "reopen"]

STORE: Final = "store"
"""Name of the subject's directory inside the simulated one; absent until the subject makes it."""

SYNCED: Final = "-synced"
"""Ends the name of a workload that is another with a sync after each change."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call on the subject.

    Attributes:
        kind: What is called. ``reopen`` closes the store and opens it in a new process.
        key: For write, read and delete.
        value: For write.
    """

    kind: Kind
    key: str | None = None
    value: bytes | None = None

    def __str__(self) -> str:
        if self.kind == "write":
            assert self.value is not None
            return f"write({self.key!r}, {_abbreviate(self.value)})"
        return f"{self.kind}({'' if self.key is None else repr(self.key)})"


_SHOWN_MAX: Final = 12


def _abbreviate(value: bytes) -> str:
    if len(value) <= _SHOWN_MAX:
        return repr(value)
    return f"{value[:_SHOWN_MAX]!r}... {len(value)} bytes"


@dataclass(frozen=True, slots=True)
class Workload:
    """What is done to the store while faults are injected.

    Attributes:
        name: Where it comes from: a scenario's own, or the number of a draw.
        operations: In the order they are called.
        setup: Operations done and made durable before: the store the faults find.
    """

    name: str
    operations: tuple[Operation, ...]
    setup: tuple[Operation, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that occurs, in order of first use."""
        everything = (*self.setup, *self.operations)
        return tuple(dict.fromkeys(op.key for op in everything if op.key is not None))

    @property
    def stored_bytes(self) -> int:
        """Bytes of all values that are written."""
        return sum(len(op.value or b"") for op in (*self.setup, *self.operations))


def write(key: str, value: bytes) -> Operation:
    """Make a write."""
    return Operation("write", key, value)


def read(key: str) -> Operation:
    """Make a read."""
    return Operation("read", key)


def delete(key: str) -> Operation:
    """Make a delete."""
    return Operation("delete", key)


def listing() -> Operation:
    """Make a list."""
    return Operation("list")


def reopen() -> Operation:
    """Make a clean restart."""
    return Operation("reopen")
