"""Faults that are drawn: each fires, every kind comes up, and a bug that takes two is found."""

import hypothesis
import pytest
from hypothesis import strategies as st

from harness.given import give
from harness.history import record
from harness.injected import Amount
from harness.injecting import inject
from harness.intercept import rerouted
from harness.meeting import Meeting
from harness.ops import Workload, write
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.strategies import Drawn
from harness.subjects import load
from harness.workloads import SeededChooser
from scenarios._draws import PHASES
from scenarios.zoo.failed_cut_trusted import BUG

MODELS = tuple(PROFILES.values())
EXT4 = (PROFILES["ext4"],)
WORKLOAD = Workload("drawn", (write("a", b"12"),), (write("a", b"1"), write("b", b"x")))


def drawn(subject, guarantee, count):
    with rerouted(), quiet():
        meeting = Meeting(record(load(subject), WORKLOAD), MODELS)
        return [
            meeting.compose(SeededChooser(f"fault/{number}"), guarantee) for number in range(count)
        ]


@pytest.mark.parametrize(
    ("guarantee", "kinds"),
    [
        ("clean-failure", {"; then ", "killed after", "disk: full", "until cleared"}),
        ("recovery", {"; then ", "in recovery: "}),
        ("hygiene", {": power cut", ": killed", "; then ", "listed backwards"}),
    ],
)
def test_every_kind_comes_up_and_is_the_same_again(guarantee, kinds):
    subject = "scenarios.zoo.orphans_never_swept:fixed"
    found = drawn(subject, guarantee, 60)
    assert found == drawn(subject, guarantee, 60)
    assert {give(text).guarantee for text in found} == {guarantee}
    for kind in kinds:
        assert any(kind in text for text in found), kind
    assert len(set(found)) > 20


PAIRED = "scenarios.zoo.failed_cut_trusted"
PAIR = "fsync #2: EIO, once; then ftruncate #1: EIO, once"
FIRST = Workload("drawn", (write("a", b"1"),))
CLEAN = frozenset({"clean-failure"})


def shown(recording, fault, models):
    """Whether a fault shows a mistake, and under which of the models."""
    amount = Amount(300, 200, only=(fault,))
    found = inject(recording, models, CLEAN, amount).candidates
    return {name for one in found for name in one.profiles}


@pytest.mark.parametrize("which", ["broken", "fixed"])
def test_a_bug_that_takes_two_failures_is_found_by_the_pair_and_by_neither(which):
    with rerouted(), quiet():
        recording = record(load(f"{PAIRED}:{which}"), FIRST)
        for fault in (*PAIR.split("; then "), PAIR):
            expected = BUG.profiles if which == "broken" and fault == PAIR else ()
            assert shown(recording, fault, MODELS) == set(expected), fault
    assert set(BUG.profiles) | set(BUG.held) | {"btrfs"} == {model.name for model in MODELS}


def test_hypothesis_draws_that_pair_and_shrinks_to_it():
    with rerouted(), quiet():
        recording = record(load(f"{PAIRED}:broken"), FIRST)
        meeting = Meeting(recording, EXT4)
    last = []

    @hypothesis.seed(0)
    @hypothesis.settings(
        max_examples=200,
        phases=PHASES,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.data())
    def holds(data):
        with quiet():
            fault = meeting.compose(Drawn(data.draw), "clean-failure")
            broken = shown(recording, fault, EXT4)
        if broken:
            last[:] = [fault]
        assert not broken

    with rerouted(), pytest.raises(AssertionError):  # once, not for each example
        holds()
    assert last == [PAIR]
