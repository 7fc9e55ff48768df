"""kubelet_internal_checkpoint at start-up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from harness.reference.device import DeviceManagerCheckpoint, DeviceManagerCheckpointV1
from harness.reference.errors import CheckpointNotFoundError
from harness.reference.manager import CheckpointManager

__all__ = ["DeviceState", "DeviceVersion", "restore_device"]

DeviceVersion: TypeAlias = Literal["1.19", "1.20", "1.22"]
"""Up to 1.19; 1.20 and 1.21, which cannot read V1 (issue 102880); later."""


@dataclass
class DeviceState:
    """What the device manager starts with; entries as V2 has them.

    Attributes:
        entries: One a pod, container and resource.
        registered: Resource name to device IDs.
        logged: What the kubelet says in its log and then goes on without.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    registered: dict[str, Any] = field(default_factory=dict)
    logged: str = ""


def restore_device(
    manager: CheckpointManager,
    version: DeviceVersion = "1.22",
    key: str = "kubelet_internal_checkpoint",
) -> DeviceState:
    """Read kubelet_internal_checkpoint. Never fatal: what cannot be read is logged and forgotten.

    Args:
        manager: Where it is.
        version: The kubelet's.
        key: The file's name.
    """
    checkpoint: DeviceManagerCheckpoint | DeviceManagerCheckpointV1 = (
        DeviceManagerCheckpointV1() if version == "1.19" else DeviceManagerCheckpoint()
    )
    try:
        manager.get_checkpoint(key, checkpoint)
    except CheckpointNotFoundError as error:
        return DeviceState(logged=f"Failed to read data from checkpoint: {error}")
    except Exception as error:  # noqa: BLE001
        failed = (
            "Continue after failing to read checkpoint file. "
            f"Device allocation info may NOT be up-to-date: {error}"
        )
        if version != "1.22":
            return DeviceState(logged=failed)
        checkpoint = DeviceManagerCheckpointV1()
        try:
            manager.get_checkpoint(key, checkpoint)
        except Exception:  # noqa: BLE001
            # Both failed: the newer format's error is the one that is told.
            return DeviceState(logged=failed)
    if isinstance(checkpoint, DeviceManagerCheckpointV1):
        entries = checkpoint.entries_in_latest_format()
    else:
        entries = checkpoint.pod_device_entries or []
    return DeviceState(entries, checkpoint.registered_devices or {})
