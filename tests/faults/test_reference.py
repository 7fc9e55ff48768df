"""The reference keeps every promise under every fault, exhaustively where that is small.

And a kubelet's protocol shows exactly the weaknesses that its source has.
"""

import os

import pytest

from harness.guarantees import INJECTED
from harness.history import record
from harness.injected import Amount
from harness.injecting import inject
from harness.intercept import rerouted
from harness.ops import Workload, write
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.runner import Plan, check
from harness.subjects import load
from harness.workloads import value_of

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

FULL = os.environ.get("HARNESS_FULL") == "1"
MODELS = tuple(PROFILES.values())
SMALL = Workload("overwrite", (write("a", b"2"),), (write("a", b"1"),))
TWO = Workload("overwrite", (write("a", value_of(3, 700)),), (write("a", b"old"), write("b", b"x")))


def injected(name, workload, guarantees, faults):
    with rerouted(), quiet():
        return inject(record(load(name), workload), MODELS, frozenset(guarantees), Amount(faults))


def test_every_failing_call_and_every_full_disk_leaves_the_reference_right():
    result = injected("harness.reference.subjects:hardened", TWO, ["clean-failure"], 5000)
    assert not result.candidates
    coverage = result.coverage["clean-failure"]
    assert coverage.exhaustive
    assert coverage.faults > 150
    assert coverage.states > 500


def test_every_bit_cut_and_range_of_a_small_checkpoint_is_told():
    result = injected("harness.reference.subjects:hardened", SMALL, ["integrity"], 20_000)
    assert not result.candidates
    coverage = result.coverage["integrity"]
    assert coverage.exhaustive
    assert coverage.faults == coverage.possible > 8000


def test_repetition_leaves_nothing_behind_in_the_reference():
    result = injected("harness.reference.subjects:hardened", TWO, ["hygiene"], 5000)
    assert not result.candidates
    assert result.coverage["hygiene"].faults > 20


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (
            "kubelet",
            {("integrity", "altered"), ("integrity", "foreign"), ("hygiene", "file-leak")},
        ),
        (
            "kubelet_filestore",
            {("integrity", "altered"), ("integrity", "foreign"), ("hygiene", "file-leak")},
        ),
        ("filestore", set()),
    ],
)
def test_a_kubelets_weaknesses_are_found_and_no_others(name, kinds):
    plan = Plan(
        subject=f"harness.reference.subjects:{name}",
        profiles=("kill", "ext4"),
        guarantees=INJECTED,
        effort="quick",
    )
    report = check(plan).report
    assert {(one.guarantee, one.kind) for one in report.findings} == kinds
    assert len(report.findings) == len(kinds)
    for verdict in report.verdicts:
        broken = {guarantee for guarantee, _ in kinds}
        assert verdict.verdict == ("violated" if verdict.guarantee in broken else "held")
        assert verdict.faults > 0


@pytest.mark.skipif(not FULL, reason="every guarantee, at default effort: HARNESS_FULL=1")
@pytest.mark.parametrize("name", ["kubelet", "kubelet_filestore"])
def test_at_default_effort_a_kubelets_protocol_breaks_these_guarantees_and_no_other(name):
    report = check(Plan(subject=f"harness.reference.subjects:{name}")).report
    found = {verdict.guarantee for verdict in report.verdicts if verdict.verdict == "violated"}
    assert found == {"durability", "integrity", "hygiene"}
    assert {(one.guarantee, one.kind) for one in report.findings} == {
        ("durability", "lost"),  # no sync of the directory
        ("integrity", "altered"),  # no checksum of the bytes, or one whose key can be damaged away
        ("integrity", "foreign"),  # another key's file is as good
        ("hygiene", "file-leak"),  # temporary files of dead writers
    }
    for verdict in report.verdicts:
        if verdict.guarantee == "isolation" and verdict.profile != "kill":
            # What a power cut takes of a single writer is not held against several.
            assert verdict.verdict == "inconclusive", verdict
            assert "with each writer alone already" in verdict.note
        elif verdict.guarantee not in found or verdict.profile == "kill":
            held = verdict.guarantee not in ("integrity", "hygiene")
            assert verdict.verdict == ("held" if held else "violated"), verdict
