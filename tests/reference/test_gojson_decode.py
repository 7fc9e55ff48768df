"""Decoding as encoding/json does it. Each expectation was printed by go1.19.8."""

import pytest

from harness.reference.cpu import CPUManagerCheckpoint, CPUManagerCheckpointV3
from harness.reference.device import DeviceManagerCheckpoint
from harness.reference.dockershim import PodSandboxCheckpoint
from harness.reference.gojson import JSONError, JSONSyntaxError, JSONTypeError, JSONValueError
from harness.reference.gojson.parse import parse
from harness.reference.gojson.syntax import explain
from harness.reference.memory import MemoryManagerCheckpoint


def cpu(text, into=None):
    checkpoint = into or CPUManagerCheckpoint()
    checkpoint.unmarshal(text if isinstance(text, bytes) else text.encode())
    return checkpoint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "unexpected end of JSON input"),
        (b"  ", "unexpected end of JSON input"),
        (b'{"policyName":"stat', "unexpected end of JSON input"),
        (b'{"a":1', "unexpected end of JSON input"),
        (b'{"a":1,', "unexpected end of JSON input"),
        (b'{"a"', "unexpected end of JSON input"),
        (b"\0\0\0\0", r"invalid character '\x00' looking for beginning of value"),
        (b'{"a":1}"old"}', "invalid character '\"' after top-level value"),
        (b"{}x", "invalid character 'x' after top-level value"),
        (b"tru", "invalid character ' ' in literal true (expecting 'e')"),
        (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
        (b"nul", "invalid character ' ' in literal null (expecting 'l')"),
        (b"fa ", "invalid character ' ' in literal false (expecting 'l')"),
        (b"-", "invalid character ' ' in numeric literal"),
        (b"-a", "invalid character 'a' in numeric literal"),
        (b"01", "invalid character '1' after top-level value"),
        (b"1.", "invalid character ' ' after decimal point in numeric literal"),
        (b"1e+", "invalid character ' ' in exponent of numeric literal"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'"\x01"', r"invalid character '\x01' in string literal"),
        (b'"\n"', r"invalid character '\n' in string literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u12G4"', r"invalid character 'G' in \u hexadecimal character escape"),
        (b"'", r"invalid character '\'' looking for beginning of value"),
        (b"\\", r"invalid character '\\' looking for beginning of value"),
        (b"\x7f", r"invalid character '\x7f' looking for beginning of value"),
        (b"\x80", r"invalid character '\u0080' looking for beginning of value"),
        (b"\xa0", r"invalid character '\u00a0' looking for beginning of value"),
        (b"\xe9", "invalid character 'é' looking for beginning of value"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"[" * 10001 + b"]" * 10001, "invalid character '[' exceeded max depth"),
    ],
)
def test_syntax_errors(data, message):
    with pytest.raises(JSONSyntaxError) as caught:
        parse(data)
    assert str(caught.value) == message
    checkpoint = CPUManagerCheckpoint()
    with pytest.raises(JSONSyntaxError):
        checkpoint.unmarshal(data)
    assert checkpoint == CPUManagerCheckpoint()


@pytest.mark.parametrize("data", [b"[" * 10000 + b"]" * 10000, b' {"a":[1,-0.5e3,null]}\r\n\t'])
def test_good_syntax_is_not_explained_away(data):
    assert explain(data) is None
    parse(data)


def test_names_in_any_case_and_folded_letters():
    assert cpu('{"POLICYNAME":"a"}').policy_name == "a"
    assert cpu('{"entrie\u017f":{"p":{"c":"1"}}}').entries == {"p": {"c": "1"}}
    assert cpu('{"chec\u212asum":7}').checksum == 7
    # Nothing else folds: dotless i, sharp s.
    assert cpu('{"pol\u0131cyName":"a"}').policy_name == ""


def test_an_exact_name_does_not_win_over_a_later_folded_one():
    assert cpu('{"policyName":"a","POLICYNAME":"b"}').policy_name == "b"


def test_unknown_names_are_ignored_and_the_last_duplicate_wins():
    assert cpu('{"x":[{"y":1}],"policyName":"a","policyName":"b"}').policy_name == "b"


def test_duplicate_maps_merge_and_inner_ones_are_replaced():
    text = '{"entries":{"p":{"a":"1"},"q":{}},"entries":{"p":{"b":"2"}}}'
    assert cpu(text).entries == {"p": {"b": "2"}, "q": {}}


