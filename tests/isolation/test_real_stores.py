"""Stores from PyPI under several writers, with what their own words promise.

Confirmed outside the harness, with real processes for four seconds each: a reader of pickleshare
missed a key that was always there in 45,833 of 48,368 tries; cachelib's ``set`` returned False,
though it had written, in 786 of 2,190 tries beside a process that deletes; atomicwrites showed no
torn or missing value in 106,012.
"""

import importlib

import pytest

from harness.runner import Plan, check

EXPECTED = {
    # "many processes can access the database simultaneously": a promise, and broken.
    "pickleshare_db": ("violated", "vanished", "self._database[key] = value"),
    # Says nothing of several writers but "being the only user of the cache_dir": set() looks at
    # its file again after the rename, and returns False where another process has deleted it.
    "cachelib_filesystem": ("violated", "raises", "fsize = Path(filename).stat().st_size"),
    # "atomic file writes": kept.
    "atomicwrites_files": ("held", None, None),
    # "this shouldn't be used for interprocess persistence", and TinyDB's own list of why not.
    "zict_file": ("not-exercised", None, None),
    "tinydb_json": ("not-exercised", None, None),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_it_promises_about_several_writers(name):
    try:
        importlib.import_module(f"scenarios.adapters.{name}")
    except ImportError as error:
        pytest.skip(f"scenarios.adapters.{name}: {error}; install checkpoint-harness[adapters]")
    subject = f"scenarios.adapters.{name}:open_store"
    plan = Plan(subject=subject, profiles=("kill",), guarantees=("isolation",), effort="quick")
    outcome = check(plan)
    verdict, kind, line = EXPECTED[name]
    assert [one.verdict for one in outcome.report.verdicts] == [verdict]
    findings = outcome.report.findings
    assert all(finding.replays == "10/10" for finding in findings)
    if kind is not None:
        assert kind in [finding.kind for finding in findings]
        assert line in [finding.culprit.source for finding in findings]
