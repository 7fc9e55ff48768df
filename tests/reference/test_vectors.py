"""Files that real kubelets and their tests wrote: each one's verdict, sum and bytes."""

import json
from pathlib import Path

import pytest

from harness.reference.allocation import AllocationCheckpoint
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
from harness.reference.errors import CorruptCheckpointError
from harness.reference.gojson import encode
from harness.reference.memory import (
    MemoryManagerCheckpoint,
    MemoryManagerCheckpointBefore121,
    MemoryManagerCheckpointV2,
    MemoryManagerCheckpointV3,
)
from harness.reference.verify import verify_bytes

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
KINDS = {
    (kind.kind, kind.version): kind
    for kind in (
        AllocationCheckpoint,
        CPUManagerCheckpoint,
        CPUManagerCheckpointV1,
        CPUManagerCheckpointV3,
        CPUManagerCheckpointV3Renamed,
        CPUManagerCheckpointV4,
        DRACheckpoint,
        DRAManagerCheckpoint,
        DRAManagerCheckpointWithoutResourceHandles,
        DeviceManagerCheckpoint,
        DeviceManagerCheckpointV1,
        MemoryManagerCheckpoint,
        MemoryManagerCheckpointBefore121,
        MemoryManagerCheckpointV2,
        MemoryManagerCheckpointV3,
        PodSandboxCheckpoint,
    )
}


def name(vector):
    return f"{vector['kind']}-{vector['version']}-{vector['name']}"


# What no kubelet can have written: its bytes name a field otherwise than every kubelet does, or
# leave one out. Upstream's tests wrote them by hand.
def is_handwritten(vector):
    return any(
        text in vector["json"]
        for text in ('"defaultCPUSet"', '"affinity"', '"policyName":"other","checksum"')
    ) or name(vector) in {
        # ResourceHandles, or cells, are missing: Go writes null for what is nil.
        "dra-v1-alpha2-invalid checksum",
        "memory-v1-docs state file as printed",
    }


def test_every_kind_is_there():
    assert {(v["kind"], v["version"]) for v in VECTORS} == KINDS.keys()
    assert len(VECTORS) == 54


@pytest.mark.parametrize("vector", VECTORS, ids=name)
def test_verdict_and_sum(vector):
    checkpoint = KINDS[vector["kind"], vector["version"]]()
    blob = vector["json"].encode()
    try:
        checkpoint.unmarshal(blob)
        checkpoint.verify_checksum()
        valid = True
    except CorruptCheckpointError:
        valid = False
    assert valid == vector["valid"]
    assert checkpoint.computed() == vector["computed"]
    assert checkpoint.stored == vector["checksum"]


@pytest.mark.parametrize("vector", [v for v in VECTORS if not is_handwritten(v)], ids=name)
def test_encoding_a_decoded_file_gives_its_bytes_back(vector):
    checkpoint = KINDS[vector["kind"], vector["version"]]()
    blob = vector["json"].encode()
    try:
        checkpoint.unmarshal(blob)
    except CorruptCheckpointError:
        assert not vector["valid"]  # DRA verifies at once, after decoding
    assert encode(checkpoint.struct, checkpoint.value) == blob
    if vector["valid"]:
        assert checkpoint.marshal() == blob


def test_files_of_real_kubelets_are_among_the_round_trips():
    real = [v for v in VECTORS if v["source_file"].startswith("file written by a real kubelet")]
    assert len(real) >= 10
    assert not any(map(is_handwritten, real))


@pytest.mark.parametrize("vector", VECTORS, ids=name)
def test_verify_agrees(vector):
    # Some bytes are listed under two versions, and one of them reads them: that one is named.
    same = [v for v in VECTORS if v["json"] == vector["json"]]
    verdict = verify_bytes(vector["json"].encode())
    assert verdict.verdict == ("ok" if any(v["valid"] for v in same) else "corrupt")
    assert verdict.kind == vector["kind"]
    assert verdict.stored == vector["checksum"]
    good = [v for v in same if v["valid"]] or same
    assert verdict.version in {v["version"] for v in good}
    assert verdict.computed in {v["computed"] for v in same}
