"""Measured weaknesses of a kubelet's files: kept in kubelet mode, gone in hardened mode."""

import json
from collections import Counter
from pathlib import Path

import pytest

from harness.reference.cpu import CPUManagerCheckpoint
from harness.reference.device import DeviceManagerCheckpoint
from harness.reference.envelope import unwrap, wrap
from harness.reference.errors import CorruptCheckpointError
from harness.reference.gojson import JSONError
from harness.reference.memory import MemoryManagerCheckpoint

VECTORS = {
    v["name"]: v["json"].encode()
    for v in json.loads((Path(__file__).parent / "vectors.json").read_text())
}
CPU = VECTORS["real cpu_manager_state 0,14-27"]
MEMORY = VECTORS["Restore valid checkpoint"]
DEVICE = VECTORS["generated: NUMA ids -1, 2 and 10, empty and nil AllocResp"]
FILES = [
    (CPUManagerCheckpoint, CPU),
    (MemoryManagerCheckpoint, MEMORY),
    (DeviceManagerCheckpoint, DEVICE),
]


def state(checkpoint):
    return {k: v for k, v in checkpoint.value.items() if k != "Checksum"}


def outcome(kind, blob, good, *, strict=False):
    checkpoint = kind()
    try:
        checkpoint.unmarshal(blob)
    except JSONError:
        return "not JSON"
    try:
        if strict:
            checkpoint.verify_checksum_strict()
        else:
            checkpoint.verify_checksum()
    except CorruptCheckpointError:
        return "wrong sum"
    if state(checkpoint) != state(good):
        return "altered"
    return "unchecked" if checkpoint.stored == 0 else "same"


def decoded(kind, blob):
    checkpoint = kind()
    checkpoint.unmarshal(blob)
    checkpoint.verify_checksum_strict()
    return checkpoint


def flips(blob):
    for at in range(len(blob)):
        for bit in range(8):
            yield blob[:at] + bytes([blob[at] ^ 1 << bit]) + blob[at + 1 :]


def deletions(blob, step=1):
    for start in range(0, len(blob), step):
        for end in range(start + 1, len(blob) + 1, step):
            yield blob[:start] + blob[end:]


def test_every_bit_flip_of_a_real_cpu_file():
    good = decoded(CPUManagerCheckpoint, CPU)
    found = Counter(outcome(CPUManagerCheckpoint, blob, good) for blob in flips(CPU))
    assert found == {"not JSON": 364, "wrong sum": 638, "same": 94 - 56, "unchecked": 56}
    strict = Counter(outcome(CPUManagerCheckpoint, b, good, strict=True) for b in flips(CPU))
    assert strict == {"not JSON": 364, "wrong sum": 638 + 56, "same": 94 - 56}


def test_deleting_a_range_makes_a_kubelet_accept_an_altered_cpu_state():
    good = decoded(CPUManagerCheckpoint, CPU)
    found = Counter(outcome(CPUManagerCheckpoint, blob, good) for blob in deletions(CPU))
    assert found["altered"] == 294
    assert sum(found.values()) == 137 * 138 // 2
    strict = Counter(outcome(CPUManagerCheckpoint, b, good, strict=True) for b in deletions(CPU))
    assert strict["altered"] == strict["unchecked"] == 0


def test_the_worst_of_them_forgets_the_pods_cpus():
    blob = b'{"policyName":"static","defaultCpuSet":"0,14-27","esum":1954249489}'
    assert blob in set(deletions(CPU))
    checkpoint = CPUManagerCheckpoint()
    checkpoint.unmarshal(blob)
    checkpoint.verify_checksum()
    assert checkpoint.entries == {}
    with pytest.raises(CorruptCheckpointError):
        checkpoint.verify_checksum_strict()


@pytest.mark.parametrize(("kind", "blob"), FILES[1:], ids=["memory", "device"])
def test_deleting_a_range_of_the_others_alters_nothing_accepted(kind, blob):
    good = decoded(kind, blob)
    found = Counter(outcome(kind, b, good) for b in deletions(blob, 3))
    assert found["altered"] == 0
    assert found["wrong sum"]
    assert found["not JSON"]


@pytest.mark.parametrize(("kind", "blob"), FILES, ids=["cpu", "memory", "device"])
def test_every_truncation_and_zero_tail_is_rejected(kind, blob):
    good = decoded(kind, blob)
    for size in range(len(blob)):
        assert outcome(kind, blob[:size], good) == "not JSON"
        assert outcome(kind, blob[:size].ljust(len(blob), b"\0"), good) == "not JSON"


def test_an_envelope_shows_every_flip_truncation_tail_and_deleted_range():
    blob = wrap("cpu_manager_state", CPU)
    damaged = [
        *flips(blob),
        *deletions(blob),
        *(blob[:size].ljust(len(blob), b"\0") for size in range(len(blob))),
        *(blob + bytes(size) for size in range(1, 20)),
        *(blob + blob[-size:] for size in range(1, 60)),
        b"",
    ]
    for one in damaged:
        # Deleting one of two equal neighbours, or zeroing a zero, is no damage.
        if one != blob:
            with pytest.raises(CorruptCheckpointError):
                unwrap("cpu_manager_state", one)
    assert unwrap("cpu_manager_state", blob) == CPU


def test_an_envelope_says_what_is_wrong_with_it():
    blob = wrap("k", b"value")
    for bad, detail in (
        (blob[:10], "10 bytes, too short for an envelope"),
        (b"x" + blob[1:], "no envelope: the magic number is missing"),
        (blob + b"old", f"{len(blob) + 3} bytes, the envelope says {len(blob)}"),
        (blob[:-1], f"{len(blob) - 1} bytes, the envelope says {len(blob)}"),
    ):
        with pytest.raises(CorruptCheckpointError) as caught:
            unwrap("k", bad)
        assert caught.value.detail == detail
    with pytest.raises(CorruptCheckpointError) as caught:
        unwrap("k", blob[:-1] + b"f")
    assert caught.value.detail.startswith("CRC ")
    assert caught.value.actual != caught.value.expected


def test_an_envelope_of_another_key_is_refused():
    blob = wrap("a", b"value")
    assert unwrap("a", blob) == b"value"
    with pytest.raises(CorruptCheckpointError) as caught:
        unwrap("b", blob)
    assert caught.value.detail == "written under another key, 'a'"


def test_two_states_with_one_text():
    sums = []
    for containers in ({"c1": "1-3", "c2": "4-5"}, {"c1": "1-3 c2:4-5"}):
        checkpoint = CPUManagerCheckpoint()
        checkpoint.policy_name = "static"
        checkpoint.default_cpu_set = "0"
        checkpoint.entries = {"pod": containers}
        sums.append((checkpoint.text(), checkpoint.computed()))
    assert sums[0] == sums[1]
    assert sums[0][1] == 1989452609


def test_two_default_sets_with_one_32_bit_sum():
    for cpus in (
        "1-3,6,8-9,11-12,14,21-23,27,29-30,37,39,45-46,50-51,54-55,59,61",
        "0-7,9-10,13-15,20-23,26-30,34-37,40-42,45-47,52-54,59-62",
    ):
        checkpoint = CPUManagerCheckpoint()
        checkpoint.policy_name = "static"
        checkpoint.default_cpu_set = cpus
        assert checkpoint.computed() == 57933874


def test_a_sum_beyond_32_bits_never_verifies():
    checkpoint = decoded(CPUManagerCheckpoint, CPU)
    checkpoint.checksum += 2**32
    with pytest.raises(CorruptCheckpointError):
        checkpoint.verify_checksum()
