"""Stores from PyPI under several writers, with what their own words promise.

Confirmed outside the harness, with real processes for four seconds each: a reader of pickleshare
missed a key that was always there in 45,833 of 48,368 tries; cachelib's ``set`` returned False,
though it had written, in 786 of 2,190 tries beside a process that deletes; atomicwrites showed no
torn or missing value in 106,012. Beaker lost none of 97 updates of two processes, each of its own
key in one namespace, and raised nothing; TinyDB failed in 8,556 of 8,558 (JSONDecodeError: it reads
what another process has truncated), which is why its adapter declares a single writer.
"""

import importlib
from dataclasses import replace

import pytest

from harness.intercept import rerouted
from harness.isolation.races import standing_races
from harness.isolation.racing import Bounds, judge_race
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.runner import Plan, check
from harness.subjects import load

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


BOUNDS = Bounds(preemptions=1, cut=0, struck=0, budget=100)


def judged(subject, names):
    with rerouted(), quiet():
        for race in standing_races(lists=False, modes=("processes",)):
            if race.name in names:
                kill = (PROFILES["kill"],)
                yield judge_race(subject, race, kill, BOUNDS, seed=0, claims=("isolation",))


BEAKER = ["same key", "create and create", "different keys", "write and remove", "write and read"]


@pytest.mark.parametrize("race", BEAKER)
def test_beaker_keeps_what_its_locks_promise_to_several_processes(race):
    """Managers of one name "will attempt to synchronize against a common mutex object", for files
    "across multiple processes" (container.py:47): a flock around every access; and it holds."""
    pytest.importorskip("beaker")
    subject = load("scenarios.adapters.beaker_file:open_store")
    results = list(judged(subject, [f"processes: {race}"]))
    assert len(results) == 1
    for result in results:
        assert result.error is None
        assert result.candidates == []
        assert result.coverage["kill"].exhaustive
        assert result.executed > 20
        assert result.coverage["kill"].faults > 3  # orders that differ for those who look


def test_tinydb_breaks_among_processes_as_it_says():
    pytest.importorskip("tinydb")
    subject = replace(load("scenarios.adapters.tinydb_json:open_store"), single_writer=False)
    for result in judged(subject, ["processes: same key", "processes: different keys"]):
        assert result.error is None
        kinds = {one.kind for one in result.candidates}
        assert kinds & {"lost-update", "vanished", "raises", "stale-read"}, kinds
