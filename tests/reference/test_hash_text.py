"""The text that is hashed, against published examples and go-spew's own quirks."""

import pytest

from harness.reference.cpu import (
    CPUManagerCheckpoint,
    CPUManagerCheckpointV1,
    CPUManagerCheckpointV3,
    CPUManagerCheckpointV3Renamed,
)
from harness.reference.device import DeviceManagerCheckpoint, DeviceManagerCheckpointV1
from harness.reference.errors import CorruptCheckpointError
from harness.reference.fnv import fnv1a_32
from harness.reference.gojson.types import (
    INT,
    STRING,
    Bytes,
    Field,
    Map,
    Pointer,
    Slice,
    Struct,
)
from harness.reference.memory import MemoryManagerCheckpoint
from harness.reference.spew import hash_text


@pytest.mark.parametrize(
    ("data", "expected"),
    # The reference vectors of Fowler, Noll and Vo (draft-eastlake-fnv, appendix C).
    [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)],
)
def test_fnv1a(data, expected):
    assert fnv1a_32(data) == expected


def test_cpu_v2_default():
    checkpoint = CPUManagerCheckpoint()
    checkpoint.policy_name = "none"
    assert checkpoint.text() == (
        "(*state.CPUManagerCheckpoint){PolicyName:(string)none DefaultCPUSet:(string) "
        "Entries:(map[string]map[string]string)map[] Checksum:(checksum.Checksum)0}"
    )
    assert checkpoint.marshal() == b'{"policyName":"none","defaultCpuSet":"","checksum":1353318690}'


def test_memory_v1_default():
    checkpoint = MemoryManagerCheckpoint()
    checkpoint.policy_name = "None"
    assert checkpoint.text() == (
        "(*state.MemoryManagerCheckpoint){PolicyName:(string)None "
        "MachineState:(state.NUMANodeMap)map[] Entries:(state.ContainerMemoryAssignments)map[] "
        "Checksum:(checksum.Checksum)0}"
    )
    assert checkpoint.marshal() == (
        b'{"policyName":"None","machineState":{},"checksum":4236770233}'
    )


def test_memory_v1_with_pointers_in_maps():
    checkpoint = MemoryManagerCheckpoint()
    checkpoint.policy_name = "static"
    checkpoint.machine_state = {
        0: {
            "NumberOfAssignments": 0,
            "MemoryMap": {
                "memory": {
                    "TotalMemSize": 2048,
                    "SystemReserved": 512,
                    "Allocatable": 1536,
                    "Reserved": 512,
                    "Free": 1024,
                }
            },
            "Cells": [],
        }
    }
    block = {"NUMAAffinity": [0], "Type": "memory", "Size": 512}
    checkpoint.entries = {"pod": {"container1": [block]}}
    assert checkpoint.text() == (
        "(*state.MemoryManagerCheckpoint){PolicyName:(string)static "
        "MachineState:(state.NUMANodeMap)map[0:<*>{NumberOfAssignments:(int)0 "
        "MemoryMap:(map[v1.ResourceName]*state.MemoryTable)map[memory:<*>{"
        "TotalMemSize:(uint64)2048 SystemReserved:(uint64)512 Allocatable:(uint64)1536 "
        "Reserved:(uint64)512 Free:(uint64)1024}] Cells:([]int)[]}] "
        "Entries:(state.ContainerMemoryAssignments)map[pod:map[container1:[{"
        "NUMAAffinity:([]int)[0] Type:(v1.ResourceName)memory Size:(uint64)512}]]] "
        "Checksum:(checksum.Checksum)0}"
    )
    assert checkpoint.computed() == 4215593881


def entry(devices):
    return {
        "PodUID": "u",
        "ContainerName": "c",
        "ResourceName": "r",
        "DeviceIDs": devices,
        "AllocResp": b"\n\x00",
    }


def test_device_v2_hashes_its_data_only():
    checkpoint = DeviceManagerCheckpoint()
    checkpoint.set_data([entry({0: ["d0", "d1"], 1: ["d2"]})], {"r": ["d0", "d1", "d2"]})
    assert checkpoint.text() == (
        "(checkpoint.checkpointData){PodDeviceEntries:([]checkpoint.PodDevicesEntry)[{"
        "PodUID:(string)u ContainerName:(string)c ResourceName:(string)r "
        "DeviceIDs:(checkpoint.DevicesPerNUMA)map[0:[d0 d1] 1:[d2]] AllocResp:([]uint8)[10 0]}] "
        "RegisteredDevices:(map[string][]string)map[r:[d0 d1 d2]]}"
    )
    assert checkpoint.computed() == 1106080502
    checkpoint.boot_id = "b"
    assert checkpoint.computed() == 1106080502


