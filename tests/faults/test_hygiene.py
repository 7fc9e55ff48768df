"""What grows with each repetition is found by the repetition that shows it, and by no other."""

import os

import pytest

from harness.errors import UsageError
from harness.history import record
from harness.hygiene import judge_repeated, parse_repeated, repetitions
from harness.injected import Amount
from harness.injecting import inject
from harness.intercept import rerouted
from harness.ops import Workload, write
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.subjects import load
from harness.workloads import value_of

MODELS = tuple(PROFILES.values())
WORKLOAD = Workload(
    "overwrite", (write("a", value_of(3, 700)),), (write("a", b"old"), write("b", b"x"))
)

CASES = {
    "sweep_not_synced": ("removal-lost", "repeat operation 0: * #7: power cut"),
    "failed_cleanup_forgotten": (
        "file-leak",
        "repeat operation 0: write #1: ENOSPC, once; then unlink #1: EIO, once",
    ),
    "descriptor_left_open_by_sweep": ("descriptor-leak", "repeat operation 0: * #4: killed"),
    "listing_order_trusted": (
        "file-leak",
        "repeat operation 0: * #4: killed; listed backwards",
    ),
}
"""Bug to what grows, and the first repetition that shows it."""


def recorded(name):
    return record(load(f"scenarios.zoo.{name}"), WORKLOAD)


@pytest.mark.parametrize("bug", CASES)
def test_each_way_to_repeat_shows_what_the_others_do_not(bug):
    kind, text = CASES[bug]
    with rerouted(), quiet():
        found = inject(recorded(f"{bug}:broken"), MODELS, frozenset({"hygiene"}), Amount(300))
        twin = inject(recorded(f"{bug}:fixed"), MODELS, frozenset({"hygiene"}), Amount(300))
    assert [(one.kind, one.reproduction.fault) for one in found.candidates] == [(kind, text)]
    assert twin.candidates == []
    assert twin.coverage["hygiene"].faults > 100


def test_a_removal_is_lost_only_where_the_filesystem_may_lose_it():
    with rerouted(), quiet():
        recording = recorded("sweep_not_synced:broken")
        repeated = parse_repeated(CASES["sweep_not_synced"][1])
        profiles = [leak.profiles for leak in judge_repeated(recording, repeated, MODELS)]
    assert profiles == [("btrfs",), ("posix",)]


def test_every_repetition_is_read_back():
    with rerouted(), quiet():
        every = repetitions(recorded("orphans_never_swept:fixed"), short=False)
    assert len(every) == len({str(one) for one in every}) > 100
    assert any(one.cut for one in every)
    assert any(one.backwards for one in every)
    assert any(one.fault.then for one in every)
    for one in every:
        assert parse_repeated(str(one)) == one


@pytest.mark.parametrize(
    "text",
    ["repeat operation 0: disk: full at 3 inodes", "repeat operation x: write #1: EIO, once"],
)
def test_what_cannot_be_repeated_is_refused_in_one_line(text):
    with pytest.raises(UsageError) as raised:
        parse_repeated(text)
    assert repr(text) in str(raised.value)
    assert "\n" not in str(raised.value)


class Unclosed:
    """A store that leaves its files to the end of their names, as CPython closes them then."""

    guarantees = ("hygiene",)
    single_writer = True

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, key, value):
        file = open(self.path("~"), "wb")  # noqa: SIM115 - the point of it
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
        file.close()
        os.replace(self.path("~"), self.path(key))

    def read(self, key):
        with open(self.path(key), "rb") as file:
            return file.read()

    def delete(self, key):
        os.unlink(self.path(key))

    def list(self):
        return [name for name in os.listdir(self.directory) if name != "~"]


# Since Python 3.13 a file says so that cannot be flushed when it is dropped.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_that_an_error_takes_along_is_no_leak():
    with rerouted(), quiet():
        recording = record(load(f"{__name__}:Unclosed"), WORKLOAD)
        result = inject(recording, MODELS, frozenset({"hygiene"}), Amount(300))
    assert result.candidates == []
    assert result.coverage["hygiene"].faults > 50
