"""Under pytest-xdist scenarios that share work go to one worker, the dearest first."""

import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest

pytest.importorskip("xdist")

from harness.balance import Balanced, costs_of, place_of_test

ROOT = Path(__file__).parents[2]


def nodeid(guarantee, profile):
    name = guarantee.replace("-", "_")
    return f"scenarios/test_{name}.py::test_{name}[{profile}]"


def test_work_that_is_shared_has_one_name():
    assert place_of_test(nodeid("atomicity", "xfs")) == "xfs"
    assert place_of_test(nodeid("durability", "xfs")) == "xfs"
    for guarantee in ("clean-failure", "integrity", "hygiene", "isolation"):
        assert place_of_test(nodeid(guarantee, "xfs")) == guarantee
        assert place_of_test(nodeid(guarantee, "ext4")) == guarantee
    assert place_of_test("tests/test_mine.py::test_mine") is None
    assert place_of_test("tests/test_mine.py::test_other[xfs]") is None


def test_costs_are_added_up_by_place():
    durations = [
        (nodeid("atomicity", "xfs"), 2.0),
        (nodeid("listing", "xfs"), 0.5),
        (nodeid("isolation", "xfs"), 7.0),
        ("tests/test_mine.py::test_mine", 100.0),
    ]
    assert costs_of(durations) == {"xfs": 2.5, "isolation": 7.0}


def test_the_dearest_goes_first_and_what_was_never_run_is_taken_for_dear(monkeypatch):
    given = []
    base = Balanced.__mro__[1]
    monkeypatch.setattr(
        base, "_assign_work_unit", lambda self, _: given.append(self.workqueue.popitem(last=False))
    )
    scheduler = Balanced.__new__(Balanced)
    scheduler._costs = {"kill": 1.0, "isolation": 9.0, "posix": 4.0}
    scheduler.workqueue = OrderedDict.fromkeys(("kill", "posix", "mine", "isolation"))
    while scheduler.workqueue:
        scheduler._assign_work_unit(None)
    assert [place for place, _ in given] == ["isolation", "mine", "posix", "kill"]


def scenarios(where, *words):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--pyargs", "scenarios", "-v", "-o", "addopts="),
            "--harness-subject=scenarios.zoo.rename_without_fsync:broken",
            *("--harness-effort=quick", "--harness-profile=kill", "--harness-profile=posix"),
            *("--harness-guarantee=atomicity", "--harness-guarantee=listing"),
            *("--harness-guarantee=hygiene", f"--harness-report={where / 'report'}"),
            *("-o", f"cache_dir={where / 'cache'}", *words),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads((where / "report" / "report.json").read_text())
    return done.stdout, report


def test_two_workers_give_the_verdicts_of_one_and_share_no_work(tmp_path):
    _, one = scenarios(tmp_path / "one", "-n", "0")
    told, two = scenarios(tmp_path / "two", "-n", "2")
    assert two["verdicts"] == one["verdicts"]
    assert [finding["id"] for finding in two["findings"]] == [
        finding["id"] for finding in one["findings"]
    ]
    # Nothing was done twice: what both count is the same, whoever did it.
    assert two["stats"]["executed"] == one["stats"]["executed"]
    workers = {}
    for line in told.splitlines():
        words = line.replace("[gw", " gw").split()
        ran = [word for word in words if "::" in word]
        who = next((word.rstrip("]") for word in words if word.startswith("gw")), None)
        if ran and who and place_of_test(ran[-1]):
            workers.setdefault(place_of_test(ran[-1]), set()).add(who)
    assert set(workers) >= {"kill", "posix", "hygiene"}
    assert all(len(who) == 1 for who in workers.values())
    known = json.loads((tmp_path / "two" / "cache/v/checkpoint-harness/costs").read_text())
    assert set(known) == {"kill", "posix", "hygiene"}