def test_device_v1_differs_in_the_list_only():
    checkpoint = DeviceManagerCheckpointV1()
    checkpoint.set_data([entry(["d0", "d1"])], {"r": ["d0", "d1"]})
    assert "DeviceIDs:([]string)[d0 d1] " in checkpoint.text()
    assert "V1" not in checkpoint.text()
    assert checkpoint.computed() == 2384311061


def test_device_first_write():
    checkpoint = DeviceManagerCheckpoint()
    checkpoint.set_data(None, {})
    assert checkpoint.marshal() == (
        b'{"Data":{"PodDeviceEntries":null,"RegisteredDevices":{}},"Checksum":3467439661}'
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(CPUManagerCheckpointV3, 766259872), (CPUManagerCheckpointV3Renamed, 2284712151)],
)
def test_cpu_v3_under_its_two_names(kind, expected):
    checkpoint = kind()
    checkpoint.policy_name = "static"
    checkpoint.default_cpu_set = "1-2"
    checkpoint.entries = {"pod1": {"container1": "5-6", "container2": "3-4"}}
    checkpoint.pod_entries = {"pod2": {"CPUSet": frozenset({7, 8, 9})}}
    assert (
        "PodEntries:(state.PodCPUAssignments)map[pod2:{CPUSet:(cpuset.CPUSet){"
        "elems:(map[int]struct {})map[7:{} 8:{} 9:{}]}}] "
    ) in checkpoint.text()
    assert checkpoint.computed() == expected


def test_cpu_v3_renamed_reads_both_sums_and_no_third():
    blob = (
        b'{"policyName":"static","defaultCPUSet":"1-2","entries":{"pod1":{"container1":"5-6",'
        b'"container2":"3-4"}},"podEntries":{"pod2":{"cpuSet":"7-9"}},"checksum":%d}'
    )
    for stored in (766259872, 2284712151):
        checkpoint = CPUManagerCheckpointV3Renamed()
        checkpoint.unmarshal(blob % stored)
        checkpoint.verify_checksum()
    checkpoint.unmarshal(blob % 766259873)
    with pytest.raises(CorruptCheckpointError) as caught:
        checkpoint.verify_checksum()
    assert (caught.value.actual, caught.value.expected) == (766259872, 766259873)


def test_v1_marshals_what_117_wrote_and_renamed_is_rejected_by_its_own_reader():
    checkpoint = CPUManagerCheckpointV1()
    checkpoint.policy_name = "none"
    checkpoint.default_cpu_set = "1-3"
    checkpoint.marshal()
    assert checkpoint.checksum == 1694838852
    checkpoint.verify_checksum()
    checkpoint.unmarshal(checkpoint.marshal_renamed())
    with pytest.raises(CorruptCheckpointError):
        checkpoint.verify_checksum()


INNER = Struct("p.T", (Field("A", INT),))


def test_nil_pointer_that_ends_a_map_takes_the_next_fields_type():
    # go-spew: formatPtr returns without clearing ignoreNextType.
    kind = Struct(
        "p.S", (Field("M", Map(STRING, Pointer(INNER))), Field("N", INT), Field("O", INT))
    )
    assert hash_text(kind, {"M": {"a": None}, "N": 1, "O": 2}) == (
        "(p.S){M:(map[string]*p.T)map[a:<nil>] N:1 O:(int)2}"
    )
    assert hash_text(kind, {"M": {"a": None, "b": {"A": 3}}, "N": 1, "O": 2}) == (
        "(p.S){M:(map[string]*p.T)map[a:<nil> b:<*>{A:(int)3}] N:(int)1 O:(int)2}"
    )
    listed = Struct("p.S", (Field("L", Slice(Pointer(INNER))), Field("N", INT)))
    assert hash_text(listed, {"L": [None], "N": 1}) == "(p.S){L:([]*p.T)[<nil>] N:1}"


def test_pointers_nil_and_empty():
    kind = Struct(
        "p.S",
        (
            Field("P", Pointer(INNER)),
            Field("Q", Pointer(INT)),
            Field("B", Bytes()),
            Field("C", Bytes()),
            Field("M", Map(INT, STRING)),
            Field("L", Slice(STRING)),
        ),
    )
    value = {"P": None, "Q": 5, "B": None, "C": b"", "M": None, "L": None}
    assert hash_text(Pointer(kind), value) == (
        "(*p.S){P:(*p.T)<nil> Q:(*int)5 B:([]uint8)<nil> C:([]uint8)[] "
        "M:(map[int]string)<nil> L:([]string)<nil>}"
    )


def test_keys_sort_as_numbers_in_the_text_and_as_strings_in_json():
    checkpoint = DeviceManagerCheckpoint()
    checkpoint.set_data([entry({10: ["b"], 2: ["a"], -1: []})], {})
    assert "map[-1:[] 2:[a] 10:[b]]" in checkpoint.text()
    assert b'{"-1":[],"10":["b"],"2":["a"]}' in checkpoint.marshal()
