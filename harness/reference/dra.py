"""dra_manager_state: resource claims prepared on the node.

Source: ``pkg/kubelet/cm/dra/state``. The alpha formats hash Go structs, and broke when an API
struct gained a field (issue 123552); today's is a string with a CRC-32, which depends on no Go
name.
"""

from __future__ import annotations

import zlib
from typing import ClassVar, Final

from harness.reference.checkpoint import CHECKSUM, StructCheckpoint, checksum_of, field_property
from harness.reference.errors import CorruptCheckpointError
from harness.reference.gojson.types import (
    STRING,
    UINT32,
    Field,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
)
from harness.reference.spew import hash_text

__all__ = ["DRACheckpoint", "DRAManagerCheckpoint", "DRAManagerCheckpointWithoutResourceHandles"]

_HANDLE: Final = Struct(
    "v1alpha2.ResourceHandle",
    (
        Field("DriverName", STRING, "driverName", omitempty=True),
        Field("Data", STRING, "data", omitempty=True),
        # Added in 1.30, which changed the sum of every file (issue 123552). Only nil is known here:
        # no file with one was seen, so the struct it points to is left empty.
        Field(
            "StructuredData",
            Pointer(Struct("v1alpha2.StructuredResourceHandle", ())),
            "structuredData",
            omitempty=True,
        ),
    ),
)
_HEAD: Final = (
    Field("DriverName", STRING),
    Field("ClassName", STRING),
    Field("ClaimUID", String("types.UID")),
    Field("ClaimName", STRING),
    Field("Namespace", STRING),
    Field("PodUIDs", Map(STRING, Struct("sets.Empty", ()), "sets.Set[string]")),
)
_CDI: Final = Field("CDIDevices", Map(STRING, Slice(STRING)))


def _checkpoint(name: str, entries: str, claim: Struct) -> Struct:
    return Struct(
        name,
        (
            Field("Version", STRING, "version"),
            Field("Entries", Slice(claim, entries), "entries", omitempty=True),
            Field("Checksum", CHECKSUM, "checksum"),
        ),
    )


_OLD_CLAIM: Final = Struct("state.ClaimInfoStateWithoutResourceHandles", (*_HEAD, _CDI))
_OLD: Final = _checkpoint(
    "state.DRAManagerCheckpointWithoutResourceHandles",
    "state.ClaimInfoStateListWithoutResourceHandles",
    _OLD_CLAIM,
)
_CLAIM: Final = Struct(
    "state.ClaimInfoState", (*_HEAD, Field("ResourceHandles", Slice(_HANDLE)), _CDI)
)


class _AlphaCheckpoint(StructCheckpoint):
    kind = "dra"
    constructor: ClassVar = {"Version": lambda: "v1", "Entries": list}

    entries = field_property("Entries")
    checksum = field_property("Checksum")

    def old_text(self) -> str:
        """The text of the first alpha's structs, whatever handles there are left out."""
        entries = [
            {field.go: claim[field.go] for field in _OLD_CLAIM.fields}
            for claim in self.value["Entries"] or ()
        ]
        value = {"Version": "v1", "Entries": entries, "Checksum": 0}
        text = hash_text(Pointer(_OLD), value)
        for name in ("DRAManagerCheckpoint", "ClaimInfoStateList"):
            text = text.replace(name + "WithoutResourceHandles", name, 1)
        return text


class DRAManagerCheckpointWithoutResourceHandles(_AlphaCheckpoint):
    """The first alpha's file (1.26)."""

    version = "v1-alpha"
    struct = _OLD

    def text(self) -> str:
        return self.old_text()


class DRAManagerCheckpoint(_AlphaCheckpoint):
    """The alpha of resource.k8s.io/v1alpha2, which still reads the first alpha's files."""

    version = "v1-alpha2"
    struct = _checkpoint("state.DRAManagerCheckpoint", "state.ClaimInfoStateList", _CLAIM)

    def verify_checksum_strict(self) -> None:
        try:
            super().verify_checksum_strict()
        except CorruptCheckpointError:
            if checksum_of(self.old_text()) != self.stored:
                raise


class DRACheckpoint(StructCheckpoint):
    """Today's file: a JSON string and its CRC-32 (IEEE). Unmarshalling verifies at once."""

    kind = "dra"
    version = "v1"
    struct = Struct("state.Checkpoint", (Field("Data", STRING), Field("Checksum", UINT32)))

    data = field_property("Data")
    checksum = field_property("Checksum")

    def text(self) -> str:
        result: str = self.value["Data"]
        return result

    def computed(self) -> int:
        return zlib.crc32(self.text().encode())

    def unmarshal(self, blob: bytes) -> None:
        super().unmarshal(blob)
        self.verify_checksum()

    def verify_checksum(self) -> None:
        expected = self.computed()
        if expected != self.stored:
            # The two are the other way round here than in every other kind; so it is in Go.
            raise CorruptCheckpointError(self.stored, expected)

    def verify_checksum_strict(self) -> None:
        # CRC-32 of nothing is 0, so a file with both fields gone would verify.
        if not self.value["Data"]:
            raise CorruptCheckpointError(self.stored, self.computed(), "no data")
        self.verify_checksum()
