"""What kubelets of each version make of a state file when they start."""

import json
from pathlib import Path

import pytest

from harness.reference.cpu import (
    CPUManagerCheckpoint,
    CPUManagerCheckpointV1,
    CPUManagerCheckpointV3,
    CPUManagerCheckpointV4,
)
from harness.reference.errors import RestoreError
from harness.reference.manager import CheckpointManager
from harness.reference.memory import MemoryManagerCheckpointV2, MemoryManagerCheckpointV3
from harness.reference.restore import (
    CPUState,
    restore_cpu,
    restore_device,
    restore_memory,
    validate_static,
)

VECTORS = {
    v["name"]: v["json"].encode()
    for v in json.loads((Path(__file__).parent / "vectors.json").read_text())
}
REAL = VECTORS["real cpu_manager_state 0,14-27"]
POD = "c0c5c4b3-3f63-4677-ba68-52da74012371"
ASSIGNED = {POD: {"app": frozenset(range(1, 14))}}


@pytest.fixture(params=["kubelet", "hardened"])
def manager(request, tmp_path):
    return CheckpointManager(str(tmp_path), request.param)


def put(manager, blob, key="cpu_manager_state"):
    manager.store.write(key, blob)


def message(manager, error, what="CPU", key="cpu_manager_state"):
    return (
        f"could not restore state from checkpoint: {error}, please drain this node and delete the "
        f'{what} manager checkpoint file "{manager.store.directory}/{key}" before restarting '
        "Kubelet"
    )


@pytest.mark.parametrize("version", ["1.18", "1.36", "1.37"])
def test_a_real_v2_file_is_read_by_every_version(manager, version):
    put(manager, REAL)
    state = restore_cpu(manager, "static", version)
    assert state.default == frozenset({0, *range(14, 28)})
    assert state.assignments == ASSIGNED


@pytest.mark.parametrize("version", ["1.18", "1.36", "1.37"])
def test_a_missing_file_is_written_at_once_and_read_back(manager, version):
    assert restore_cpu(manager, "none", version) == CPUState("none")
    assert manager.list_checkpoints() == ["cpu_manager_state"]
    assert restore_cpu(manager, "none", version) == CPUState("none")


def test_the_first_file_of_a_default_kubelet(tmp_path):
    restore_cpu(CheckpointManager(str(tmp_path), "kubelet"), "none", "1.18")
    assert (tmp_path / "cpu_manager_state").read_bytes() == (
        b'{"policyName":"none","defaultCpuSet":"","checksum":1353318690}'
    )


def v1_blob():
    checkpoint = CPUManagerCheckpointV1()
    checkpoint.policy_name = "static"
    checkpoint.default_cpu_set = "0"
    checkpoint.entries = {"id1": "1-2", "id2": "3"}
    return checkpoint.marshal()


@pytest.mark.parametrize("version", ["1.18", "1.36"])
def test_v1_is_migrated_with_the_running_containers(manager, version):
    put(manager, v1_blob())
    containers = {"id1": ("pod", "a"), "id2": ("pod", "b")}
    state = restore_cpu(manager, "static", version, containers)
    assert state.assignments == {"pod": {"a": frozenset({1, 2}), "b": frozenset({3})}}


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (
            "1.18",
            (
                "error migrating v1 checkpoint state to v2 checkpoint state: "
                "containerID 'id2' not found in initial containers list"
            ),
        ),
        (
            "1.36",
            (
                "failed to migrate checkpoint from v1 to v2: "
                "containerID 'id2' not found in initial containers list"
            ),
        ),
        (
            "1.37",  # V1 is no longer read, so it is V2's complaint
            (
                "json: cannot unmarshal string into Go struct field "
                "CPUManagerCheckpoint.entries of type map[string]string"
            ),
        ),
    ],
)
def test_v1_of_an_unknown_container(manager, version, text):
    put(manager, v1_blob())
    with pytest.raises(RestoreError) as caught:
        restore_cpu(manager, "static", version, {"id1": ("pod", "a")})
    assert str(caught.value) == message(manager, text)


