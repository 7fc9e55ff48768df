"""A store that declares `sync` is held to what its sync said, and to no more than that."""

from pathlib import Path

import pytest

from harness.history import record
from harness.hygiene import parse_repeated
from harness.intercept import rerouted
from harness.ops import Workload, write
from harness.quiet import quiet
from harness.runner import Plan, check
from harness.subjects import load

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

STORE = f"{Path(__file__).parent / 'write_back.py'}:"


def checked(name, guarantee, *faults, profiles=("kill", "posix")):
    plan = Plan(
        subject=STORE + name,
        guarantees=(guarantee,),
        profiles=profiles,
        faults=faults,
        effort="quick",
    )
    return check(plan).report


def test_what_a_shutdown_that_raised_was_to_save_may_be_old_or_new():
    report = checked("correct", "clean-failure")
    assert report.findings == []
    assert {one.verdict for one in report.verdicts} == {"held"}


@pytest.mark.parametrize("fault", [(), ('write "*tmp" #1: ENOSPC, once',)])
def test_a_sync_that_says_saved_and_is_not_is_found_by_few_faults_too(fault):
    found = checked("swallows", "clean-failure", *fault).findings
    assert found
    assert {one.kind for one in found} == {"false-ack"}
    assert all("sync() is acknowledged all the same" in one.summary for one in found)


def test_the_power_shows_a_false_sync_by_the_same_name():
    # The rename was done, its directory never synced: a new process sees nothing wrong.
    fault = 'fsync "store" #1: EIO, once'
    (found,) = checked("swallows", "clean-failure", fault, profiles=("posix",)).findings
    assert found.kind == "false-ack"
    assert "after a power cut (posix)" in found.observed


def test_a_write_that_raised_does_not_excuse_what_others_were_told():
    found = checked("forgets", "clean-failure").findings
    assert "not-clean" in {one.kind for one in found}


def test_what_a_sync_leaves_behind_is_repeated_with_the_change_before_it():
    (found,) = checked("leaks", "hygiene", profiles=("posix",)).findings
    assert found.kind == "file-leak"
    assert "open(temporary" in found.summary
    assert found.fault["operation"] == "write('a', b'i'), sync()"
    right = checked("correct", "hygiene", profiles=("posix",))
    assert right.findings == []
    assert [one.verdict for one in right.verdicts] == ["held"]


@pytest.mark.parametrize("store", ["threaded", "answered"])
def test_a_kill_in_a_thread_ends_the_sync_that_waits_for_it(store):
    # Nothing else would wake the one that waits: the check would never end.
    with rerouted(), quiet():
        recording = record(load(STORE + store), Workload("overwrite", (write("a", b"1"),)))
        assert parse_repeated("repeat operation 0: * #2: killed").strikes(recording)


def test_a_store_that_waits_for_a_thread_is_exercised():
    report = checked("answered", "hygiene", profiles=("posix",))
    assert report.findings == []
    assert [one.verdict for one in report.verdicts] == ["held"]
