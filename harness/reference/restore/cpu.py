"""cpu_manager_state at start-up: which formats are tried, in which order, into which objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from harness.reference.cpu import (
    CPUManagerCheckpoint,
    CPUManagerCheckpointV1,
    CPUManagerCheckpointV3,
    CPUManagerCheckpointV3Renamed,
    CPUManagerCheckpointV4,
)
from harness.reference.cpuset import format_cpuset, parse_cpuset
from harness.reference.dual import DualCheckpoint
from harness.reference.errors import CheckpointNotFoundError, RestoreError
from harness.reference.gojson import quote
from harness.reference.manager import CheckpointManager
from harness.reference.restore.common import fatal, load_dual, merge

__all__ = ["CPUState", "CPUVersion", "Containers", "restore_cpu", "validate_static"]

CPUVersion: TypeAlias = Literal["1.18", "1.36", "1.37"]
"""1.18 to 1.35; 1.36 with the gate PodLevelResourceManagers; 1.37's development."""

Containers: TypeAlias = Mapping[str, tuple[str, str]]
"""Container ID to pod UID and container name: what the runtime says is running."""

_NO_CONTAINERS: Final[Containers] = {}


@dataclass
class CPUState:
    """What the CPU manager starts with; CPU sets by pod UID and container name."""

    policy: str
    default: frozenset[int] = frozenset()
    assignments: dict[str, dict[str, frozenset[int]]] = field(default_factory=dict)
    pods: dict[str, frozenset[int]] = field(default_factory=dict)


def restore_cpu(
    manager: CheckpointManager,
    policy: str,
    version: CPUVersion = "1.18",
    containers: Containers = _NO_CONTAINERS,
    key: str = "cpu_manager_state",
) -> CPUState:
    """Read cpu_manager_state; a missing one is written afresh at once.

    Args:
        manager: Where it is.
        policy: The policy the kubelet is configured with.
        version: The kubelet's.
        containers: What runs, to migrate V1.
        key: The file's name.

    Raises:
        RestoreError: The kubelet would exit, with this text, until somebody deletes the file.
    """
    try:
        try:
            value = _LOAD_CPU[version](manager, key, containers)
        except CheckpointNotFoundError:
            checkpoint = _NEW_CPU[version]()
            if isinstance(checkpoint, DualCheckpoint):
                checkpoint.state["PolicyName"] = policy
            else:
                checkpoint.value["PolicyName"] = policy
            manager.create_checkpoint(key, checkpoint)
            return CPUState(policy)
        return _cpu_state(value, policy)
    except Exception as error:
        raise fatal(error, "CPU", manager, key) from error


def _cpu_state(value: Mapping[str, Any], policy: str) -> CPUState:
    found = value["PolicyName"]
    if policy != found:
        raise RestoreError(
            f"configured policy {quote(policy)} differs from state checkpoint policy {quote(found)}"
        )
    text = value["DefaultCPUSet"]
    try:
        state = CPUState(policy, parse_cpuset(text))
    except ValueError as error:
        raise RestoreError(f"could not parse default cpu set {quote(text)}: {error}") from None
    for pod, entries in (value["Entries"] or {}).items():
        state.assignments[pod] = {}
        for container, text in (entries or {}).items():
            try:
                state.assignments[pod][container] = parse_cpuset(text)
            except ValueError as error:
                raise RestoreError(
                    f"could not parse cpuset {quote(text)} for container {quote(container)} "
                    f"in pod {quote(pod)}: {error}"
                ) from None
    for pod, entry in (value.get("PodEntries") or {}).items():
        state.pods[pod] = entry["CPUSet"]
    return state


def _migrate_v1(source: Mapping[str, Any], target: dict[str, Any], containers: Containers) -> None:
    merge(source, target, "PolicyName", "DefaultCPUSet")
    for container_id, cpus in (source["Entries"] or {}).items():
        if container_id not in containers:
            raise RestoreError(f"containerID '{container_id}' not found in initial containers list")
        pod, name = containers[container_id]
        if target["Entries"] is None:
            target["Entries"] = {}
        target["Entries"].setdefault(pod, {})[name] = cpus


