"""What no persistence model speaks of is in the verdict; what cannot be simulated fails by name."""

import os

import pytest

from harness.disk import Machine
from harness.errors import BaselineError
from harness.intercept import active, rerouted
from harness.record import Recorder
from harness.render.text import as_text
from harness.runner import Plan, check

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

STORE = """
import mmap, os, sqlite3, subprocess

class Store:
    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
    def write(self, key, value):
        path = os.path.join(self.directory, key)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(fd, value, 0)
        os.ftruncate(fd, len(value))
        {call}
        os.close(fd)
    def read(self, key):
        with open(os.path.join(self.directory, key), "rb") as file:
            return file.read()
    def delete(self, key):
        os.unlink(os.path.join(self.directory, key))
        os.sync()
    def list(self):
        return os.listdir(self.directory)
"""


def checked(tmp_path, call, guarantee="listing", profile="ext4"):
    path = tmp_path / "subject.py"
    path.write_text(STORE.replace("{call}", call))
    plan = Plan(f"{path}:Store", (profile,), (guarantee,), effort="quick")
    return check(plan).report


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("os.chmod(path, 0o640)", "no profile models chmod"),
        ("os.fchmod(fd, 0o640)", "no profile models chmod"),
        ("os.chown(path, 5, -1)", "no profile models chown"),
        ("os.utime(path, (1, 1))", "no profile models utime"),
        ("os.close(os.open(path, os.O_WRONLY | os.O_DIRECT))", "no profile models O_DIRECT"),
        (
            "try: os.setxattr(path, 'user.a', b'1')\n        except OSError: pass",
            "no profile models extended attributes",
        ),
        ("open('/tmp/of-mine', 'w').close()", "no profile keeps what a store leaves in /tmp"),
    ],
)
def test_what_no_profile_models_is_in_the_verdict(tmp_path, call, told):
    report = checked(tmp_path, call)
    (verdict,) = report.verdicts
    assert told in (verdict.note or "")
    assert told in " ".join(as_text(report, None).split())


@pytest.mark.parametrize("call", ["pass", "open('/tmp/s', 'w').close(); os.unlink('/tmp/s')"])
def test_a_store_that_does_none_of_it_is_told_nothing(tmp_path, call):
    (verdict,) = checked(tmp_path, call).verdicts
    assert "no profile" not in (verdict.note or "")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("os.mkfifo(path + '.p')", "mkfifo"),
        ("os.mknod(path + '.n', 0o020600, 1)", "mknod"),
        ("mmap.mmap(fd, 0)", "mmap"),
        ("sqlite3.connect(path + '.db')", "sqlite3.connect"),
        ("subprocess.run(['true'])", "subprocess"),
        ("os.fork()", "os.fork"),
    ],
)
def test_what_cannot_be_simulated_fails_and_is_named(tmp_path, call, named):
    with pytest.raises(BaselineError, match=named):
        checked(tmp_path, call)


@pytest.mark.parametrize(
    ("flags", "calls"),
    [
        (0, ["create", "write"]),
        (os.RWF_DSYNC, ["create", "write", "fdatasync"]),
        (os.RWF_SYNC, ["create", "write", "fsync"]),
    ],
)
def test_a_write_that_asks_to_be_synced_is(flags, calls):
    recorder = Recorder()
    with rerouted(), active(Machine(hooks=recorder).process()):
        os.pwritev(os.open("file", os.O_CREAT | os.O_WRONLY), [b"value"], 0, flags)
    assert [one.__struct_config__.tag for one in recorder.records] == calls
