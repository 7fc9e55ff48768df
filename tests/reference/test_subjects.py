"""The factories that the harness calls."""

import pytest

from harness.reference.subjects import filestore, hardened, kubelet, kubelet_filestore

VALUES = [b"", b"\0", b"a", b"\xff" * 511, bytes(range(256)) * 400]


@pytest.mark.parametrize("factory", [hardened, kubelet], ids=lambda f: f.__name__)
def test_managers_carry_any_bytes_in_a_real_checkpoint(factory, tmp_path):
    manager = factory(str(tmp_path / "store"))
    codec = factory.checkpoint
    for value in VALUES:
        manager.create_checkpoint("key", codec.encode(value))
        found = codec.empty()
        factory(str(tmp_path / "store")).get_checkpoint("key", found)
        assert codec.decode(found) == value
        assert found.policy_name == "static"
    manager.remove_checkpoint("key")
    with pytest.raises(factory.not_found):
        manager.get_checkpoint("key", codec.empty())


@pytest.mark.parametrize("factory", [filestore, kubelet_filestore], ids=lambda f: f.__name__)
def test_stores(factory, tmp_path):
    store = factory(str(tmp_path / "store"))
    for value in VALUES:
        store.write("key", value)
        assert factory(str(tmp_path / "store")).read("key") == value
    store.delete("key")
    with pytest.raises(factory.not_found):
        store.read("key")
    assert not hasattr(factory, "checkpoint")


def test_an_altered_state_that_a_kubelet_accepts_is_no_value_and_no_error(tmp_path):
    manager = kubelet(str(tmp_path))
    codec = kubelet.checkpoint
    manager.create_checkpoint("key", codec.encode(b"value"))
    blob = (tmp_path / "key").read_bytes()
    cut = blob[: blob.index(b'"entries"')] + b'"' + blob[blob.index(b"sum") :]
    (tmp_path / "key").write_bytes(cut)
    found = codec.empty()
    manager.get_checkpoint("key", found)
    assert codec.decode(found).startswith(b"altered state: ")


@pytest.mark.parametrize(
    "change",
    [
        {"PolicyName": "none"},
        {"DefaultCPUSet": "1"},
        {"Entries": None},
        {"Entries": {}},
        {"Entries": {"pod": None}},
        {"Entries": {"pod": {}}},
        {"Entries": {"pod": {"container": "*"}}},
        {"Entries": {"pod": {"container": "", "d": ""}}},
        {"Entries": {"pod": {"container": ""}, "q": {}}},
    ],
)
def test_every_alteration_is_told_from_every_value(change):
    codec = hardened.checkpoint
    checkpoint = codec.encode(b"")
    assert codec.decode(checkpoint) == b""
    checkpoint.value.update(change)
    assert codec.decode(checkpoint).startswith(b"altered state: ")


def test_names():
    assert repr(hardened) == "harness.reference.subjects:hardened"
    assert hardened.__doc__
