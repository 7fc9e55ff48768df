"""A fix that is proven leaves whole what held: a move may mend one promise and break another."""

import os
import struct
from dataclasses import replace

import pytest

from harness import fix
from harness.edits import Change, moved
from harness.elsewhere import Elsewhere
from harness.proposals import changes
from harness.runner import Plan, check

BLOCK = 4096
HERE = "tests/engine/test_fix_keeps.py"


class Slots:
    """One file: a superblock says where the newest data are, which are never written over.

    The data should be synced before the superblock is written.
    """

    guarantees = ("atomicity", "durability")

    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self.fd = os.open(os.path.join(directory, "slots"), os.O_RDWR | os.O_CREAT, 0o600)
        os.fsync(self.fd)
        for path in (directory, os.path.dirname(directory)):
            sync_directory(path)

    def load(self):
        raw = os.pread(self.fd, 8, 0)
        if len(raw) < 8:
            return 1, {}
        place, length = struct.unpack("<II", raw)
        table = {}
        for line in os.pread(self.fd, length, place * BLOCK).decode("latin-1").splitlines():
            key, value = line.split("=")
            table[key] = bytes.fromhex(value)
        return place, table

    def save(self, place, table):
        data = "\n".join(f"{key}={value.hex()}" for key, value in table.items()).encode("latin-1")
        os.pwrite(self.fd, data, (place + 4) * BLOCK)
        os.pwrite(self.fd, struct.pack("<II", place + 4, len(data)), 0)
        os.fdatasync(self.fd)

    def write(self, key, value):
        place, table = self.load()
        self.save(place, table | {key: value})

    def delete(self, key):
        place, table = self.load()
        del table[key]
        self.save(place, table)

    def read(self, key):
        return self.load()[1][key]

    def list(self):
        return list(self.load()[1])


class Versions:
    """A file for each version; the last one's name is linked, and the old one's goes.

    The directory should be synced in between.
    """

    guarantees = ("atomicity",)

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        sync_directory(os.path.dirname(directory))

    def newest(self, key):
        names = [name for name in os.listdir(self.directory) if name.startswith(f"{key}@")]
        return max(names, default=None, key=lambda name: int(name.split("@")[1]))

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, key, value):
        old = self.newest(key)
        with open(self.path("new"), "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        number = int(old.split("@")[1]) + 1 if old else 0
        os.link(self.path("new"), self.path(f"{key}@{number}"))
        if old:
            os.unlink(self.path(old))
        os.unlink(self.path("new"))

    def read(self, key):
        name = self.newest(key)
        if name is None:
            raise KeyError(key)
        with open(self.path(name), "rb") as file:
            return file.read()

    def delete(self, key):
        os.unlink(self.path(self.newest(key)))

    def list(self):
        return {name.split("@")[0] for name in os.listdir(self.directory) if "@" in name}


def sync_directory(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def slots(directory):
    return Slots(directory)


def slots_that_promise_less(directory):
    return Slots(directory)


def versions(directory):
    return Versions(directory)


slots.guarantees, versions.guarantees = Slots.guarantees, Versions.guarantees
slots_that_promise_less.guarantees = ("atomicity",)


def line_of(text):
    with open(__file__, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


@pytest.mark.parametrize(
    ("name", "made", "needs", "words"),
    [
        (
            "slots",
            "os.pwrite(self.fd, data, (place",
            "os.pwrite(self.fd, struct.pack",
            "fsync the file that {file}:{made} writes before {file}:{needs}",
        ),
        (
            "versions",
            'os.link(self.path("new"), ',
            "os.unlink(self.path(old))",
            "fsync the directory after {file}:{made}",
        ),
    ],
)
def test_the_fix_is_a_sync_in_between_and_no_move(name, made, needs, words):
    plan = Plan(f"{HERE}:{name}", ("posix",), effort="quick")
    report = check(plan).report
    (finding,) = report.findings
    assert finding.guarantee == "atomicity"
    lines = {"made": line_of(made), "needs": line_of(needs)}
    assert finding.fix.change == words.format(file="test_fix_keeps.py", **lines)
    assert (finding.fix.verified, finding.fix.violations_after) == ("trace", 0)


def test_a_move_that_breaks_what_held_is_refused(monkeypatch):
    """Behind the only sync the superblock is never without its data, and not durable either."""
    moves = []

    def only_moves(_, culprit, recording):
        line = line_of("os.fdatasync(self.fd)")
        move = moved(culprit, replace(culprit, line=line))
        assert move(recording) is not None
        moves.append(move)
        yield "move", move

    monkeypatch.setattr(fix, "changes", only_moves)
    monkeypatch.setattr(fix, "in_company", lambda *_: None)
    monkeypatch.setattr(fix, "whole", lambda _: ("nothing", Change("nothing", lambda _: None)))
    # It mends overwriting as well: what is refused here, is for what it breaks in the first run.
    monkeypatch.setattr(Elsewhere, "broken_by", lambda *_: False)
    for name, proven in (("slots_that_promise_less", True), ("slots", False)):
        found = check(Plan(f"{HERE}:{name}", ("posix",), effort="quick")).settled
        assert moves
        assert [one.fix is not None for one in found] == [proven]


def test_no_step_is_proposed_to_move_behind_the_sync_that_follows_it():
    seen = []

    def noted(*about):
        proposals = list(changes(*about))
        seen.extend(text for text, _ in proposals)
        return proposals

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fix, "changes", noted)
        patch.setattr(fix, "in_company", lambda *_: None)
        check(Plan(f"{HERE}:slots_that_promise_less", ("posix",), effort="quick"))
    synced = line_of("os.fdatasync(self.fd)")
    assert seen
    assert f"after test_fix_keeps.py:{synced}" not in " ".join(seen)
