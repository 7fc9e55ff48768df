"""What one change mends is one cause, from whichever line and in whichever process it is seen."""

import os

from harness.runner import Plan, check


def sink(path):
    """Write what is sent, and sync it when closed."""
    with open(path, "wb") as file:
        try:
            while True:
                file.write((yield))
        finally:
            file.flush()
            os.fsync(file.fileno())


class Chunked:
    """A store that puts its file into place before it is closed."""

    guarantees = ("atomicity",)
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
        out = sink(self.path("~"))
        next(out)
        out.send(value)
        os.replace(self.path("~"), self.path(key))
        out.close()
        self.sync(self.directory)

    def read(self, key):
        with open(self.path(key), "rb") as file:
            return file.read()

    def delete(self, key):
        os.unlink(self.path(key))
        self.sync(self.directory)

    def list(self):
        return [name for name in os.listdir(self.directory) if name != "~"]


def test_what_follows_a_kill_is_mended_by_what_mends_the_run():
    (found,) = check(Plan(f"{__name__}:Chunked", ("ext4",))).report.findings
    assert found.culprit.source.startswith("os.replace(")
    replaced = found.culprit.line
    assert found.fix.change == (
        f"move test_one_cause.py:{replaced} after test_one_cause.py:{replaced + 1}"
    )
    assert found.fix.verified == "trace"
