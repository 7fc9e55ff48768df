"""CheckpointManager: order of work, errors, and what a failed get leaves behind."""

import os

import pytest

from harness.reference.cpu import CPUManagerCheckpoint
from harness.reference.errors import (
    CheckpointNotFoundError,
    CorruptCheckpointError,
    InvalidKeyError,
    ListError,
)
from harness.reference.filestore import FileStore
from harness.reference.manager import CheckpointManager

GOOD = (
    b'{"policyName":"static","defaultCpuSet":"0,14-27","entries":'
    b'{"c0c5c4b3-3f63-4677-ba68-52da74012371":{"app":"1-13"}},"checksum":1954249489}'
)


@pytest.fixture(params=["hardened", "kubelet"])
def manager(request, tmp_path):
    return CheckpointManager(str(tmp_path / "state"), request.param)


def good():
    checkpoint = CPUManagerCheckpoint()
    checkpoint.unmarshal(GOOD)
    return checkpoint


def test_create_get_list_remove(manager):
    assert manager.list_checkpoints() == []
    manager.create_checkpoint("cpu_manager_state", good())
    assert manager.list_checkpoints() == ["cpu_manager_state"]
    found = CPUManagerCheckpoint()
    manager.get_checkpoint("cpu_manager_state", found)
    assert found == good()
    manager.remove_checkpoint("cpu_manager_state")
    manager.remove_checkpoint("cpu_manager_state")
    assert manager.list_checkpoints() == []


def test_not_found(manager):
    with pytest.raises(CheckpointNotFoundError) as caught:
        manager.get_checkpoint("a", CPUManagerCheckpoint())
    assert str(caught.value) == "checkpoint is not found"
    assert isinstance(caught.value, KeyError)


def test_invalid_key(manager):
    with pytest.raises(InvalidKeyError, match=r'^invalid key: "a/b"$'):
        manager.create_checkpoint("a/b", good())


def test_list_failing(manager):
    os.rmdir(manager.store.directory)
    with pytest.raises(ListError, match=r"^failed to list checkpoint store: "):
        manager.list_checkpoints()


def test_a_kubelets_bytes_are_on_disk_in_kubelet_mode_only(tmp_path):
    CheckpointManager(str(tmp_path), "kubelet").create_checkpoint("k", good())
    assert (tmp_path / "k").read_bytes() == GOOD
    CheckpointManager(str(tmp_path)).create_checkpoint("k", good())
    assert (tmp_path / "k").read_bytes().endswith(GOOD)
    assert (tmp_path / "k").read_bytes() != GOOD


@pytest.mark.parametrize(
    "blob",
    [
        GOOD.replace(b"1954249489", b"1954249488"),
        GOOD.replace(b'"0,14-27"', b"5"),
        GOOD.replace(b"14-27", b"14-28"),
    ],
)
def test_a_failed_get_leaves_the_object_filled_by_a_kubelet_and_untouched_when_hardened(
    manager, blob
):
    FileStore(manager.store.directory, manager.mode).write("k", blob)
    checkpoint = CPUManagerCheckpoint()
    checkpoint.policy_name = "before"
    with pytest.raises((CorruptCheckpointError, ValueError)):
        manager.get_checkpoint("k", checkpoint)
    if manager.mode == "kubelet":
        assert checkpoint.policy_name == "static"
        assert checkpoint.entries
    else:
        untouched = CPUManagerCheckpoint()
        untouched.policy_name = "before"
        assert checkpoint == untouched


@pytest.mark.parametrize(
    "blob", [GOOD.replace(b"checksum", b"chexsum"), GOOD.replace(b":1954249489", b":0")]
)
def test_a_missing_or_zero_checksum(manager, blob):
    manager.store.write("k", blob)
    checkpoint = CPUManagerCheckpoint()
    if manager.mode == "kubelet":
        manager.get_checkpoint("k", checkpoint)
        assert checkpoint.entries
    else:
        with pytest.raises(CorruptCheckpointError) as caught:
            manager.get_checkpoint("k", checkpoint)
        assert (caught.value.actual, caught.value.expected) == (1954249489, 0)


def test_what_the_object_held_before_is_merged_by_a_kubelet_only(manager):
    manager.create_checkpoint("k", good())
    checkpoint = CPUManagerCheckpoint()
    checkpoint.entries = {"stale": {}}
    if manager.mode == "kubelet":
        with pytest.raises(CorruptCheckpointError):
            manager.get_checkpoint("k", checkpoint)
    else:
        manager.get_checkpoint("k", checkpoint)
        assert checkpoint == good()


class Foreign:
    """A checkpoint somebody else wrote: the three methods and nothing else."""

    def __init__(self, data=b""):
        self.data = data
        self.calls = []

    def marshal(self):
        return self.data

    def unmarshal(self, blob):
        self.calls.append("unmarshal")
        self.data = blob
        if blob == b"unreadable":
            raise RuntimeError("no")

    def verify_checksum(self):
        self.calls.append("verify")
        if self.data == b"bad":
            raise CorruptCheckpointError(1, 2)


def test_any_object_with_the_three_methods_will_do(manager):
    manager.create_checkpoint("k", Foreign(b"value"))
    checkpoint = Foreign()
    manager.get_checkpoint("k", checkpoint)
    assert checkpoint.data == b"value"
    assert checkpoint.calls == ["unmarshal", "verify"]


@pytest.mark.parametrize(
    ("data", "error"), [(b"bad", CorruptCheckpointError), (b"unreadable", RuntimeError)]
)
def test_a_foreign_object_is_untouched_by_a_failed_get_when_hardened(manager, data, error):
    manager.create_checkpoint("k", Foreign(data))
    checkpoint = Foreign(b"before")
    with pytest.raises(error):
        manager.get_checkpoint("k", checkpoint)
    assert checkpoint.data == (data if manager.mode == "kubelet" else b"before")


def test_errors_of_marshal_come_unchanged_and_store_nothing(manager):
    class Broken(Foreign):
        def marshal(self):
            raise RuntimeError("cannot")

    with pytest.raises(RuntimeError, match=r"^cannot$"):
        manager.create_checkpoint("k", Broken())
    assert manager.list_checkpoints() == []


def test_the_lock_is_free_after_an_error(manager):
    with pytest.raises(CheckpointNotFoundError):
        manager.get_checkpoint("a", Foreign())
    assert manager._lock.acquire(blocking=False)
