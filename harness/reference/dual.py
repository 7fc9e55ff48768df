"""The dual format of 1.37's development: an authoritative string and old fields beside it.

Source: ``CPUManagerCheckpoint`` (V4) and ``MemoryManagerCheckpoint`` (V3) after PR 139102: the old
fields keep older kubelets able to read the file, only ``dataChecksum`` over ``data`` is verified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

from harness.reference.checkpoint import StructCheckpoint
from harness.reference.gojson import JSONError, decode_into, encode
from harness.reference.gojson.types import STRING, Struct, zero
from harness.reference.spew import hash_text

__all__ = ["DualCheckpoint"]


class DualCheckpoint(StructCheckpoint):
    """A checkpoint whose state is ``data``, a JSON string.

    Attributes:
        state: The state, a dict keyed by Go field name.
    """

    what: ClassVar[str]
    payload: ClassVar[Struct]
    payload_constructor: ClassVar[dict[str, Callable[[], Any]]]
    checksum_field = "DataChecksum"

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, Any] = zero(self.payload)
        for name, make in self.payload_constructor.items():
            self.state[name] = make()

    def text(self) -> str:
        return hash_text(STRING, self.value["Data"])

    def legacy_checksum(self, legacy: dict[str, Any]) -> int:
        """Give the checksum for the old fields.

        Args:
            legacy: The struct with the old fields set.
        """
        raise NotImplementedError

    def marshal(self) -> bytes:
        self.value["Data"] = encode(self.payload, self.state).decode()
        for field in self.payload.fields:
            if field.go in self.value:
                self.value[field.go] = self.state[field.go]
        self.value["Checksum"] = self.legacy_checksum(self.value)
        return super().marshal()

    def unmarshal(self, blob: bytes) -> None:
        try:
            super().unmarshal(blob)
        except JSONError as error:
            raise type(error)(f"failed to deserialize {self.what} checkpoint: {error}") from None
        try:
            self.state = decode_into(self.payload, self.value["Data"].encode(), self.state)
        except JSONError as error:
            raise type(error)(
                f"failed to deserialize {self.what} checkpoint data: {error}"
            ) from None

    def adopt(self, other: Self) -> None:
        super().adopt(other)
        self.state = other.state
