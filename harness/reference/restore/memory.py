"""memory_manager_state at start-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from harness.reference.dual import DualCheckpoint
from harness.reference.errors import CheckpointNotFoundError, RestoreError
from harness.reference.gojson import quote
from harness.reference.manager import CheckpointManager
from harness.reference.memory import (
    MemoryManagerCheckpoint,
    MemoryManagerCheckpointV1From136,
    MemoryManagerCheckpointV2,
    MemoryManagerCheckpointV3,
)
from harness.reference.restore.common import fatal, load_dual, merge

__all__ = ["MemoryState", "MemoryVersion", "restore_memory"]

MemoryVersion: TypeAlias = Literal["1.21", "1.36", "1.37"]
"""1.21 to 1.35; 1.36 with the gate PodLevelResourceManagers; 1.37's development."""


@dataclass
class MemoryState:
    """What the memory manager starts with; Go values, keyed by Go field name inside."""

    policy: str
    machine: dict[int, Any] = field(default_factory=dict)
    assignments: dict[str, Any] = field(default_factory=dict)
    pods: dict[str, Any] = field(default_factory=dict)


def restore_memory(
    manager: CheckpointManager,
    policy: str,
    version: MemoryVersion = "1.21",
    key: str = "memory_manager_state",
) -> MemoryState:
    """Read memory_manager_state; a missing one is written afresh at once.

    Args:
        manager: Where it is.
        policy: The policy the kubelet is configured with.
        version: The kubelet's.
        key: The file's name.

    Raises:
        RestoreError: The kubelet would exit, with this text, until somebody deletes the file.
    """
    try:
        try:
            value = _LOAD_MEMORY[version](manager, key)
        except CheckpointNotFoundError:
            checkpoint = _NEW_MEMORY[version]()
            if isinstance(checkpoint, DualCheckpoint):
                checkpoint.state["PolicyName"] = policy
            else:
                checkpoint.value["PolicyName"] = policy
            manager.create_checkpoint(key, checkpoint)
            return MemoryState(policy)
        return _memory_state(value, policy)
    except Exception as error:
        raise fatal(error, "memory", manager, key) from error


def _memory_state(value: Mapping[str, Any], policy: str) -> MemoryState:
    found = value["PolicyName"]
    if policy != found:
        raise RestoreError(
            f"[memorymanager] configured policy {quote(policy)} differs from state "
            f"checkpoint policy {quote(found)}"
        )
    machine, entries, pods = (
        value.get(name) or {} for name in ("MachineState", "Entries", "PodEntries")
    )
    return MemoryState(policy, machine, entries, pods)


_MEMORY_FIELDS: Final = ("PolicyName", "MachineState", "Entries")


def _load_memory_121(manager: CheckpointManager, key: str) -> dict[str, Any]:
    checkpoint = MemoryManagerCheckpoint()
    manager.get_checkpoint(key, checkpoint)
    return checkpoint.value


def _load_memory_136(manager: CheckpointManager, key: str) -> dict[str, Any]:
    """V2, else V1 migrated into whatever the failed try left."""
    v2 = MemoryManagerCheckpointV2()
    try:
        manager.get_checkpoint(key, v2)
    except CheckpointNotFoundError:
        raise
    except Exception:  # noqa: BLE001
        v1 = MemoryManagerCheckpointV1From136()
        manager.get_checkpoint(key, v1)
        merge(v1.value, v2.value, *_MEMORY_FIELDS)
    return v2.value


def _load_memory_137(manager: CheckpointManager, key: str) -> dict[str, Any]:
    """V3, else V2, else V1, each into a new object."""
    v3 = MemoryManagerCheckpointV3()
    if load_dual(manager, key, v3, "v3"):
        return v3.state
    state = MemoryManagerCheckpointV3().state
    v2 = MemoryManagerCheckpointV2()
    try:
        manager.get_checkpoint(key, v2)
    except CheckpointNotFoundError:
        raise
    except Exception:  # noqa: BLE001
        v2 = MemoryManagerCheckpointV2()
        v1 = MemoryManagerCheckpointV1From136()
        manager.get_checkpoint(key, v1)
        merge(v1.value, v2.value, *_MEMORY_FIELDS)
    merge(v2.value, state, *_MEMORY_FIELDS, "PodEntries")
    return state


_LOAD_MEMORY: Final = {
    "1.21": _load_memory_121,
    "1.36": _load_memory_136,
    "1.37": _load_memory_137,
}
_NEW_MEMORY: Final = {
    "1.21": MemoryManagerCheckpoint,
    "1.36": MemoryManagerCheckpointV2,
    "1.37": MemoryManagerCheckpointV3,
}
