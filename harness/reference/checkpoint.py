"""What a checkpoint is, and the part that all kinds share.

Source: ``pkg/kubelet/checkpointmanager`` (``Checkpoint``, ``checksum.Checksum``). A kind states its
Go types; marshalling, unmarshalling and the checksum follow from them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol, Self, runtime_checkable

from harness.reference.errors import CorruptCheckpointError
from harness.reference.fnv import fnv1a_32
from harness.reference.gojson import decode_into, encode
from harness.reference.gojson.types import UINT64, Int, Pointer, Struct, zero
from harness.reference.spew import hash_text

__all__ = ["CHECKSUM", "Checkpoint", "StructCheckpoint", "checksum_of", "field_property"]

CHECKSUM: Final = Int("checksum.Checksum", UINT64.low, UINT64.high)
"""``type Checksum uint64``; only 32 bits are ever computed, so 2**32 and more can never verify."""


@runtime_checkable
class Checkpoint(Protocol):
    """What a CheckpointManager stores: anything with these three methods."""

    def marshal(self) -> bytes:
        """Give the bytes to store, with the checksum brought up to date."""

    def unmarshal(self, blob: bytes) -> None:
        """Take the state from stored bytes; raises whatever says they cannot be read."""

    def verify_checksum(self) -> None:
        """Raise CorruptCheckpointError unless the state matches the stored checksum."""


def checksum_of(text: str) -> int:
    """Hash a text as ``checksum.New`` hashes the text of a value."""
    return fnv1a_32(text.encode())


def field_property(name: str) -> Any:
    """Make a property that reads and sets one Go field of a StructCheckpoint."""

    def read(self: StructCheckpoint) -> Any:
        return self.value[name]

    def write(self: StructCheckpoint, value: Any) -> None:
        self.value[name] = value

    return property(read, write, doc=f"The Go field {name}.")


class StructCheckpoint:
    """A checkpoint that is one Go struct.

    Attributes:
        value: The struct, a dict keyed by Go field name.
    """

    kind: ClassVar[str]
    """Which manager's: cpu, memory, device ..."""
    version: ClassVar[str]
    """Which format of it."""
    struct: ClassVar[Struct]
    constructor: ClassVar[dict[str, Callable[[], Any]]] = {}
    """Fields that the Go constructor makes non-nil."""
    accepts_zero: ClassVar[bool] = False
    """Whether a stored 0, or no checksum at all, passes unchecked ("old file backend")."""
    checksum_field: ClassVar[str] = "Checksum"

    def __init__(self) -> None:
        self.value: dict[str, Any] = zero(self.struct)
        for name, make in self.constructor.items():
            self.value[name] = make()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StructCheckpoint):
            return NotImplemented
        return self.struct == other.struct and self.value == other.value

    __hash__ = None  # type: ignore[assignment]  # mutable

    @property
    def stored(self) -> int:
        """The checksum as stored; 0 where there was none."""
        result: int = self.value[self.checksum_field]
        return result

    def text(self) -> str:
        """The text that is hashed."""
        before = self.value[self.checksum_field]
        self.value[self.checksum_field] = 0
        try:
            return hash_text(Pointer(self.struct), self.value)
        finally:
            self.value[self.checksum_field] = before

    def computed(self) -> int:
        """The checksum that the state has."""
        return checksum_of(self.text())

    def marshal(self) -> bytes:
        self.value[self.checksum_field] = self.computed()
        return encode(self.struct, self.value)

    def unmarshal(self, blob: bytes) -> None:
        self.value = decode_into(self.struct, blob, self.value)

    def verify_checksum(self) -> None:
        if self.accepts_zero and self.stored == 0:
            return
        self.verify_checksum_strict()

    def verify_checksum_strict(self) -> None:
        """Verify without the kubelet's exemption for a zero or missing checksum.

        Raises:
            CorruptCheckpointError: The sums differ.
        """
        actual = self.computed()
        if actual != self.stored:
            raise CorruptCheckpointError(actual, self.stored)

    def fresh(self) -> Self:
        """Make an empty checkpoint of this kind, as its constructor does."""
        return type(self)()

    def adopt(self, other: Self) -> None:
        """Take over another's state."""
        self.value = other.value

    def copy(self) -> Self:
        """Make an independent copy."""
        result = self.fresh()
        result.value = copy.deepcopy(self.value)
        return result