def _load_cpu_118(manager: CheckpointManager, key: str, containers: Containers) -> dict[str, Any]:
    """V1, else V2; V2's error is what counts."""
    v1, v2 = CPUManagerCheckpointV1(), CPUManagerCheckpoint()
    try:
        manager.get_checkpoint(key, v1)
    except Exception:  # noqa: BLE001  as in Go: any error at all
        v1 = CPUManagerCheckpointV1()
        v1.entries = None
        manager.get_checkpoint(key, v2)
    try:
        _migrate_v1(v1.value, v2.value, containers)
    except RestoreError as error:
        raise RestoreError(
            f"error migrating v1 checkpoint state to v2 checkpoint state: {error}"
        ) from None
    return v2.value


def _load_cpu_136(manager: CheckpointManager, key: str, containers: Containers) -> dict[str, Any]:
    """V3, else V2, else V1; the last error counts."""
    v3 = CPUManagerCheckpointV3()
    try:
        manager.get_checkpoint(key, v3)
    except CheckpointNotFoundError:
        raise
    except Exception:  # noqa: BLE001
        v2 = CPUManagerCheckpoint()
        try:
            manager.get_checkpoint(key, v2)
        except CheckpointNotFoundError:
            raise
        except Exception:  # noqa: BLE001
            v1 = CPUManagerCheckpointV1()
            manager.get_checkpoint(key, v1)
            v2 = CPUManagerCheckpoint()
            try:
                _migrate_v1(v1.value, v2.value, containers)
            except RestoreError as error:
                raise RestoreError(f"failed to migrate checkpoint from v1 to v2: {error}") from None
        # Into v3, whatever the failed try left there.
        merge(v2.value, v3.value, "PolicyName", "DefaultCPUSet", "Entries")
    return v3.value


def _load_cpu_137(manager: CheckpointManager, key: str, _: Containers) -> dict[str, Any]:
    """V4, else V3, else V2, each into a new object; V1 is no longer read."""
    v4 = CPUManagerCheckpointV4()
    if load_dual(manager, key, v4, "v4"):
        return v4.state
    state = CPUManagerCheckpointV4().state
    v3 = CPUManagerCheckpointV3Renamed()
    try:
        manager.get_checkpoint(key, v3)
    except CheckpointNotFoundError:
        raise
    except Exception:  # noqa: BLE001
        v3 = CPUManagerCheckpointV3Renamed()
        v2 = CPUManagerCheckpoint()
        manager.get_checkpoint(key, v2)
        merge(v2.value, v3.value, "PolicyName", "DefaultCPUSet", "Entries")
    merge(v3.value, state, "PolicyName", "DefaultCPUSet", "Entries", "PodEntries")
    return state


_LOAD_CPU: Final = {"1.18": _load_cpu_118, "1.36": _load_cpu_136, "1.37": _load_cpu_137}
_NEW_CPU: Final = {
    "1.18": CPUManagerCheckpoint,
    "1.36": CPUManagerCheckpointV3,
    "1.37": CPUManagerCheckpointV4,
}


def validate_static(
    state: CPUState, available: frozenset[int], reserved: frozenset[int] = frozenset()
) -> None:
    """Check a state as the static policy does before it starts (``validateState``).

    Args:
        state: What was restored; an empty one is set to all available CPUs.
        available: The machine's CPUs.
        reserved: Those that may never be given away.

    Raises:
        RestoreError: The kubelet would exit, although the file is good.
    """
    default = state.default
    if not default:
        if state.assignments:
            raise RestoreError("default cpuset cannot be empty")
        state.default = available
        return
    shown = format_cpuset(default)
    if not reserved <= default:
        raise RestoreError(
            f'not all reserved cpus: "{format_cpuset(reserved)}" '
            f'are present in defaultCpuSet: "{shown}"'
        )
    known = set(default)
    for pod, containers in state.assignments.items():
        for container, cpus in containers.items():
            if cpus & default:
                raise RestoreError(
                    f'pod: {pod}, container: {container} cpuset: "{format_cpuset(cpus)}" '
                    f'overlaps with default cpuset "{shown}"'
                )
            known |= cpus
    if known != available:
        raise RestoreError(
            f'current set of available CPUs "{format_cpuset(available)}" '
            f'doesn\'t match with CPUs in state "{format_cpuset(known)}"'
        )
