"""A proposed sync is proven by editing the trace; what no sync mends is not said to be mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report import FindingRecord
from harness.runner import Effort, Plan, check


def findings(subject: str, guarantee: str) -> list[FindingRecord]:
    plan = Plan(subject=subject, effort="quick", guarantees=(guarantee,), profiles=("posix",))
    return check(plan).report.findings


def fixes(subject: str, guarantee: str) -> list[tuple[str, str | None, int, int | None]]:
    return [
        (f.fix.change, f.fix.verified, f.fix.violations_before, f.fix.violations_after)
        for f in findings(subject, guarantee)
        if f.fix is not None
    ]


@pytest.mark.parametrize(
    ("store", "guarantee", "words"),
    [
        ("rename_without_fsync", "atomicity", "fsync the file before"),
        ("no_directory_sync", "durability", "fsync the directory after"),
        ("unlink_not_synced", "durability", "fsync the directory after"),
    ],
)
def test_a_missing_sync_is_found_and_proven(store: str, guarantee: str, words: str) -> None:
    (fix,) = fixes(f"scenarios.zoo.{store}:broken", guarantee)
    change, verified, before, after = fix
    assert change.startswith(words)
    assert verified == "trace"
    assert before > 0
    assert after == 0


@pytest.mark.parametrize(
    ("store", "guarantee", "words"),
    [
        ("backup_by_rename", "atomicity", "link instead of renaming at"),
        ("fsync_before_flush", "atomicity", "flush the file before"),
        ("index_before_data", "listing", "move index_before_data.py:26 after"),
        ("journal_removed_too_early", "atomicity", "fsync the file that"),
        ("truncate_in_place", "atomicity", "write a temporary file"),
        ("unlink_before_rename", "atomicity", "leave out unlink_before_rename.py:33"),
    ],
)
def test_a_change_of_order_or_protocol_is_found_and_proven(
    store: str, guarantee: str, words: str
) -> None:
    fix = fixes(f"scenarios.zoo.{store}:broken", guarantee)[0]
    assert fix[0].startswith(words)
    assert (fix[1], fix[3]) == ("trace", 0)


@pytest.mark.parametrize(
    ("store", "guarantee", "effort", "words"),
    [
        # A kill, a successor that overwrites, a power cut: its calls are changed as well.
        ("unsynced_copy_trusted", "atomicity", "default", "fsync what _slots.py:82 made, and its"),
        # A crash in the recovery from a crash: the recovery's calls are changed.
        ("compaction_in_place", "recovery", "quick", "write a temporary file"),
    ],
)
def test_a_change_of_what_comes_after_a_crash_is_found_and_proven(
    store: str, guarantee: str, effort: Effort, words: str
) -> None:
    found = check(
        Plan(
            f"scenarios.zoo.{store}:broken",
            effort=effort,
            guarantees=(guarantee,),
            profiles=("posix",),
        )
    ).report.findings
    (fix,) = [one.fix for one in found if one.fix is not None]
    assert fix.change.startswith(words)
    assert (fix.verified, fix.violations_after, fix.sampled) == ("trace", 0, False)
    assert fix.violations_before > 0


def test_what_no_change_of_calls_mends_says_what_does() -> None:
    (found,) = findings("scenarios.zoo.slots_without_checksum:broken", "atomicity")
    fix, accepted = found.fix, found.accepted
    assert fix is not None
    assert fix.change == (
        "checksum what _slots.py:84 writes, so that recovery tells half of it from the whole"
    )
    assert (fix.verified, fix.violations_after, fix.tried) == (None, None, 3)
    assert fix.needs == (
        "all 2 crash states that show it hold half of what _slots.py:84 writes, and none shows it "
        "with all or nothing of that; a temporary file, synced and renamed into place, would do as "
        "well; no sync mends it: with one after every call 1 would be left, and 3 changes of syncs "
        "and order were tried in vain"
    )
    assert accepted is not None
    assert accepted.file == "scenarios/zoo/slots_without_checksum.py"
    assert accepted.source.startswith("return (number, value) if number and len(value) == length")
    assert f"slots_without_checksum.py:{accepted.line} return" in found.summary


UPDATED = """
import os


