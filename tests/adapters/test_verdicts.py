"""The verdicts on stores that nobody here wrote are those that their source promises."""

import importlib
import os

import pytest

from harness.runner import Plan, check
from scenarios.adapters import ADAPTERS

FULL = os.environ.get("HARNESS_FULL") == "1"
SOME = ("atomicwrites_files", "simplekv_filesystem")


@pytest.mark.parametrize("name", ADAPTERS if FULL else SOME)
def test_expected_verdicts(name):
    try:
        adapter = importlib.import_module(f"scenarios.adapters.{name}")
    except ImportError as error:
        pytest.skip(f"scenarios.adapters.{name}: {error}; install checkpoint-harness[adapters]")
    for expected in (adapter.EXPECTED, adapter.UNCLAIMED):
        guarantees = tuple(dict.fromkeys(g for verdicts in expected.values() for g in verdicts))
        if not guarantees:
            continue
        outcome = check(
            Plan(
                subject=f"scenarios.adapters.{name}:open_store",
                profiles=("kill", "ordered", "posix"),
                guarantees=guarantees,
                effort="quick",
            )
        )
        found = {(v.profile, v.guarantee): v.verdict for v in outcome.report.verdicts}
        declared = {
            (profile, guarantee): verdict
            for profile, verdicts in expected.items()
            for guarantee, verdict in verdicts.items()
        }
        assert {pair: found[pair] for pair in declared} == declared
        assert all(finding.replays == "10/10" for finding in outcome.report.findings)
        for finding in outcome.report.findings:
            assert finding.culprit is None or not finding.culprit.file.startswith("harness/")