@pytest.mark.parametrize(
    ("blob", "policy", "text"),
    [
        (b"", "static", "unexpected end of JSON input"),
        (REAL.replace(b"14-27", b"14-28"), "static", "checkpoint is corrupted"),
        (
            REAL,
            "none",
            'configured policy "none" differs from state checkpoint policy "static"',
        ),
        (
            VECTORS["unparsable default cpu set"],
            "none",
            'could not parse default cpu set "1.3": strconv.Atoi: parsing "1.3": invalid syntax',
        ),
        (
            VECTORS["unparsable assignment entry"],
            "none",
            (
                'could not parse cpuset "asd" for container "container2" in pod "pod": '
                'strconv.Atoi: parsing "asd": invalid syntax'
            ),
        ),
    ],
)
def test_what_stops_a_kubelet(manager, blob, policy, text):
    put(manager, blob)
    with pytest.raises(RestoreError) as caught:
        restore_cpu(manager, policy)
    assert str(caught.value) == message(manager, text)


def test_a_file_whose_checksum_key_is_gone(manager):
    put(manager, b'{"policyName":"static","defaultCpuSet":"0,14-27","esum":1954249489}')
    if manager.mode == "kubelet":
        assert restore_cpu(manager, "static").assignments == {}  # the pod's CPUs are forgotten
    else:
        with pytest.raises(RestoreError, match="checkpoint is corrupted"):
            restore_cpu(manager, "static")


def test_136_keeps_pod_entries_of_a_v3_that_did_not_verify(manager):
    # What a kubelet does with a V3 file whose checksum is gone: V3 rejects it, V2 takes a zero sum
    # unchecked, and is migrated into the object that V3 filled.
    checkpoint = CPUManagerCheckpointV3()
    checkpoint.policy_name = "static"
    checkpoint.default_cpu_set = "0"
    checkpoint.pod_entries = {"stale": {"CPUSet": frozenset({7})}}
    blob = checkpoint.marshal()
    put(manager, blob[: blob.index(b',"checksum"')] + b"}")
    if manager.mode == "kubelet":
        assert restore_cpu(manager, "static", "1.36").pods == {"stale": frozenset({7})}
        assert restore_cpu(manager, "static", "1.37").pods == {}
    else:
        for version in ("1.36", "1.37"):
            with pytest.raises(RestoreError, match="checkpoint is corrupted"):
                restore_cpu(manager, "static", version)


def v4():
    checkpoint = CPUManagerCheckpointV4()
    checkpoint.state |= {
        "PolicyName": "static",
        "DefaultCPUSet": "0",
        "Entries": {"pod": {"c": "1-2"}},
        "PodEntries": {"p": {"CPUSet": frozenset({5})}},
    }
    return checkpoint.marshal()


def test_v4_and_what_an_old_kubelet_makes_of_it(manager):
    put(manager, v4())
    state = restore_cpu(manager, "static", "1.37")
    assert state.pods == {"p": frozenset({5})}
    if manager.mode == "kubelet":
        # Its legacy checksum is 0, which V2 takes unchecked.
        assert restore_cpu(manager, "static", "1.18").assignments == {
            "pod": {"c": frozenset({1, 2})}
        }


def test_a_damaged_v4_does_not_fall_back(manager):
    put(manager, v4().replace(b"1-2", b"1-3"))
    with pytest.raises(RestoreError) as caught:
        restore_cpu(manager, "static", "1.37")
    assert str(caught.value) == message(
        manager, "could not load v4 checkpoint: checkpoint is corrupted"
    )


def test_static_policy_validation():
    every = frozenset(range(28))

    def state(default, assignments):
        return CPUState("static", frozenset(default), assignments)

    empty = state([], {})
    validate_static(empty, every)
    assert empty.default == every
    validate_static(state({0, *range(14, 28)}, ASSIGNED), every, frozenset({0}))
    for bad, text in (
        (state([], ASSIGNED), "default cpuset cannot be empty"),
        (
            state({14, 15}, ASSIGNED),
            'not all reserved cpus: "0" are present in defaultCpuSet: "14-15"',
        ),
        (
            state({0, 13}, ASSIGNED),
            f'pod: {POD}, container: app cpuset: "1-13" overlaps with default cpuset "0,13"',
        ),
        (
            state({0, 14}, ASSIGNED),
            'current set of available CPUs "0-27" doesn\'t match with CPUs in state "0-14"',
        ),
    ):
        with pytest.raises(RestoreError) as caught:
            validate_static(bad, every, frozenset({0}))
        assert str(caught.value) == text


