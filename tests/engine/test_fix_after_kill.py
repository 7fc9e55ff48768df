"""What mends a power cut after a kill does so wherever the kill strikes: before a new sync, too."""

import os
import struct
import zlib

from harness.diagnose import Site
from harness.edits import after, before
from harness.history import record
from harness.intercept import rerouted
from harness.meter import Meter
from harness.ops import Workload, write
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.recovery import Prober
from harness.runner import Plan, check
from harness.subjects import load
from harness.trials import KillTrial

AREA = 1 << 17
HEAD = struct.Struct("<III")  # area, bytes and one, checksum
HERE = "tests.engine.test_fix_after_kill"


class Areas:
    """A file a key: a header says which of two areas holds the value; the other is written next.

    A header that a killed process left unsynced frees an area that the durable one still names.
    """

    guarantees = ("atomicity", "durability")
    single_writer = True
    syncs_first = False

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        sync_directory(os.path.dirname(directory))

    def path(self, key):
        return os.path.join(self.directory, key)

    def head(self, fd):
        raw = os.pread(fd, HEAD.size, 0)
        return HEAD.unpack(raw) if len(raw) == HEAD.size else (1, 0, 0)

    def write(self, key, value):
        fd = os.open(self.path(key), os.O_RDWR | os.O_CREAT, 0o600)
        if self.syncs_first:
            os.fdatasync(fd)
        area = 1 - self.head(fd)[0]
        os.pwrite(fd, value, AREA * (area + 1))
        os.fdatasync(fd)
        os.pwrite(fd, HEAD.pack(area, len(value) + 1, zlib.crc32(value)), 0)
        os.fdatasync(fd)
        os.close(fd)
        sync_directory(self.directory)

    def read(self, key):
        with open(self.path(key), "rb") as file:
            area, length, crc = self.head(file.fileno())
            value = os.pread(file.fileno(), max(length - 1, 0), AREA * (area + 1))
        if not length:
            raise KeyError(key)
        if zlib.crc32(value) != crc:
            raise ValueError(f"{key} is damaged")
        return value

    def delete(self, key):
        os.unlink(self.path(key))
        sync_directory(self.directory)

    def list(self):
        return os.listdir(self.directory)


class Synced(Areas):
    syncs_first = True


def sync_directory(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def site(text):
    with open(__file__, encoding="utf-8") as file:
        line = next(number for number, line in enumerate(file, 1) if text in line)
    return Site("tests/engine/test_fix_after_kill.py", line, "write", "", "")


def test_no_sync_mends_what_a_kill_can_come_before():
    """The header is synced as soon as it is written; to sync it once more there mends nothing."""
    published, overwrites = site("os.pwrite(fd, HEAD"), site("os.pwrite(fd, value")
    with rerouted(), quiet():
        subject = load(f"{HERE}:Areas")
        workload = Workload("overwrite", (write("a", b"1"),), (write("a", b"0"),))
        recording = record(subject, workload)
        prober = Prober(subject, ("a",), seed=0, writes=(b"2", b"3"))
        trial = KillTrial(recording, [PROFILES["posix"]], prober, "atomicity", 2000, Meter())
        assert trial.broken()
        assert trial.broken(after(published, file=True))
        assert trial.broken(before(overwrites, published, own=False)) == 0


def test_the_fix_that_is_proven_is_the_twins():
    (found,) = checked("Areas").findings
    assert found.fault["kind"] == "power cut after a kill"
    lines = site("os.pwrite(fd, HEAD").line, site("os.pwrite(fd, value").line
    assert found.fix.change == (
        "fsync the file that test_fix_after_kill.py:{} writes before test_fix_after_kill.py:{}"
    ).format(*lines)
    assert found.fix.verified == "trace"
    assert checked("Synced").findings == []


def checked(name):
    plan = Plan(f"{HERE}:{name}", ("posix",), guarantees=("atomicity",))
    return check(plan).report
