"""Two steps between which a store is not whole are two of one operation."""

import os

from harness.runner import Plan, check


class Relinked:
    """A new file is linked where the old one was: the name is gone in between."""

    guarantees = ("durability",)
    single_writer = True

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.sync(os.path.dirname(directory))

    def sync(self, path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, key, value):
        if os.path.lexists(self.path("~")):
            os.unlink(self.path("~"))
        with open(self.path("~"), "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(self.path("~"), self.path(key))  # first
        except FileExistsError:
            os.unlink(self.path(key))  # culprit
            os.link(self.path("~"), self.path(key))  # second
        os.unlink(self.path("~"))
        self.sync(self.directory)

    def read(self, key):
        with open(self.path(key), "rb") as file:
            return file.read()

    def delete(self, key):
        os.unlink(self.path(key))
        self.sync(self.directory)

    def list(self):
        return [name for name in os.listdir(self.directory) if name != "~"]


class Atomic(Relinked):
    guarantees = ("atomicity",)


def line(mark):
    with open(__file__, encoding="utf-8") as file:
        return next(n for n, text in enumerate(file, 1) if text.endswith(f"# {mark}\n"))


def test_what_follows_after_a_kill_is_no_second_step():
    findings = check(Plan(f"{__name__}:Relinked", ("posix",))).report.findings
    told = [one for one in findings if one.culprit.line == line("culprit")]
    assert [one.fault["kind"] for one in told] == ["power cut after a kill"]
    assert f"test_two_steps.py:{line('first')} " not in told[0].summary


def test_two_steps_of_one_operation_are_named_both():
    (found,) = check(Plan(f"{__name__}:Atomic", ("kill",), effort="quick")).report.findings
    assert found.culprit.line == line("culprit")
    assert f"test_two_steps.py:{line('second')} os.link(" in found.summary