class Notes:
    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.sync(os.path.dirname(directory) or ".")

    def sync(self, path):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def path(self, key):
        return os.path.join(self.directory, key)

    def write(self, key, value):
        path, content = self.path(key), b"%8d" % len(value) + value
        if os.path.exists(path):
            self.update(path, content)
        else:
            self.create(path, content)

    def update(self, path, content):
        with open(path, "r+b") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def create(self, path, content):
        with open(path + "+", "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(path + "+", path)
        self.sync(self.directory)

    def read(self, key):
        with open(self.path(key), "rb") as file:
            content = file.read()
        size = int(content[:8])
        if len(content) < 8 + size:
            raise ValueError("damaged")
        return content[8 : 8 + size]

    def delete(self, key):
        os.remove(self.path(key))
        self.sync(self.directory)

    def list(self):
        return [key for key in os.listdir(self.directory) if not key.endswith("+")]
"""


def test_a_checksum_is_no_way_out_where_the_old_bytes_are_written_over(tmp_path: Path) -> None:
    store = tmp_path / "notes.py"
    store.write_text(UPDATED)
    found = findings(f"{store}:Notes", "atomicity")
    assert found
    for one in found:
        assert one.fix is not None
        assert one.fix.change.startswith("write a temporary file, fsync it, rename it into place")
        assert (one.fix.verified, one.fix.needs, one.accepted) == ("trace", "", None)


HEADED = """
import os


class Notes:
    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def path(self, key):
        return os.path.join(self.directory, key)

    def write(self, key, value):
        with open(self.path(key), "r+b" if os.path.exists(self.path(key)) else "wb") as file:
            file.write(b"%8d" % len(value) + value)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())

    def read(self, key):
        with open(self.path(key), "rb") as file:
            content = file.read()
        if len(content) < 8 or len(content) - 8 != int(content[:8]):
            raise KeyError(key)
        return content[8:]

    def delete(self, key):
        os.remove(self.path(key))

    def list(self):
        return [key for key in os.listdir(self.directory) if self.whole(key)]

    def whole(self, key):
        try:
            self.read(key)
        except KeyError:
            return False
        return True
"""


def test_what_a_checksum_would_do_for_a_first_value_only_is_of_one_cause(tmp_path: Path) -> None:
    # What comes after is written over: that is of the same cause.
    store = tmp_path / "notes.py"
    store.write_text(HEADED)
    (one,) = findings(f"{store}:Notes", "atomicity")
    assert one.fix is not None
    assert one.fix.change.startswith("write a temporary file, fsync it, rename it into place")
    assert (one.fix.verified, one.fix.violations_after, one.fix.needs) == ("trace", 0, "")


def test_what_one_change_mends_is_one_finding() -> None:
    # An in-place overwrite shows from three of its lines: made, half written, cut too early.
    assert len(fixes("scenarios.zoo.overwrite_keeps_old_tail:broken", "atomicity")) == 1


NAIVE = """
import os


class Notes:
    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def write(self, key, value):
        path = os.path.join(self.directory, key)
        with open(path + ".tmp", "wb") as file:
            file.write(value)
        os.replace(path + ".tmp", path)

    def read(self, key):
        with open(os.path.join(self.directory, key), "rb") as file:
            return file.read()

    def delete(self, key):
        os.remove(os.path.join(self.directory, key))

    def list(self):
        return [name for name in os.listdir(self.directory) if not name.endswith(".tmp")]
"""


def test_each_of_several_missing_syncs_is_proven_with_the_others(tmp_path: Path) -> None:
    # No single sync leaves nothing broken here: file, name and directory all lack one.
    store = tmp_path / "notes.py"
    store.write_text(NAIVE)
    plan = Plan(
        subject=f"{store}:Notes",
        effort="quick",
        guarantees=("durability",),
        profiles=("xfs", "posix"),
    )
    found = {
        finding.fix.change: finding.fix
        for finding in check(plan).report.findings
        if finding.fix is not None
    }
    file, name, directory, gone = (
        "fsync the file before notes.py:14",
        "fsync the directory after notes.py:14",
        "fsync the directory after notes.py:8",
        "fsync the directory after notes.py:21",
    )
    assert set(found) == {file, name, directory, gone}
    for change, fix in found.items():
        assert fix.verified == "trace"
        assert fix.violations_before > 0
        assert fix.violations_after == 0
        assert set(fix.together) == (
            {file, name, directory} - {change} if change != gone else set()
        )
