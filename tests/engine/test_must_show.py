"""What the harness must show: the reference holds, and each step taken out of it is missed.

Also the answers of real filesystems to a replace without a sync, on stores of the zoo.
"""

import os
from functools import cache
from pathlib import Path

import pytest

from harness.examination import Examination
from harness.explore import Explorer
from harness.history import record
from harness.intercept import rerouted
from harness.ops import Workload, write
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.recovery import Prober
from harness.reference import hardened_files
from harness.runner import REFERENCE, Plan, check
from harness.subjects import load
from harness.unit import Depth, run_unit
from harness.workloads import value_of

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

FULL = os.environ.get("HARNESS_FULL") == "1"
CRASHES = ("atomicity", "durability", "recovery", "listing")
THREE = ("kill", "ordered", "posix")

WEAKENED = Path(__file__).parent / "weakened.py"
STORE = "harness/reference/hardened_files.py"


@cache
def checked(name, profiles=THREE):
    subject = name if ":" in name else f"{WEAKENED}:{name}"
    return check(Plan(subject=subject, profiles=profiles, guarantees=CRASHES, effort="quick"))


def verdict(outcome, guarantee, profile):
    (one,) = (
        v for v in outcome.report.verdicts if (v.guarantee, v.profile) == (guarantee, profile)
    )
    return one.verdict


def broken(outcome):
    """The pairs of guarantee and profile that are violated."""
    return {(v.guarantee, v.profile) for v in outcome.report.verdicts if v.verdict != "held"}


def line_of(text):
    lines = Path(hardened_files.__file__).read_text().splitlines()
    (number,) = (n for n, line in enumerate(lines, 1) if text in line)
    return number


def test_the_reference_holds_every_promise_and_each_was_exercised():
    outcome = checked(REFERENCE, tuple(PROFILES) if FULL else THREE)
    assert broken(outcome) == set()
    assert outcome.report.findings == []
    assert outcome.exit_code() == 0
    for one in outcome.report.verdicts:
        assert one.faults > 0
        assert one.crash_states > one.workloads


def test_without_the_directory_sync_renames_are_lost_in_power_cuts_and_only_there():
    outcome = checked("no_directory_sync")
    assert broken(outcome) == {("durability", "ordered"), ("durability", "posix")}
    assert outcome.exit_code() == 1
    rename = line_of("os.rename(temporary")
    for finding in outcome.report.findings:
        assert (finding.guarantee, finding.kind) == ("durability", "lost")
        assert (finding.culprit.file, finding.culprit.line) == (STORE, rename)
        assert finding.culprit.source == "os.rename(temporary, self._prefix + key)"


def test_without_the_file_sync_the_name_comes_before_the_bytes_under_posix_only():
    outcome = checked("no_file_sync")
    assert ("atomicity", "posix") in broken(outcome)
    assert broken(outcome) <= {("atomicity", "posix"), ("durability", "posix")}
    rename = line_of("os.rename(temporary")
    (torn,) = (f for f in outcome.report.findings if f.guarantee == "atomicity")
    assert (torn.culprit.file, torn.culprit.line) == (STORE, rename)


def test_truncating_the_live_file_breaks_atomicity_wherever_one_looks():
    outcome = checked("in_place")
    assert {profile for guarantee, profile in broken(outcome) if guarantee == "atomicity"} == set(
        THREE
    )
    (torn,) = (f for f in outcome.report.findings if f.guarantee == "atomicity")
    assert torn.culprit.line == line_of("temporary, fd = self._create()")


def judged(subject, workload, profile, guarantee):
    """What is seen of one workload under one profile."""
    found = run_unit(
        load(subject),
        workload,
        (PROFILES[profile],),
        frozenset({guarantee}),
        Depth(budget=4000, mixed=False),
        seed=0,
    )
    assert not found.errors
    return found.candidates


OLD, NEW = value_of(1, 3000), value_of(2, 3000)
REPLACE = Workload("replace", (write("a", NEW),), (write("a", OLD), write("b", OLD)))

