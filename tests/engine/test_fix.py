"""A proposed sync is proven by editing the trace; what no sync mends is not said to be mended."""

from __future__ import annotations

import pytest

from harness.runner import Plan, check


def fixes(subject: str, guarantee: str) -> list[tuple[str, str | None, int, int | None]]:
    plan = Plan(subject=subject, effort="quick", guarantees=(guarantee,), profiles=("posix",))
    found = check(plan).report.findings
    return [
        (f.fix.change, f.fix.verified, f.fix.violations_before, f.fix.violations_after)
        for f in found
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


def test_what_no_sync_mends_is_not_called_proven() -> None:
    for change, verified, _, after in fixes("scenarios.zoo.truncate_in_place:broken", "atomicity"):
        assert verified is None, change
        assert after is None
