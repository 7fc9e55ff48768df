"""A new process of one writer's run begins with the store's modules as after their import."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.disk import Machine
from harness.intercept import active, rerouted
from harness.runner import Plan, check
from harness.schedule.fresh import fresh
from harness.subjects import MISSING, load, worn

GUARDED = '''
"""Correct without errors; one leaves the guard set until the process ends."""

import os

BUSY = set()


class Absent(Exception):
    pass


def sync_dir(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Store:
    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        os.makedirs(self.directory, exist_ok=True)
        sync_dir(os.path.dirname(self.directory))

    def write(self, key, value):
        if self.directory in BUSY:
            raise RuntimeError("busy")
        BUSY.add(self.directory)
        temporary = os.path.join(self.directory, ".tmp")
        with open(temporary, "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, os.path.join(self.directory, key))
        sync_dir(self.directory)
        BUSY.discard(self.directory)

    def read(self, key):
        try:
            with open(os.path.join(self.directory, key), "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise Absent from None

    def delete(self, key):
        try:
            os.unlink(os.path.join(self.directory, key))
        except FileNotFoundError:
            raise Absent from None
        sync_dir(self.directory)

    def list(self):
        return [name for name in os.listdir(self.directory) if not name.startswith(".")]


def store(directory):
    return Store(directory)


store.single_writer = True
store.not_found = (Absent,)
'''


@pytest.fixture
def name(tmp_path: Path) -> str:
    path = tmp_path / "guarded.py"
    path.write_text(GUARDED)
    return f"{path}:store"


def test_a_guard_left_by_a_fault_is_a_finding_and_not_a_store_that_never_worked(name: str) -> None:
    plan = Plan(subject=name, effort="quick", guarantees=("clean-failure",), profiles=("posix",))
    report = check(plan).report
    assert [verdict.verdict for verdict in report.verdicts] == ["violated"]
    (finding,) = report.findings
    # A new process is not busy: that the next opening is would be told of another kind.
    assert finding.observed == "the fault is over, and write('a', b'i') raises RuntimeError: busy"
    assert finding.replays == "10/10"
    module = sys.modules[load(name).factory.__module__]
    assert module.store is plan.loaded.factory  # as imported, for whoever holds it
    assert not module.BUSY


def test_who_shares_modules_and_who_does_not(name: str) -> None:
    subject, machine = load(name), Machine()
    one, two, three = (machine.process() for _ in range(3))

    def guard(process: object) -> object:
        with active(process):  # type: ignore[arg-type]
            return sys.modules[type(subject.open("/simulated/store").store).__module__].BUSY

    with rerouted(), fresh(subject):
        first = guard(one)
        assert guard(two) is not first  # both live
        assert guard(one) is first  # the same process again
        one.kill()
        two.kill()
        third = guard(three)
        three.kill()
        four = machine.process()
        assert guard(four) is third  # nobody lives who could have changed it, and nothing struck
        four.kill()
        worn()
        assert guard(machine.process()) is not third


def test_an_absence_is_known_in_modules_run_again(name: str) -> None:
    subject = load(name)
    with rerouted(), fresh(subject), active(Machine().process()):
        session = subject.open("/simulated/store")
        assert subject.read(session, "a") is MISSING


def test_a_thread_that_a_module_keeps_is_each_process_own():
    """It ends with the process that started it; the next would wait for its answer for ever."""
    plan = Plan("tests.schedule.lazy_thread:Store", ("kill",), effort="quick")
    report = check(plan).report
    assert report.findings == []
    assert {one.verdict for one in report.verdicts} == {"held"}
