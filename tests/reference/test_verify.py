"""harness verify: kind, version, verdict, both checksums, and the exit code."""

import json
from pathlib import Path

import msgspec
import pytest

from harness.reference.envelope import wrap
from harness.reference.filestore import FileStore
from harness.reference.verify import exit_code, verify_bytes, verify_file, verify_paths

VECTORS = {
    v["name"]: v["json"].encode()
    for v in json.loads((Path(__file__).parent / "vectors.json").read_text())
}
REAL = VECTORS["real cpu_manager_state 0,14-27"]


def verdict(data, mode="kubelet", path=""):
    return verify_bytes(data, mode, path)


def test_a_good_file():
    found = verdict(REAL)
    assert (found.kind, found.version, found.verdict) == ("cpu", "v2", "ok")
    assert found.stored == found.computed == 1954249489


def test_a_changed_file_gives_both_sums():
    found = verdict(REAL.replace(b"14-27", b"14-28"))
    assert found.verdict == "corrupt"
    assert found.stored == 1954249489 != found.computed
    assert f"stored is 1954249489, its content has {found.computed}" in found.explanation


def test_an_old_tail_behind_a_new_body():
    found = verdict(REAL + b'"old":1}')
    assert (found.verdict, found.kind) == ("corrupt", "cpu")
    assert found.explanation == "invalid character '\"' after top-level value"


@pytest.mark.parametrize(
    "data", [REAL.replace(b"checksum", b"chexsum"), REAL.replace(b"1954249489", b"0")]
)
def test_a_missing_or_zero_checksum(data):
    found = verdict(data)
    assert found.verdict == "ok"
    assert "unchecked" in found.explanation
    assert verdict(data, "strict").verdict == "corrupt"


@pytest.mark.parametrize("name", ["cpu_manager_state", "memory_manager_state", "dra_manager_state"])
@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"{", b"[]", b'"x"', b"garbage"])
def test_under_a_known_name_anything_unreadable_is_damage(name, data):
    found = verdict(data, path=f"/var/lib/kubelet/{name}")
    assert found.verdict == "corrupt"
    assert found.kind == name.split("_", maxsplit=1)[0]


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"{", b"{}", b"[1]", b"text", b'{"data":{"a":1}}', b'{"version":1}']
)
def test_under_another_name_it_is_not_a_checkpoint(data):
    assert verdict(data).verdict == "not-a-checkpoint"


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_every_cut_file_of_some_length_is_damage_of_its_kind(name):
    blob = VECTORS[name]
    whole = verdict(blob)
    for size in {30, len(blob) // 2, len(blob) - 1}:
        found = verdict(blob[:size])
        assert found.verdict == "corrupt", (name, size)
        # All that the first bytes of a memory file say is shared with a CPU file.
        if size > len(blob) // 2:
            assert found.kind == whole.kind
        # The second where it was cut within a literal or an escape.
        assert found.explanation.startswith(
            ("unexpected end of JSON input", "invalid character ' ' in ")
        )


def test_dockershim_null_data_is_a_panic():
    blob = b'{"version":"v1","name":"n","namespace":"ns","data":null,"checksum":1}'
    found = verdict(blob)
    assert (found.verdict, found.kind) == ("corrupt", "sandbox")
    assert "a kubelet panics" in found.explanation


def test_an_empty_dra_file_passes_a_kubelet_and_not_the_strict_mode():
    blob = b'{"Data":"","Checksum":0}'
    assert verdict(blob, path="dra_manager_state").verdict == "ok"
    assert verdict(blob, "strict", "dra_manager_state").verdict == "corrupt"


def test_files_of_a_hardened_store(tmp_path):
    store = FileStore(str(tmp_path))
    store.write("cpu_manager_state", REAL)
    store.write("raw", b"bytes")
    good, raw = verify_paths([str(tmp_path / "cpu_manager_state"), str(tmp_path / "raw")])
    assert (good.kind, good.version, good.verdict, good.envelope) == ("cpu", "v2", "ok", True)
    assert (raw.kind, raw.verdict, raw.stored == raw.computed) == ("value", "ok", True)
    (tmp_path / "cpu_manager_state").rename(tmp_path / "other")
    swapped = verify_file(str(tmp_path / "other"))
    assert swapped.verdict == "corrupt"
    assert "another key" in swapped.explanation
    blob = wrap("raw", b"bytes")
    for bad in (blob[:-1], blob + b"x", blob[:-1] + b"X", blob[:5], b"\0" + blob[1:]):
        found = verdict(bad, path="raw")
        assert (found.verdict, found.envelope) == ("corrupt", True)
    inner = wrap("cpu_manager_state", REAL.replace(b"14-27", b"14-28"))
    assert verdict(inner, path="cpu_manager_state").verdict == "corrupt"


def test_paths_that_cannot_be_read_say_so(tmp_path):
    found = verify_paths([str(tmp_path), str(tmp_path / "missing"), "a\0b"])
    assert [v.verdict for v in found] == ["not-a-checkpoint"] * 3
    assert found[0].explanation == "is a directory; name the checkpoint files in it"
    assert found[1].explanation == "cannot be read: No such file or directory"


def test_exit_codes():
    good, bad, other = verdict(REAL), verdict(REAL[:50]), verdict(b"")
    assert exit_code([good]) == 0
    assert exit_code([good, bad, other]) == 1
    assert exit_code([good, other]) == 2
    assert exit_code([]) == 0


def test_verdicts_render_to_json():
    document = json.loads(msgspec.json.encode(verdict(REAL, path="x")))
    assert document == {
        "path": "x",
        "verdict": "ok",
        "explanation": "the checksum matches",
        "kind": "cpu",
        "version": "v2",
        "stored": 1954249489,
        "computed": 1954249489,
        "envelope": False,
    }
