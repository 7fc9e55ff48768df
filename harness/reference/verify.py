"""``harness verify``: what a checkpoint file of a real kubelet is, and whether it is whole.

The kind is told by the file's name where that is one a kubelet uses, else by the content. A file
with such a name, or with something left of a checkpoint in it, is damaged when it cannot be read;
anything else is not a checkpoint.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import msgspec

from harness.reference.allocation import AllocationCheckpoint
from harness.reference.checkpoint import StructCheckpoint
from harness.reference.cpu import (
    CPUManagerCheckpoint,
    CPUManagerCheckpointV1,
    CPUManagerCheckpointV3,
    CPUManagerCheckpointV3Renamed,
    CPUManagerCheckpointV4,
)
from harness.reference.device import DeviceManagerCheckpoint, DeviceManagerCheckpointV1
from harness.reference.dockershim import PodSandboxCheckpoint
from harness.reference.dra import (
    DRACheckpoint,
    DRAManagerCheckpoint,
    DRAManagerCheckpointWithoutResourceHandles,
)
from harness.reference.envelope import HEADER_SIZE, MAGIC, is_wrapped, size_of, unwrap_any
from harness.reference.errors import CheckpointError, CorruptCheckpointError, NilDereferenceError
from harness.reference.gojson import JSONError
from harness.reference.gojson.parse import Node, parse
from harness.reference.gojson.types import fold
from harness.reference.memory import (
    MemoryManagerCheckpoint,
    MemoryManagerCheckpointBefore121,
    MemoryManagerCheckpointV2,
    MemoryManagerCheckpointV3,
)

__all__ = ["Verdict", "VerifyMode", "exit_code", "verify_bytes", "verify_file", "verify_paths"]

VerifyMode: TypeAlias = Literal["kubelet", "strict"]
"""``kubelet`` accepts what a kubelet accepts; ``strict`` wants a checksum, and not 0."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one file.

    Attributes:
        path: The file.
        kind: cpu, memory, device, dra, allocation, sandbox; value for bytes in a hardened store's
            envelope that are no checkpoint; None where it cannot be told.
        version: The format's version.
        verdict: ok, corrupt or not-a-checkpoint.
        stored: The checksum in the file, where one could be read.
        computed: The checksum its content has.
        explanation: One line.
        envelope: Whether it is a file of a hardened store.
    """

    path: str
    verdict: Literal["ok", "corrupt", "not-a-checkpoint"]
    explanation: str
    kind: str | None = None
    version: str | None = None
    stored: int | None = None
    computed: int | None = None
    envelope: bool = False


_NAMES: Final = {
    "cpu_manager_state": "cpu",
    "memory_manager_state": "memory",
    "kubelet_internal_checkpoint": "device",
    "dra_manager_state": "dra",
    "allocated_pods_state": "allocation",
    "actuated_pods_state": "allocation",
    "pod_status_manager_state": "allocation",
}

# Names that no other JSON has, looked for in what does not parse any more; the first that is there
# decides, so the more telling ones come first.
_TRACES: Final = (
    (rb'"(machineState|numaAffinity)\\?"', "memory"),
    (rb'"defaultCpu[Ss]et"|"DefaultCPUSet"', "cpu"),
    (rb'"PodDeviceEntries"|"RegisteredDevices"', "device"),
    (rb"DRACheckpoint|\"CDIDevices\"", "dra"),
    (rb'"port_mappings"|"host_network"', "sandbox"),
    (rb'"ContainerResources', "allocation"),
    (rb'"policyName"', "cpu"),
)

# How each kind's file begins: a cut one may hold nothing else.
_BEGINNINGS: Final = (
    (b'{"policyName":"', "cpu"),
    (b'{"Data":{"PodDeviceEntries":', "device"),
    (b'{"Data":"{\\"kind\\":', "dra"),
    (b'{"data":"{', "allocation"),
    (b'{"version":"v1","name":', "sandbox"),
    (b'{"version":"v1","entries":', "dra"),
)
_BEGINNING_MIN: Final = 6
"""Bytes that must be left of a beginning for it to be told from any other JSON."""
_MAGIC_MIN: Final = 4
"""Bytes that must be left of an envelope's magic number."""


