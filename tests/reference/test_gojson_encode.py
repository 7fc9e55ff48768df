"""Encoding as encoding/json does it."""

import pytest

from harness.reference.cpu import CPUManagerCheckpoint
from harness.reference.dockershim import PodSandboxCheckpoint
from harness.reference.gojson import encode, quote
from harness.reference.gojson.types import INT, STRING, Bytes, Field, Map, Pointer, Slice, Struct


def test_strings_are_escaped_as_go_does():
    text = '"\\/<>&\u2028\u2029\b\f\n\r\t\0\x1f\x7f\u00e9\U0001f600\ufffd'
    assert encode(STRING, text).decode() == (
        r'"\"\\/\u003c\u003e\u0026\u2028\u2029\u0008\u000c\n\r\t\u0000\u001f'
        '\x7f\u00e9\U0001f600\ufffd"'
    )


def test_a_lone_surrogate_is_refused():
    with pytest.raises(UnicodeEncodeError):
        encode(STRING, "\ud800")


def test_nil_and_empty():
    kind = Struct(
        "T",
        (
            Field("M", Map(STRING, INT)),
            Field("S", Slice(INT)),
            Field("B", Bytes()),
            Field("P", Pointer(INT)),
        ),
    )
    nil = {"M": None, "S": None, "B": None, "P": None}
    assert encode(kind, nil) == b'{"M":null,"S":null,"B":null,"P":null}'
    empty = {"M": {}, "S": [], "B": b"", "P": 0}
    assert encode(kind, empty) == b'{"M":{},"S":[],"B":"","P":0}'


def test_omitempty_leaves_out_empty_but_not_pointers_to_empty():
    checkpoint = PodSandboxCheckpoint()
    port = {"Protocol": "", "ContainerPort": 0, "HostPort": None, "HostIP": ""}
    checkpoint.data["PortMappings"] = [port, None]
    assert b'"data":{"port_mappings":[{"protocol":"","container_port":0},null]}' in (
        checkpoint.marshal()
    )
    checkpoint.data["PortMappings"] = []
    assert b'"data":{},' in checkpoint.marshal()


def test_map_keys_sort_as_strings():
    assert encode(Map(INT, INT), {10: 1, 9: 2, -1: 3}) == b'{"-1":3,"10":1,"9":2}'
    assert encode(Map(STRING, INT), {"é": 1, "z": 2, "\U0001f600": 3, "\uffff": 4}).decode() == (
        '{"z":2,"é":1,"\uffff":4,"\U0001f600":3}'
    )


def test_a_checkpoint_is_compact_and_ends_without_a_newline():
    checkpoint = CPUManagerCheckpoint()
    checkpoint.entries = {"b": {"c": "1"}, "a": {}}
    assert checkpoint.marshal().startswith(
        b'{"policyName":"","defaultCpuSet":"","entries":{"a":{},"b":{"c":"1"}},"checksum":'
    )


def test_quote():
    assert quote("a\"\\\n\x00\x7f\u00e9\u00a0\u202e\U000e0001'") == (
        r'"a\"\\\n\x00\x7f' + "\u00e9" + r"\u00a0\u202e\U000e0001'" + '"'
    )