def test_duplicate_arrays_decode_into_the_old_elements():
    checkpoint = DeviceManagerCheckpoint()
    checkpoint.unmarshal(
        b'{"Data":{"PodDeviceEntries":[{"PodUID":"1"},{"PodUID":"2"}],'
        b'"PodDeviceEntries":[{"ContainerName":"c"}],'
        b'"PodDeviceEntries":[{},{}]}}'
    )
    assert [(e["PodUID"], e["ContainerName"]) for e in checkpoint.pod_device_entries] == [
        ("1", "c"),
        ("2", ""),
    ]


def test_an_empty_duplicate_array_forgets_the_old_elements():
    checkpoint = DeviceManagerCheckpoint()
    checkpoint.unmarshal(
        b'{"Data":{"PodDeviceEntries":[{"PodUID":"1"}],"PodDeviceEntries":[],'
        b'"PodDeviceEntries":[{}]}}'
    )
    assert [e["PodUID"] for e in checkpoint.pod_device_entries] == [""]


def test_decoding_goes_into_the_callers_object():
    checkpoint = cpu('{"policyName":"a","entries":{"p":{"c":"1"}}}')
    cpu('{"defaultCpuSet":"2","entries":{"q":null}}', checkpoint)
    assert checkpoint.policy_name == "a"
    assert checkpoint.entries == {"p": {"c": "1"}, "q": None}


def test_null():
    checkpoint = cpu('{"policyName":"a","checksum":5,"entries":{"p":{}}}')
    cpu('{"policyName":null,"checksum":null,"entries":null}', checkpoint)
    assert (checkpoint.policy_name, checkpoint.checksum) == ("a", 5)
    assert checkpoint.entries is None
    assert "Entries:(map[string]map[string]string)<nil>" in checkpoint.text()
    assert cpu("null") == CPUManagerCheckpoint()


def test_a_null_element_keeps_what_its_slot_held():
    checkpoint = MemoryManagerCheckpoint()
    checkpoint.unmarshal(b'{"machineState":{"0":{"cells":[4,5],"cells":[null,7,null]}}}')
    assert checkpoint.machine_state[0]["Cells"] == [4, 7, 0]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("1.0", "number 1.0"),
        ("1e2", "number 1e2"),
        ("-1", "number -1"),
        ("-0", "number -0"),
        ("18446744073709551616", "number 18446744073709551616"),
        ('"1"', "string"),
        ("true", "bool"),
        ("[]", "array"),
        ("{}", "object"),
    ],
)
def test_a_checksum_must_be_an_unsigned_integer_in_range(number, message):
    with pytest.raises(JSONTypeError) as caught:
        cpu(f'{{"checksum":{number}}}')
    assert str(caught.value) == (
        f"json: cannot unmarshal {message} into Go struct field "
        "CPUManagerCheckpoint.checksum of type checksum.Checksum"
    )


def test_the_largest_integers():
    assert cpu('{"checksum":18446744073709551615}').checksum == 2**64 - 1
    checkpoint = PodSandboxCheckpoint()
    checkpoint.unmarshal(b'{"data":{"port_mappings":[{"host_port":-2147483648}]}}')
    assert checkpoint.data["PortMappings"][0]["HostPort"] == -(2**31)
    with pytest.raises(JSONTypeError, match=r"number 2147483648 .* of type int32"):
        checkpoint.unmarshal(b'{"data":{"port_mappings":[{"host_port":2147483648}]}}')
    with pytest.raises(JSONTypeError):
        cpu('{"checksum":' + "9" * 5000 + "}")


def devices(keys):
    checkpoint = DeviceManagerCheckpoint()
    text = '{"Data":{"PodDeviceEntries":[{"DeviceIDs":{' + keys + "}}]}}"
    error = None
    try:
        checkpoint.unmarshal(text.encode())
    except JSONError as caught:
        error = str(caught)
    return checkpoint.pod_device_entries[0]["DeviceIDs"], error


def test_integer_map_keys_as_parseint_reads_them():
    assert devices('"+1":["a"],"01":["b"],"-2":[]') == ({1: ["b"], -2: []}, None)
    for key in ("1.0", "", " 1", "1_0", "0x1", "9223372036854775808", "\u0661"):
        found, error = devices(f'"{key}":["a"],"3":[]')
        assert found == {3: []}
        assert error == (
            f"json: cannot unmarshal number {key} into Go struct field "
            "PodDevicesEntry.Data.PodDeviceEntries.DeviceIDs of type int64"
        )


