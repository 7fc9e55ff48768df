"""Two faults at once: a call fails and then the power, or the power and then a call in recovery."""

import os
import re
from pathlib import Path

import pytest

from harness.coverage import Coverage
from harness.finding import load_reproduction
from harness.history import record
from harness.injected import Amount
from harness.injecting import inject, inject_in_recovery
from harness.intercept import rerouted
from harness.ops import Workload, delete, write
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.runner import Plan, check
from harness.subjects import load
from scenarios.zoo._base import EVERY

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

REFERENCE = "harness.reference.subjects:hardened"
MODELS = tuple(PROFILES.values())
FULL = os.environ.get("HARNESS_FULL") == "1"

# An orphan of a write makes the reference's recovery do something.
PAIRS = [
    Workload("overwrite", (write("a", b"2"),), (write("a", b"1"),)),
    Workload("delete", (delete("a"),), (write("a", b"1"), write("b", b"2"))),
]

FAULTS_LEAST = {"overwrite": 150, "delete": 100}
"""Faults that there are at the least: a run in which fewer fired left some out."""


def checked(name, fault, profiles=("ext4",)):
    plan = Plan(subject=name, faults=(fault,), profiles=profiles, effort="quick")
    return check(plan)


ROLLBACK = "fsync #4: EIO, once"
DROPPED = "in recovery: read #1: EIO, once"


@pytest.mark.parametrize(
    ("bug", "fault", "guarantee", "kind", "shown"),
    [
        ("rollback_in_place", ROLLBACK, "clean-failure", "not-clean", f"{ROLLBACK}; power cut "),
        ("journal_dropped_on_error", DROPPED, "recovery", "fault-in-recovery", f"; {DROPPED}"),
    ],
)
def test_a_pair_of_faults_shows_what_neither_does(bug, fault, guarantee, kind, shown):
    profiles = EVERY if FULL else ("kill", "ext4")
    outcome = checked(f"scenarios.zoo.{bug}:broken", fault, profiles)
    assert {one.guarantee for one in outcome.report.findings} == {guarantee}
    finding = outcome.report.findings[0]
    assert finding.kind == kind
    assert finding.replays == "10/10"
    assert set(finding.profiles) == set(profiles)
    # The text says both, and can be typed.
    text = finding.fault["fault"]
    assert shown in text
    again = checked(f"scenarios.zoo.{bug}:broken", text)
    assert [one.kind for one in again.report.findings] == [kind]
    assert load_reproduction(outcome.repros[finding.id], finding.id).fault == text
    # The twin meets the same pair and keeps its promise.
    twin = checked(f"scenarios.zoo.{bug}:fixed", fault, profiles)
    assert twin.report.findings == []
    assert {one.verdict for one in twin.report.verdicts} == {"held"}
    assert all(one.faults for one in twin.report.verdicts)


@pytest.mark.parametrize("workload", PAIRS, ids=lambda one: one.name)
def test_every_fault_in_the_recovery_of_every_crash_leaves_the_reference_right(workload):
    coverage = {model.name: Coverage(workloads=1) for model in MODELS}
    with rerouted(), quiet():
        recording = record(load(REFERENCE), workload)
        amount = Amount(5000, compound=1 << 20)
        result = inject_in_recovery(recording, MODELS, amount, coverage)
    assert result.candidates == []
    for one in coverage.values():
        assert one.in_recovery_exhaustive
        assert one.in_recovery > 100


@pytest.mark.parametrize("workload", PAIRS if FULL else PAIRS[:1], ids=lambda one: one.name)
def test_a_power_cut_at_every_moment_after_every_failure_leaves_the_reference_right(workload):
    models = MODELS if FULL else (PROFILES["kill"], PROFILES["btrfs"])
    with rerouted(), quiet():
        recording = record(load(REFERENCE), workload)
        amount = Amount(5000, compound=1 << 20)
        result = inject(recording, models, frozenset({"clean-failure"}), amount)
    assert result.candidates == []
    coverage = result.coverage["clean-failure"]
    assert coverage.exhaustive
    assert coverage.faults > FAULTS_LEAST[workload.name]
    assert coverage.states > 500


def test_a_store_that_is_torn_without_any_fault_is_not_blamed_on_one():
    outcome = checked("scenarios.zoo.truncate_in_place:broken", "open #3: EMFILE, once")
    assert outcome.report.findings == []


def test_a_process_that_dies_after_a_failed_sync_loses_nothing_that_memory_holds():
    """The pages are marked clean, not gone: only a power cut shows what the disk never got."""
    outcome = checked("scenarios.zoo.fsync_retried:broken", "fsync #2: EIO, once", ("kill", "ext4"))
    assert {name for one in outcome.report.findings for name in one.profiles} == {"ext4"}


EARLY = f"{Path(__file__).parent / 'settled_early.py'}:open_store"
FIRST = Workload("first-write", (write("a", b"1"),))


def test_a_process_dies_and_a_call_of_the_next_one_fails():
    """A directory that a dead process made is not durable, and the next one's sync of it fails."""
    amount = Amount(2000, compound=100)
    clean = frozenset({"clean-failure"})
    with rerouted(), quiet():
        (one,) = inject(record(load(EARLY), FIRST), MODELS, clean, amount).candidates
        sound = inject(record(load(REFERENCE), FIRST), MODELS, clean, amount)
    text = one.reproduction.fault
    # The sync of the parent, or the open that it needs: what follows is the same.
    assert re.fullmatch(r"killed after call \d; afterwards: (open #3|fsync #1): EIO, once", text)
    assert set(one.profiles) == {"btrfs", "posix"}
    assert sound.candidates == []
    assert sound.coverage["clean-failure"].faults > 200
    # The text can be typed, shows it again, and is a finding that replays.
    outcome = checked(EARLY, text, ("btrfs",))
    (finding,) = outcome.report.findings
    assert (finding.kind, finding.replays) == (one.kind, "10/10")
    assert checked(REFERENCE, text, ("btrfs",)).report.findings == []
