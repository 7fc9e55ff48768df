"""memory_manager_state: which memory of which NUMA node containers own.

Source: ``pkg/kubelet/cm/memorymanager/state/checkpoint.go``. Formats: V1 1.21 to 1.35, V2 in 1.36
(gate PodLevelResourceManagers), V3 in 1.37's development, and what was written before 1.21 was
merged.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from harness.reference.checkpoint import CHECKSUM, StructCheckpoint, checksum_of, field_property
from harness.reference.dual import DualCheckpoint
from harness.reference.gojson.types import (
    INT,
    STRING,
    UINT64,
    Field,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
)
from harness.reference.spew import hash_text

__all__ = [
    "MemoryManagerCheckpoint",
    "MemoryManagerCheckpointBefore121",
    "MemoryManagerCheckpointV1",
    "MemoryManagerCheckpointV1From136",
    "MemoryManagerCheckpointV2",
    "MemoryManagerCheckpointV3",
]

_NAME: Final = "state.MemoryManagerCheckpoint"
_RESOURCE: Final = String("v1.ResourceName")
_TABLE: Final = Struct(
    "state.MemoryTable",
    (
        Field("TotalMemSize", UINT64, "total"),
        Field("SystemReserved", UINT64, "systemReserved"),
        Field("Allocatable", UINT64, "allocatable"),
        Field("Reserved", UINT64, "reserved"),
        Field("Free", UINT64, "free"),
    ),
)
_NODE_FIELDS: Final = (
    Field("NumberOfAssignments", INT, "numberOfAssignments"),
    Field("MemoryMap", Map(_RESOURCE, Pointer(_TABLE)), "memoryMap"),
)
_NODE: Final = Struct("state.NUMANodeState", (*_NODE_FIELDS, Field("Cells", Slice(INT), "cells")))
_BLOCK: Final = Struct(
    "state.Block",
    (
        Field("NUMAAffinity", Slice(INT), "numaAffinity"),
        Field("Type", _RESOURCE, "type"),
        Field("Size", UINT64, "size"),
    ),
)
_POLICY: Final = Field("PolicyName", STRING, "policyName")
_MACHINE: Final = Field(
    "MachineState", Map(INT, Pointer(_NODE), "state.NUMANodeMap"), "machineState"
)
_ENTRIES: Final = Field(
    "Entries",
    Map(STRING, Map(STRING, Slice(_BLOCK)), "state.ContainerMemoryAssignments"),
    "entries",
    omitempty=True,
)
_POD_ENTRY: Final = Struct(
    "state.PodEntry", (Field("MemoryBlocks", Slice(_BLOCK), "memoryBlocks"),)
)
_PODS: Final = Field(
    "PodEntries",
    Map(STRING, _POD_ENTRY, "state.PodMemoryAssignments"),
    "podEntries",
    omitempty=True,
)
_SUM: Final = Field("Checksum", CHECKSUM, "checksum")

_OLD_NODE: Final = Struct("state.NodeState", (*_NODE_FIELDS, Field("Nodes", Slice(INT), "nodes")))


class _MemoryCheckpoint(StructCheckpoint):
    kind = "memory"

    policy_name = field_property("PolicyName")
    machine_state = field_property("MachineState")
    entries = field_property("Entries")
    checksum = field_property("Checksum")


class MemoryManagerCheckpoint(_MemoryCheckpoint):
    """V1 as 1.21 to 1.35 write and read it. A zero checksum is not accepted."""

    version = "v1"
    struct = Struct(_NAME, (_POLICY, _MACHINE, _ENTRIES, _SUM))
    constructor: ClassVar = {"MachineState": dict, "Entries": dict}


MemoryManagerCheckpointV1 = MemoryManagerCheckpoint


class MemoryManagerCheckpointV1From136(MemoryManagerCheckpoint):
    """V1 as 1.36 and later read it: the same file, and a zero or missing checksum is accepted."""

    accepts_zero = True


class MemoryManagerCheckpointBefore121(_MemoryCheckpoint):
    """What kubelets wrote before the 1.21 merge: ``state.NodeMap``, and ``nodes`` for ``cells``."""

    version = "pre-1.21"
    struct = Struct(
        _NAME,
        (
            _POLICY,
            Field("MachineState", Map(INT, Pointer(_OLD_NODE), "state.NodeMap"), "machineState"),
            _ENTRIES,
            _SUM,
        ),
    )
    constructor: ClassVar = {"MachineState": dict, "Entries": dict}


class MemoryManagerCheckpointV2(_MemoryCheckpoint):
    """V2: V1 with memory of whole pods. No exemption for a zero checksum."""

    version = "v2"
    struct = Struct(_NAME, (_POLICY, _MACHINE, _ENTRIES, _PODS, _SUM))
    constructor: ClassVar = {"MachineState": dict, "Entries": dict, "PodEntries": dict}

    pod_entries = field_property("PodEntries")


class MemoryManagerCheckpointV3(DualCheckpoint):
    """V3: the state as JSON in a string with its own checksum, and V1's fields with a V1 sum."""

    kind = "memory"
    version = "v3"
    what = "memory manager"
    struct = Struct(
        _NAME,
        (
            _POLICY,
            _MACHINE,
            _ENTRIES,
            _SUM,
            Field("Data", STRING, "data"),
            Field("DataChecksum", CHECKSUM, "dataChecksum"),
        ),
    )
    constructor: ClassVar = {"MachineState": dict, "Entries": dict}
    payload = Struct("state.MemoryManagerCheckpointData", (_POLICY, _MACHINE, _ENTRIES, _PODS))
    payload_constructor: ClassVar = {"MachineState": dict, "Entries": dict, "PodEntries": dict}

    def legacy_checksum(self, legacy: dict[str, Any]) -> int:
        old = MemoryManagerCheckpoint.struct
        value = {field.go: legacy[field.go] for field in old.fields} | {"Checksum": 0}
        return checksum_of(hash_text(Pointer(old), value))
