"""The store's own line is named, whichever thread and whichever buffer made the system call."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report import Culprit, FindingRecord
from harness.runner import Plan, check

STORES = "tests.engine.handing_stores"
SOURCE = Path(__file__).with_name("handing_stores.py").read_text().splitlines()


def findings(store: str, guarantee: str, **options: object) -> list[FindingRecord]:
    plan = Plan(
        subject=f"{STORES}:{store}",
        guarantees=(guarantee,),
        **({"effort": "quick"} | options),  # type: ignore[arg-type]
    )
    return check(plan).report.findings


def marked(culprit: Culprit | None, word: str) -> bool:
    """Whether a line is one that the store declares, in the function that has it."""
    assert culprit is not None
    return SOURCE[culprit.line - 1].endswith(f"# {word}")


def test_a_store_that_syncs_everything_holds() -> None:
    assert findings("Whole", "durability") == []


@pytest.mark.parametrize("store", ["ToThread", "Executor", "Thread", "Own"])
def test_the_line_that_handed_a_call_to_a_thread_is_blamed(store: str) -> None:
    (found,) = findings(store, "durability")
    assert marked(found.culprit, "culprit")
    assert found.fix is not None
    assert found.fix.change.startswith("fsync the directory after handing_stores.py:")
    assert found.fix.verified == "trace"


def test_the_line_that_gave_an_asynchronous_file_its_bytes_is_named() -> None:
    (found,) = findings("Files", "atomicity")
    assert found.culprit is not None
    assert found.culprit.source.startswith("os.replace(")
    assert marked(found.missing, "given")
    assert found.fix is not None
    assert found.fix.verified == "trace"


def test_what_follows_a_kill_blames_the_lines_that_the_run_does() -> None:
    """A file never synced is one cause, with or without a kill before the power cut."""
    found = findings("Plain", "durability", effort="default", profiles=("posix", "ext4"))
    lines = [one.culprit.source for one in found if one.culprit is not None]
    assert sorted(lines) == [
        "os.makedirs(directory, exist_ok=True)",
        'os.replace(self.path(".tmp"), self.path(key))',
        'os.replace(self.path(".tmp"), self.path(key))',
        "os.unlink(self.path(key))",
    ]
    assert all(one.fix is not None and one.fix.verified == "trace" for one in found)
    reordered = [one for one in found if one.missing is not None]
    assert [marked(one.missing, "given") for one in reordered] == [True]


def test_a_power_cut_after_a_kill_has_its_fix_proven_with_the_others_that_lack() -> None:
    """The delete that was killed is lost as well: its sync is one of those that are needed."""
    plan = Plan(f"{STORES}:Plain", ("ext4",), guarantees=("durability",))
    (one,) = [one for one in check(plan).settled if one.candidate.reproduction.kill_at is not None]
    assert one.fix is not None
    needed = [one.fix.change, *one.fix.together]
    lines = [SOURCE[int(text.rsplit(":", 1)[1]) - 1].strip() for text in needed]
    assert [text.split(" handing_stores")[0] for text in needed] == [
        "fsync the file before",
        "fsync the directory after",
        "fsync the directory after",
    ]
    assert sorted(text.split("(")[0] for text in lines) == ["os.replace", "os.replace", "os.unlink"]