BARE = '''
import os

class Bare:
    """Replaces by rename without a sync of the file; bytes as they are."""

    fresh = False

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.sync(os.path.dirname(directory))

    def sync(self, path):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def names(self, key):
        return sorted(n for n in os.listdir(self.directory) if n.partition("@")[0] == key)

    def write(self, key, value):
        old = self.names(key)
        with open(self.directory + "/.tmp", "wb") as file:
            file.write(value)
        name = f"{key}@"
        if self.fresh:
            name += f"{int(old[-1][-4:]) + 1 if old else 0:04d}"
        os.rename(self.directory + "/.tmp", self.directory + "/" + name)
        self.sync(self.directory)
        if self.fresh:
            for one in old:
                os.unlink(self.directory + "/" + one)

    def read(self, key):
        names = self.names(key)
        if not names:
            raise KeyError(key)
        with open(self.directory + "/" + names[-1], "rb") as file:
            return file.read()

    def delete(self, key):
        for name in self.names(key):
            os.unlink(self.directory + "/" + name)
        self.sync(self.directory)

    def list(self):
        return {n.partition("@")[0] for n in os.listdir(self.directory) if n[0] != "."}

class Fresh(Bare):
    fresh = True
'''


@pytest.fixture
def bare(tmp_path):
    path = tmp_path / "bare.py"
    path.write_text(BARE)
    return path


@pytest.mark.parametrize(
    ("profile", "reads"),
    [
        ("kill", None),
        ("ordered", None),
        ("ext4-dioread-lock", None),
        ("ext4", "3000 zero bytes"),
        ("xfs", "b''"),
        ("btrfs", "b''"),
    ],
)
def test_a_replace_without_a_sync_reads_as_that_filesystem_leaves_it(bare, profile, reads):
    found = judged(f"{bare}:Bare", REPLACE, profile, "atomicity")
    assert [one.observed for one in found] == ([] if reads is None else [reads])


@pytest.mark.parametrize("profile", ["ext4-dioread-lock", "ext4", "xfs", "btrfs", "posix"])
def test_a_rename_onto_a_fresh_name_without_a_sync_is_safe_nowhere(bare, profile):
    (found,) = judged(f"{bare}:Fresh", REPLACE, profile, "atomicity")
    assert "os.rename(" in found.culprit.source


@pytest.mark.parametrize("profile", PROFILES)
def test_a_name_that_is_never_synced_is_lost_everywhere_but_in_a_kill(profile):
    once = Workload("once", (write("a", NEW),), (write("a", OLD),))
    found = judged("scenarios.zoo.no_directory_sync:broken", once, profile, "durability")
    assert [one.kind for one in found] == ([] if profile == "kill" else ["lost"])
    assert all(one.culprit.source.startswith("os.rename(") for one in found)


@pytest.mark.parametrize(
    ("profile", "lost"),
    [
        ("ordered", False),
        ("ext4", False),
        ("ext4-dioread-lock", False),
        ("xfs", False),
        ("btrfs", True),
        ("posix", True),
    ],
)
def test_a_later_sync_of_another_file_brings_the_name_where_that_filesystem_does(profile, lost):
    # The second write syncs its own file before its own name: a journal takes all names along.
    # Temporary names are never used twice here: one that is would take the rename before it along.
    twice = Workload("twice", (write("a", NEW), write("b", NEW)), (write("a", OLD),))
    with rerouted(), quiet():
        subject = load(f"{WEAKENED}:no_directory_sync")
        recording = record(subject, twice)
        second = next(event for event in recording.events if event.operation.key == "b")
        prober = Prober(subject, twice.keys, follow=False)
        model = PROFILES[profile]
        examination = Examination(recording, model, recording.records, recording.events, prober)
        at_once = Explorer(examination.constraints, at=2 * second.returned)
        gone = {
            violation.key
            for state in at_once.states()
            for violation in examination.violations(state, prober.probe(at_once.image(state)))
            if violation.guarantee == "durability"
        }
    assert ("a" in gone) is lost
    assert "b" in gone
