"""A pasted test fails on the bug and passes on its twin, with pytest, pyfakefs and nothing else.

A few bugs by default; every one of the zoo but races with ``HARNESS_FULL=1``.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import pytest

from harness.errors import UsageError
from harness.finding import Crash, Life, OperationRecord, Raced, Reproduction, load_reproduction
from harness.pasted import as_test
from harness.persistence import PROFILES
from harness.runner import Plan, check
from scenarios.zoo import all_bugs

FULL = os.environ.get("HARNESS_FULL") == "1"
ROOT = Path(__file__).parents[2]

# One of each kind of test: a crash, a crash in recovery, a failing call, rot, a leak.
SOME = (
    "rename_without_fsync",
    "compaction_in_place",
    "fsync_retried",
    "no_checksum",
    "orphans_never_swept",
)
MIXED = ("unsynced_copy_trusted",)
LEAKS = (
    "failed_cleanup_forgotten",
    "listing_order_trusted",
    "descriptor_left_open_by_sweep",
    "sweep_not_synced",
)
"""Leaks that pyfakefs would not show: they are refused."""

TOLD = [bug for bug in all_bugs(4) if bug.guarantee != "isolation" and bug.name not in LEAKS]
BUGS = [bug for bug in TOLD if FULL or bug.name in SOME]


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """An environment with pytest and pyfakefs only, and the zoo beside the tests."""
    place = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    python = place / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "pytest", "pyfakefs"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot reach an index: {done.stderr.strip().splitlines()[-1]}")
    (place / "scenarios").mkdir()
    shutil.copy(ROOT / "scenarios" / "__init__.py", place / "scenarios")
    for name in ("zoo", "adapters"):
        shutil.copytree(ROOT / "scenarios" / name, place / "scenarios" / name)
    found = subprocess.run(
        [python, "-c", "import harness"], cwd=place, capture_output=True, check=False
    )
    assert found.returncode != 0, "the harness must not be there"
    return place


def run(place, name, text):
    path = place / f"test_{name}.py"
    path.write_text(text, encoding="utf-8")
    command = [place / "venv" / "bin" / "python", "-m", "pytest", "-q", "--rootdir", place, path]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


def told(bug):
    return _told(bug.name)


@cache
def _told(name):
    bug = next(bug for bug in all_bugs(4) if bug.name == name)
    profiles = ("kill", "posix") if set(bug.profiles) & {"kill", "posix"} else bug.profiles
    plan = Plan(
        subject=f"scenarios.zoo.{bug.name}:broken",
        guarantees=(bug.guarantee,),
        profiles=profiles,
        effort="default" if bug.name in MIXED or (FULL and bug.since > 3) else "quick",
    )
    name, data = next(iter(check(plan).repros.items()))
    reproduction = load_reproduction(data, name)
    return as_test(reproduction, PROFILES[reproduction.profile])


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_it_fails_on_the_bug_and_passes_on_the_twin(bug, bare):
    text = told(bug)
    assert "harness." not in text.split('"""', 2)[2]
    broken = run(bare, f"{bug.name}_broken", text)
    assert broken.returncode == 1, broken.stdout
    assert "AssertionError" in broken.stdout
    mended = text.replace("import broken as open_store", "import fixed as open_store")
    assert mended != text
    fixed = run(bare, f"{bug.name}_fixed", mended)
    assert fixed.returncode == 0, fixed.stdout


def test_what_takes_several_processes_is_not_told_as_a_test():
    crash = Crash(position=0, lost=[])
    one = Reproduction(
        version="0.1.0", subject="scenarios.zoo.lost_update:broken", seed=0, guarantee="isolation",
        kind="history", key="a", profile="posix", operations=[], kill_at=None, crash=crash,
        second=None, trace="", image="", observed="b",
        race=Raced(mode="threads", writers=[], schedule="A B A"),
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"a race cannot.*corpus"):
        as_test(one, PROFILES["posix"])
    with pytest.raises(UsageError, match=r"a chain of faults cannot.*corpus"):
        as_test(msgspec.structs.replace(one, race=None, chain=[Life()]), PROFILES["posix"])


def test_a_sync_that_fails_is_not_told_as_a_test():
    crash = Crash(position=0, lost=[])
    one = Reproduction(
        version="0.1.0", subject="scenarios.zoo.lost_update:broken", seed=0,
        guarantee="clean-failure", kind="false-ack", key="a", profile="posix",
        operations=[OperationRecord(op="sync")], kill_at=None, crash=crash, second=None, trace="",
        image="", observed="b", fault="fsync #1: EIO, once",
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"a sync says .* corpus"):
        as_test(one, PROFILES["posix"])


@pytest.mark.parametrize("name", LEAKS if FULL else LEAKS[:1])
def test_a_leak_that_a_test_would_not_show_is_refused(name):
    with pytest.raises(UsageError, match="cannot be told as a test on pyfakefs; keep"):
        _told(name)


def test_it_is_one_file_that_names_its_finding():
    text = told(next(bug for bug in BUGS if bug.name == "rename_without_fsync"))
    compile(text, "test_pasted.py", "exec")
    assert text.startswith('"""scenarios.zoo.rename_without_fsync:broken breaks atomicity')
    assert "from scenarios.zoo.rename_without_fsync import broken as open_store" in text
    assert "OPERATIONS = [\n    ('write', 'a', b'i'),\n]" in text
