"""Correct stores in other styles than the reference's and the zoo's keep every promise.

Two of them, under the model that allows most, by default; all of them, under all models and with
drawn workloads, with ``HARNESS_FULL=1``.
"""

import os
from pathlib import Path

import pytest

from harness.persistence import PROFILES
from harness.runner import Plan, check

FULL = os.environ.get("HARNESS_FULL") == "1"
STORES = ("AppendOnlyLog", "DirectoryPerKey", "DoubleSlot", "JsonWithBackup", "UndoJournal")


@pytest.mark.parametrize("name", STORES if FULL else ("DirectoryPerKey", "JsonWithBackup"))
def test_a_correct_store_raises_no_alarm(name):
    path = Path(__file__).parent / "correct_stores.py"
    outcome = check(
        Plan(
            subject=f"{path}:{name}",
            profiles=tuple(PROFILES) if FULL else ("kill", "posix"),
            effort="default" if FULL else "quick",
        )
    )
    assert [finding.summary for finding in outcome.report.findings] == []
    assert {verdict.verdict for verdict in outcome.report.verdicts} == {"held"}
    assert outcome.exit_code() == 0