MEMORY = "memory_manager_state"


@pytest.mark.parametrize("version", ["1.21", "1.36", "1.37"])
def test_memory(manager, version):
    put(manager, VECTORS["Restore valid checkpoint"], MEMORY)
    state = restore_memory(manager, "static", version)
    assert state.assignments["pod"]["container1"][0]["Size"] == 512
    assert state.machine[0]["MemoryMap"]["memory"]["Free"] == 1024
    with pytest.raises(RestoreError) as caught:
        restore_memory(manager, "None", version)
    text = '[memorymanager] configured policy "None" differs from state checkpoint policy "static"'
    assert str(caught.value) == message(manager, text, "memory", MEMORY)
    manager.remove_checkpoint(MEMORY)
    restore_memory(manager, "None", version)
    assert manager.list_checkpoints() == [MEMORY]
    restore_memory(manager, "None", version)


def test_memory_zero_checksum_is_taken_from_136_on_only(tmp_path):
    manager = CheckpointManager(str(tmp_path), "kubelet")
    blob = VECTORS["Restore valid checkpoint"].replace(b"4215593881", b"0")
    put(manager, blob, MEMORY)
    with pytest.raises(RestoreError, match="checkpoint is corrupted"):
        restore_memory(manager, "static", "1.21")
    assert restore_memory(manager, "static", "1.36").assignments


def test_memory_136_keeps_stale_pod_entries(tmp_path):
    manager = CheckpointManager(str(tmp_path), "kubelet")
    checkpoint = MemoryManagerCheckpointV2()
    checkpoint.policy_name = "static"
    checkpoint.pod_entries = {"stale": {"MemoryBlocks": []}}
    blob = checkpoint.marshal()
    put(manager, blob[: blob.index(b',"checksum"')] + b"}", MEMORY)
    assert restore_memory(manager, "static", "1.36").pods == {"stale": {"MemoryBlocks": []}}
    assert restore_memory(manager, "static", "1.37").pods == {}


def test_memory_v3_is_read_by_old_kubelets_too(manager):
    checkpoint = MemoryManagerCheckpointV3()
    checkpoint.state["PolicyName"] = "static"
    checkpoint.state["Entries"] = {"pod": {"c": None}}
    put(manager, checkpoint.marshal(), MEMORY)
    for version in ("1.21", "1.37"):
        assert restore_memory(manager, "static", version).assignments == {"pod": {"c": None}}
    put(manager, checkpoint.marshal().replace(b'\\"c\\"', b'\\"d\\"'), MEMORY)
    with pytest.raises(RestoreError, match="could not load v3 checkpoint: checkpoint is corrupted"):
        restore_memory(manager, "static", "1.37")


DEVICE = "kubelet_internal_checkpoint"


def test_device_v1_goes_to_numa_node_0(manager):
    put(manager, VECTORS["generated: list form"], DEVICE)
    state = restore_device(manager)
    assert state.entries[0]["DeviceIDs"] == {0: ["a", "b"]}
    assert state.registered == {"r": ["a", "b"]}
    assert restore_device(manager, "1.19").entries == state.entries
    lost = restore_device(manager, "1.20")
    assert (lost.entries, lost.registered) == ([], {})
    assert lost.logged.endswith(
        "json: cannot unmarshal array into Go struct field "
        "PodDevicesEntry.Data.PodDeviceEntries.DeviceIDs of type checkpoint.DevicesPerNUMA"
    )


def test_device_v2_damaged_or_missing_is_never_fatal(manager):
    assert restore_device(manager).logged == (
        "Failed to read data from checkpoint: checkpoint is not found"
    )
    good = VECTORS["generated: NUMA ids -1, 2 and 10, empty and nil AllocResp"]
    put(manager, good, DEVICE)
    assert len(restore_device(manager).entries) == 2
    put(manager, good.replace(b'"z"', b'"y"'), DEVICE)
    assert restore_device(manager).logged.endswith("checkpoint is corrupted")


@pytest.mark.parametrize(
    "kind", [CPUManagerCheckpoint, CPUManagerCheckpointV3, CPUManagerCheckpointV4]
)
def test_a_written_checkpoint_reads_back_equal(manager, kind):
    manager.create_checkpoint("k", kind())
    found = kind()
    manager.get_checkpoint("k", found)
    assert found.marshal() == kind().marshal()