def verify_paths(paths: Iterable[str], mode: VerifyMode = "kubelet") -> list[Verdict]:
    """Verify files, one verdict each, in the order given."""
    return [verify_file(path, mode) for path in paths]


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """Give the command's exit code: 1 for any damage, else 2 for what is no checkpoint, else 0."""
    found = {verdict.verdict for verdict in verdicts}
    return 1 if "corrupt" in found else 2 if "not-a-checkpoint" in found else 0


def verify_file(path: str, mode: VerifyMode = "kubelet") -> Verdict:
    """Verify one file.

    Args:
        path: The file.
        mode: What counts as damage.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            data = file.read()
    except IsADirectoryError:
        return _no(path, "is a directory; name the checkpoint files in it")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _no(path, f"cannot be read: {reason}")
    return verify_bytes(data, mode, path)


def verify_bytes(data: bytes, mode: VerifyMode = "kubelet", path: str = "") -> Verdict:
    """Verify a file's content.

    Args:
        data: The content.
        mode: What counts as damage.
        path: The file's path; its name tells the kind, and in an envelope has to be the key.
    """
    name = os.path.basename(path)  # noqa: PTH119
    if _looks_wrapped(data):
        return _verify_envelope(data, mode, path, name)
    kind = _NAMES.get(name)
    try:
        tree = parse(data)
    except JSONError as error:
        kind = kind or _trace(data)
        if kind is None:
            return _no(path, f"neither a checkpoint nor anything left of one: {error}")
        return Verdict(path=path, verdict="corrupt", explanation=str(error), kind=kind)
    kind = kind or _kind(tree)
    if kind is None:
        return _no(path, "JSON, but with none of a checkpoint's fields")
    return _verify(data, _candidates(kind, tree), mode, path)


def _no(path: str, explanation: str) -> Verdict:
    return Verdict(path=path, verdict="not-a-checkpoint", explanation=explanation)


def _looks_wrapped(data: bytes) -> bool:
    """Tell whether data is an envelope, be it with a damaged magic number."""
    if is_wrapped(data) or (len(data) >= _MAGIC_MIN and MAGIC.startswith(data)):
        return True
    alike = sum(a == b for a, b in zip(data, MAGIC, strict=False))
    return alike >= len(MAGIC) - 2 or (len(data) >= HEADER_SIZE and size_of(data) == len(data))


def _verify_envelope(data: bytes, mode: VerifyMode, path: str, name: str) -> Verdict:
    try:
        key, value = unwrap_any(data)
    except CorruptCheckpointError as error:
        sums = (error.expected, error.actual) if error.actual or error.expected else (None, None)
        return Verdict(
            path=path,
            verdict="corrupt",
            explanation=f"damaged envelope: {error.detail}",
            kind=_NAMES.get(name),
            stored=sums[0],
            computed=sums[1],
            envelope=True,
        )
    shown = key.decode("utf-8", "replace")
    if name and shown != name:
        return Verdict(
            path=path,
            verdict="corrupt",
            explanation=f"written under another key, {shown!r}",
            kind=_NAMES.get(shown),
            envelope=True,
        )
    inner = verify_bytes(value, mode, shown)
    if inner.verdict == "not-a-checkpoint":
        crc = int.from_bytes(data[HEADER_SIZE - 4 : HEADER_SIZE], "little")
        inner = Verdict(
            path=path,
            verdict="ok",
            explanation="the envelope's CRC matches; its value is no checkpoint",
            kind="value",
            version="envelope 1",
            stored=crc,
            computed=crc,
        )
    return msgspec.structs.replace(inner, path=path, envelope=True)


def _trace(data: bytes) -> str | None:
    """Tell the kind of what is not JSON (any more)."""
    for pattern, kind in _TRACES:
        if re.search(pattern, data):
            return kind
    start = data.lstrip(b" \t\r\n")
    for beginning, kind in _BEGINNINGS:
        if start.startswith(beginning) or (
            len(start) >= _BEGINNING_MIN and beginning.startswith(start)
        ):
            return kind
    return None


def _fields(tree: Node) -> dict[str, Node]:
    """An object's fields by folded name, the last of each name."""
    return {fold(key): node for key, node in tree} if isinstance(tree, tuple) else {}


