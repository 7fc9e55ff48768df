"""kubelet_internal_checkpoint: which devices containers own, and which are registered.

Source: ``pkg/kubelet/cm/devicemanager/checkpoint``. V1 up to 1.19, V2 from 1.20. The checksum
covers ``Data`` only, and a zero one is never accepted.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from harness.reference.checkpoint import CHECKSUM, StructCheckpoint, field_property
from harness.reference.gojson.types import INT64, STRING, Bytes, Field, Map, Slice, Struct, Type
from harness.reference.spew import hash_text

__all__ = ["DeviceManagerCheckpoint", "DeviceManagerCheckpointV1", "DeviceManagerCheckpointV2"]

_REGISTERED: Final = Field("RegisteredDevices", Map(STRING, Slice(STRING)))


def _data(devices: Type, suffix: str) -> Struct:
    entry = Struct(
        "checkpoint.PodDevicesEntry" + suffix,
        (
            Field("PodUID", STRING),
            Field("ContainerName", STRING),
            Field("ResourceName", STRING),
            Field("DeviceIDs", devices),
            Field("AllocResp", Bytes()),
        ),
    )
    name = "checkpoint.checkpointData" + suffix
    return Struct(name, (Field("PodDeviceEntries", Slice(entry)), _REGISTERED))


_DATA_V1: Final = _data(Slice(STRING), "V1")
_DATA_V2: Final = _data(Map(INT64, Slice(STRING), "checkpoint.DevicesPerNUMA"), "")


def _empty_data() -> dict[str, Any]:
    return {"PodDeviceEntries": [], "RegisteredDevices": {}}


class _DeviceCheckpoint(StructCheckpoint):
    kind = "device"
    # The manager passes two empty, not nil, collections to the constructor when it reads.
    constructor: ClassVar = {"Data": _empty_data}

    checksum = field_property("Checksum")

    @property
    def pod_device_entries(self) -> list[dict[str, Any]] | None:
        """One entry for each pod, container and resource."""
        result: list[dict[str, Any]] | None = self.value["Data"]["PodDeviceEntries"]
        return result

    @property
    def registered_devices(self) -> dict[str, list[str] | None] | None:
        """Resource name to device IDs."""
        result: dict[str, list[str] | None] | None = self.value["Data"]["RegisteredDevices"]
        return result

    def set_data(self, entries: Any, registered: Any) -> None:
        """Set both halves of the state."""
        self.value["Data"] = {"PodDeviceEntries": entries, "RegisteredDevices": registered}


class DeviceManagerCheckpointV1(_DeviceCheckpoint):
    """V1: a flat list of device IDs.

    Kubelets up to 1.19 named the types without V1; later readers put those names back (PR 102882).
    """

    version = "v1"
    struct = Struct("checkpoint.DataV1", (Field("Data", _DATA_V1), Field("Checksum", CHECKSUM)))

    def text(self) -> str:
        text = hash_text(_DATA_V1, self.value["Data"])
        text = text.replace("checkpointDataV1", "checkpointData", 1)
        return text.replace("PodDevicesEntryV1", "PodDevicesEntry")

    def entries_in_latest_format(self) -> list[dict[str, Any]]:
        """Give the entries as V2 has them: no affinity was recorded, so all on NUMA node 0."""
        return [
            {**entry, "DeviceIDs": {0: entry["DeviceIDs"]}}
            for entry in self.pod_device_entries or ()
        ]


class DeviceManagerCheckpoint(_DeviceCheckpoint):
    """V2: device IDs by NUMA node; the newest also say in which boot they were written.

    ``BootID`` stands outside the hashed data, so that it changes no sum.
    """

    version = "v2"
    struct = Struct(
        "checkpoint.Data",
        (
            Field("Data", _DATA_V2),
            Field("Checksum", CHECKSUM),
            Field("BootID", STRING, omitempty=True),
        ),
    )

    boot_id = field_property("BootID")

    def text(self) -> str:
        return hash_text(_DATA_V2, self.value["Data"])


DeviceManagerCheckpointV2 = DeviceManagerCheckpoint