def test_the_first_mismatch_is_returned_while_decoding_goes_on():
    checkpoint = DeviceManagerCheckpoint()
    with pytest.raises(JSONTypeError) as caught:
        checkpoint.unmarshal(
            b'{"Data":{"PodDeviceEntries":[{"PodUID":"u","DeviceIDs":["a"],"ResourceName":5}],'
            b'"RegisteredDevices":{"r":["d"]}},"Checksum":9}'
        )
    assert str(caught.value) == (
        "json: cannot unmarshal array into Go struct field "
        "PodDevicesEntry.Data.PodDeviceEntries.DeviceIDs of type checkpoint.DevicesPerNUMA"
    )
    assert checkpoint.checksum == 9
    assert checkpoint.registered_devices == {"r": ["d"]}
    assert checkpoint.pod_device_entries[0]["PodUID"] == "u"


def test_a_later_mismatch_does_not_replace_the_first():
    with pytest.raises(JSONTypeError, match=r"number into .*\.policyName of type string$"):
        cpu('{"policyName":1,"defaultCpuSet":[],"entries":[],"checksum":{}}')
    checkpoint = DeviceManagerCheckpoint()
    with pytest.raises(JSONTypeError, match=r"bool into .*PodUID of type string$"):
        checkpoint.unmarshal(
            b'{"Data":{"PodDeviceEntries":[{"PodUID":true}],"RegisteredDevices":1,'
            b'"PodDeviceEntries":{}}}'
        )


def test_a_mismatch_outside_any_struct_field():
    with pytest.raises(JSONTypeError) as caught:
        cpu("[1]")
    assert str(caught.value) == (
        "json: cannot unmarshal array into Go value of type state.CPUManagerCheckpoint"
    )


def test_v2_entries_into_v1_and_back():
    with pytest.raises(JSONTypeError) as caught:
        cpu('{"entries":{"container":"1"}}')
    assert str(caught.value) == (
        "json: cannot unmarshal string into Go struct field "
        "CPUManagerCheckpoint.entries of type map[string]string"
    )


def test_bytes_that_are_not_utf8_and_lone_surrogates_become_replacement_characters():
    assert cpu(b'{"policyName":"a\xff\xe2\x82b"}').policy_name == "a\ufffd\ufffd\ufffdb"
    assert cpu(b'{"policyName":"\xed\xa0\x80"}').policy_name == "\ufffd" * 3
    assert cpu(r'{"policyName":"\ud800x\udc00\ud83d\ude00"}').policy_name == (
        "\ufffdx\ufffd\U0001f600"
    )
    assert cpu(r'{"policyName":"\ud800\ud83d\ude00"}').policy_name == "\ufffd\U0001f600"


def test_escapes():
    text = r'{"policyName":"\"\\\/\b\f\n\r\t\u0041\u00e9"}'
    assert cpu(text).policy_name == '"\\/\b\f\n\r\tA\u00e9'


def alloc_resp(text):
    checkpoint = DeviceManagerCheckpoint()
    checkpoint.unmarshal(b'{"Data":{"PodDeviceEntries":[{"AllocResp":' + text + b"}]}}")
    return checkpoint.pod_device_entries[0]["AllocResp"]


def test_byte_slices():
    assert alloc_resp(b'"CgA="') == b"\n\x00"
    assert alloc_resp(b'"C\\ng\\r\\nA="') == b"\n\x00"
    assert alloc_resp(b'"CgB="') == b"\n\x00"  # stray bits are dropped, as Go does
    assert alloc_resp(b'""') == b""
    assert alloc_resp(b"null") is None
    assert alloc_resp(b"[10,255,null]") == b"\n\xff\x00"


@pytest.mark.parametrize(
    ("text", "at"),
    [("C", 0), ("CgA", 0), ("Cg=x", 2), ("C===", 1), ("CgA=x", 4), ("Cg==CgA=", 4), ("C*==", 1)],
)
def test_bad_base64(text, at):
    with pytest.raises(JSONValueError, match=rf"illegal base64 data at input byte {at}$"):
        alloc_resp(f'"{text}"'.encode())


def test_a_cpu_set_that_does_not_parse_ends_the_decoding():
    checkpoint = CPUManagerCheckpointV3()
    with pytest.raises(JSONValueError, match=r'strconv.Atoi: parsing "x": invalid syntax'):
        checkpoint.unmarshal(b'{"podEntries":{"p":{"cpuSet":"x"}},"policyName":"late"}')
    assert checkpoint.policy_name == ""
