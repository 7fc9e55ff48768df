"""What a store's module keeps belongs to one simulated process."""

import sys
import types

import pytest

from harness.ops import read, write
from harness.schedule import ConcurrentWorkload, Schedule, run_schedule
from harness.schedule.modules import copies_of, keeps_state, parts_of, source_of
from harness.subjects import MISSING, load
from tests.schedule import shared

CACHED = load("tests.schedule.shared:Cached")
ONE_EACH = ConcurrentWorkload("one", ((write("a", b"x"), read("b")), (write("b", b"y"),)))


def answer(found, kind):
    return [event.answer for event in found.events if event.operation.kind == kind]


def test_processes_share_nothing_but_the_disk():
    found = run_schedule(CACHED, ONE_EACH, Schedule.parse("B+ A+"))
    # In one shared module A would read b"y" from B's memory, and count on from B's 1.
    assert answer(found, "read") == [b"1"]
    assert found.image.files() == {"store/a": b"1", "store/b": b"1"}


def test_runs_share_nothing_either():
    first, again = (run_schedule(CACHED, ONE_EACH, Schedule.parse("A+ B+")) for _ in range(2))
    assert first.image == again.image
    assert shared._count == 0
    assert not shared._written


def test_threads_share_the_module_and_its_lock():
    workload = ConcurrentWorkload(
        "two", ((write("a", b"x"),), (write("b", b"y"), read("a"))), mode="threads"
    )
    found = run_schedule(CACHED, workload, Schedule.parse("C+ A*4 B+ A+"))
    assert found.stuck is None
    assert answer(found, "read") == [b"x"]
    assert {step.call for step in found.steps} >= {"acquire", "release"}
    assert sorted(found.image.files().values()) == [b"1", b"2"]


def test_an_exception_of_the_copy_means_what_it_meant():
    subject = load("tests.schedule.shared:strict")
    workload = ConcurrentWorkload("absent", ((read("a"),), (read("a"),)))
    assert answer(run_schedule(subject, workload, Schedule()), "read") == [MISSING, MISSING]


@pytest.mark.parametrize(
    ("source", "keeps"),
    [
        ("import os\nX = 3\nNAMES = ('a', 'b')\ndef f(): return X", False),
        ("class Store:\n    limit = 5\n    def read(self, key): return key", False),
        ("class Fixed:\n    def __init__(self): self.size = 3\nfixed = Fixed()", False),
        ("class Grows:\n    size = 0\n    def f(self): self.size += 1\ngrows = Grows()", True),
        ("class Holds:\n    def __init__(self): self.all = []\nholds = Holds()", True),
        ("cache = {}", True),
        ("import threading\nlock = threading.Lock()", True),
        ("import itertools\nnumber = itertools.count()", True),
        ("class Store:\n    opened = []", True),
        ("X = 0\ndef f():\n    global X\n    X += 1", True),
        ("class Store:\n    def f(self):\n        global X\n        X = 1", True),
    ],
)
def test_state_is_read_off_the_module(source, keeps):
    module = types.ModuleType("told")
    exec(source, vars(module))
    assert keeps_state(module) is keeps


def test_a_module_without_state_is_not_run_again():
    subject = load("harness.reference.subjects:hardened")
    assert next(copies_of(subject)) is subject


def test_a_part_that_is_imported_later_is_known_however_often_it_comes_and_goes(monkeypatch):
    source, own, late = source_of(CACHED), shared.__name__, f"{shared.__name__}.late"
    assert [*parts_of(source)] == [own]
    for other in ("told_one", "told_two"):
        monkeypatch.setitem(sys.modules, late, types.ModuleType(late))
        assert [*parts_of(source)] == [own, late]
        monkeypatch.setitem(sys.modules, other, types.ModuleType(other))
        assert [*parts_of(source)] == [own, late]
        monkeypatch.delitem(sys.modules, late)
        assert [*parts_of(source)] == [own]