def _kind(tree: Node) -> str | None:
    """Tell the kind of some JSON by its fields."""
    fields = _fields(tree)
    data = fields.get("data")
    if "machinestate" in fields or (isinstance(data, str) and '"machineState"' in data):
        return "memory"
    if "policyname" in fields or "defaultcpuset" in fields:
        return "cpu"
    if isinstance(data, tuple) and {"poddeviceentries", "registereddevices"} & set(_fields(data)):
        return "device"
    if isinstance(data, str) and "checksum" in fields:
        # The two differ in the case of one letter, which Go does not mind, and in what they carry.
        return "dra" if "DRACheckpoint" in data or ("Data", data) in tree else "allocation"
    if {"version", "name", "namespace"} <= fields.keys():
        return "sandbox"
    if {"version", "entries", "checksum"} <= fields.keys():
        return "dra"
    return None


_Kinds: TypeAlias = tuple[type[StructCheckpoint], ...]


def _candidates(kind: str, tree: Node) -> _Kinds:
    """The formats a file may be of, in the order to try; the first is reported on if none fits."""
    fields = _fields(tree)
    if kind == "cpu":
        if "data" in fields or "datachecksum" in fields:
            return (CPUManagerCheckpointV4,)
        if "podentries" in fields:
            return (CPUManagerCheckpointV3, CPUManagerCheckpointV3Renamed)
        flat = [node for node in _fields(fields.get("entries")).values() if node is not None]
        if flat and all(isinstance(node, str) for node in flat):
            return (CPUManagerCheckpointV1,)
        return (CPUManagerCheckpoint, CPUManagerCheckpointV1)
    if kind == "memory":
        if "data" in fields or "datachecksum" in fields:
            return (MemoryManagerCheckpointV3,)
        if "podentries" in fields:
            return (MemoryManagerCheckpointV2,)
        return (MemoryManagerCheckpoint, MemoryManagerCheckpointBefore121)
    if kind == "device":
        return (DeviceManagerCheckpoint, DeviceManagerCheckpointV1)
    if kind == "dra":
        if "data" in fields:
            return (DRACheckpoint,)
        return (_DRAAlphaOnly, DRAManagerCheckpointWithoutResourceHandles)
    return (PodSandboxCheckpoint if kind == "sandbox" else AllocationCheckpoint,)


class _DRAAlphaOnly(DRAManagerCheckpoint):
    """The second alpha without its fallback to the first, so that each is called by its name."""

    def verify_checksum_strict(self) -> None:
        StructCheckpoint.verify_checksum_strict(self)


def _verify(data: bytes, candidates: _Kinds, mode: VerifyMode, path: str) -> Verdict:
    tried = []
    for candidate in candidates:
        verdict = _verify_as(data, candidate(), mode, path)
        if verdict.verdict == "ok":
            return verdict
        tried.append(verdict)
    return tried[0]


def _verify_as(data: bytes, checkpoint: StructCheckpoint, mode: VerifyMode, path: str) -> Verdict:
    stored = computed = None
    verdict: Literal["ok", "corrupt"] = "corrupt"
    try:
        checkpoint.unmarshal(data)
        stored, computed = checkpoint.stored, checkpoint.computed()
        if mode == "strict":
            checkpoint.verify_checksum_strict()
        else:
            checkpoint.verify_checksum()
    except CorruptCheckpointError as error:
        stored, computed = checkpoint.stored, checkpoint.computed()
        explanation = f"{error}: " + (
            error.detail or f"the checksum stored is {stored}, its content has {computed}"
        )
    except NilDereferenceError as error:
        explanation = f"a kubelet panics: {error}"
    except (JSONError, CheckpointError) as error:
        explanation = str(error)
    else:
        verdict = "ok"
        explanation = "the checksum matches"
        if stored == 0 != computed:
            explanation = "no checksum, or 0: a kubelet takes this unchecked"
    return Verdict(
        path=path,
        verdict=verdict,
        explanation=explanation,
        kind=checkpoint.kind,
        version=checkpoint.version,
        stored=stored,
        computed=computed,
    )
