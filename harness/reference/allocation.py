"""allocated_pods_state, actuated_pods_state: resources given to pods (in-place resize).

Source: ``pkg/kubelet/allocation/state/checkpoint.go``. What the string holds is the API's business
and is not looked into.
"""

from __future__ import annotations

from harness.reference.checkpoint import CHECKSUM, StructCheckpoint, field_property
from harness.reference.gojson.types import STRING, Field, Struct
from harness.reference.spew import hash_text

__all__ = ["AllocationCheckpoint"]


class AllocationCheckpoint(StructCheckpoint):
    """A JSON string and the checksum of that string. A zero one is not accepted."""

    kind = "allocation"
    version = "v1"
    struct = Struct(
        "state.Checkpoint",
        (Field("Data", STRING, "data"), Field("Checksum", CHECKSUM, "checksum")),
    )

    data = field_property("Data")
    checksum = field_property("Checksum")

    def text(self) -> str:
        return hash_text(STRING, self.value["Data"])
