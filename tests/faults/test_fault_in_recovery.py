"""A fault in the recovery is blamed for nothing that a recovery without one leaves as well."""

import os

from harness.runner import Plan, check


class Exclusive:
    """A store that a crash in a write leaves unable to write: its temporary file stays."""

    guarantees = ("recovery",)
    single_writer = True

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, key, value):
        with open(self.path("~"), "xb") as file:
            file.write(value)
        os.replace(self.path("~"), self.path(key))

    def read(self, key):
        with open(self.path(key), "rb") as file:
            return file.read()

    def delete(self, key):
        os.unlink(self.path(key))

    def list(self):
        return [name for name in os.listdir(self.directory) if name != "~"]


class Swallowing(Exclusive):
    """One that takes a listing that fails for an empty one, and clears the store."""

    def __init__(self, directory):
        super().__init__(directory)
        try:
            names = os.listdir(directory)
        except OSError:
            names = None
        if names is None or "~" in names:
            for name in os.listdir(directory) if names is None else ["~"]:
                os.unlink(self.path(name))


def findings(name):
    plan = Plan(f"{__name__}:{name}", ("kill",), guarantees=("recovery",))
    return check(plan).report.findings


def test_what_is_broken_without_the_fault_is_not_its_doing():
    (found,) = findings("Exclusive")
    assert found.fault["kind"] == "process killed"
    assert "FileExistsError" in found.observed


def test_what_only_the_fault_breaks_is_found_with_its_line_and_a_remedy():
    (found,) = findings("Swallowing")
    assert found.fault["kind"] == "fault during recovery"
    assert "names = os.listdir(directory)" in found.culprit.source
    assert found.fix.change.startswith("let the error at test_fault_in_recovery.py:")
