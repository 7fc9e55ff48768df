"""cpu_manager_state: which CPUs containers own.

Source: ``pkg/kubelet/cm/cpumanager/state/checkpoint.go``. Formats: V1 up to 1.17, V2 1.18 to 1.35,
V3 in 1.36 (gate PodLevelResourceManagers), V4 in 1.37's development.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from harness.reference.checkpoint import CHECKSUM, StructCheckpoint, checksum_of, field_property
from harness.reference.cpuset import CPUSET
from harness.reference.dual import DualCheckpoint
from harness.reference.errors import CorruptCheckpointError
from harness.reference.gojson import encode
from harness.reference.gojson.types import STRING, Field, Map, Struct

__all__ = [
    "CPUManagerCheckpoint",
    "CPUManagerCheckpointV1",
    "CPUManagerCheckpointV2",
    "CPUManagerCheckpointV3",
    "CPUManagerCheckpointV3Renamed",
    "CPUManagerCheckpointV4",
]

_NAME: Final = "state.CPUManagerCheckpoint"
_POLICY: Final = Field("PolicyName", STRING, "policyName")
_DEFAULT: Final = Field("DefaultCPUSet", STRING, "defaultCpuSet")
_SUM: Final = Field("Checksum", CHECKSUM, "checksum")
_BY_CONTAINER: Final = Field("Entries", Map(STRING, STRING), "entries", omitempty=True)
_BY_POD: Final = Field("Entries", Map(STRING, Map(STRING, STRING)), "entries", omitempty=True)
_POD_ENTRY: Final = Struct("state.PodEntry", (Field("CPUSet", CPUSET, "cpuSet"),))
_PODS: Final = Field(
    "PodEntries",
    Map(STRING, _POD_ENTRY, "state.PodCPUAssignments"),
    "podEntries",
    omitempty=True,
)


class _CPUCheckpoint(StructCheckpoint):
    kind = "cpu"

    policy_name = field_property("PolicyName")
    default_cpu_set = field_property("DefaultCPUSet")
    entries = field_property("Entries")
    checksum = field_property("Checksum")


class CPUManagerCheckpointV1(_CPUCheckpoint):
    """V1: container ID to CPU list.

    The struct was named CPUManagerCheckpoint when kubelets up to 1.17 wrote it and
    CPUManagerCheckpointV1 when later ones read it; the reader puts the old name back into the
    hashed text (PR 86689, after issue 86676).
    """

    version = "v1"
    struct = Struct(_NAME + "V1", (_POLICY, _DEFAULT, _BY_CONTAINER, _SUM))
    constructor: ClassVar = {"Entries": dict}
    accepts_zero = True

    def text(self) -> str:
        return super().text().replace("CPUManagerCheckpointV1", "CPUManagerCheckpoint", 1)

    def marshal_renamed(self) -> bytes:
        """Marshal as the V1 struct of 1.18 and later does: with a sum its own reader rejects."""
        self.value["Checksum"] = checksum_of(super().text())
        return encode(self.struct, self.value)


class CPUManagerCheckpoint(_CPUCheckpoint):
    """V2: pod UID to container name to CPU list."""

    version = "v2"
    struct = Struct(_NAME, (_POLICY, _DEFAULT, _BY_POD, _SUM))
    constructor: ClassVar = {"Entries": dict}
    accepts_zero = True


CPUManagerCheckpointV2 = CPUManagerCheckpoint


class CPUManagerCheckpointV3(_CPUCheckpoint):
    """V3: V2 with CPU sets of whole pods. No exemption for a zero checksum."""

    version = "v3"
    struct = Struct(_NAME, (_POLICY, _DEFAULT, _BY_POD, _PODS, _SUM))
    constructor: ClassVar = {"Entries": dict, "PodEntries": dict}

    pod_entries = field_property("PodEntries")


class CPUManagerCheckpointV3Renamed(CPUManagerCheckpointV3):
    """V3 as read in 1.37's development: hashed under its new name, or else under the old one.

    The new name alone changed every file's sum: PR 137820, issue 139069.
    """

    version = "v3-name-V3"
    struct = Struct(_NAME + "V3", CPUManagerCheckpointV3.struct.fields)

    def legacy_text(self) -> str:
        """The text under the name that released kubelets use."""
        return self.text().replace("CPUManagerCheckpointV3", "CPUManagerCheckpoint", 1)

    def verify_checksum_strict(self) -> None:
        try:
            super().verify_checksum_strict()
        except CorruptCheckpointError:
            actual = checksum_of(self.legacy_text())
            if actual != self.stored:
                raise CorruptCheckpointError(actual, self.stored) from None


class CPUManagerCheckpointV4(DualCheckpoint):
    """V4: the state as JSON in a string with its own checksum, and V3's fields for old kubelets.

    The legacy checksum is written as 0, which V1 and V2 readers take unchecked.
    """

    kind = "cpu"
    version = "v4"
    what = "cpu manager"
    struct = Struct(
        _NAME,
        (
            _POLICY,
            _DEFAULT,
            _BY_POD,
            _PODS,
            _SUM,
            Field("Data", STRING, "data"),
            Field("DataChecksum", CHECKSUM, "dataChecksum"),
        ),
    )
    constructor: ClassVar = {"Entries": dict, "PodEntries": dict}
    payload = Struct("state.CPUManagerCheckpointData", (_POLICY, _DEFAULT, _BY_POD, _PODS))
    payload_constructor: ClassVar = {"Entries": dict, "PodEntries": dict}

    def legacy_checksum(self, legacy: dict[str, Any]) -> int:
        del legacy
        return 0
