"""A race's reproduction leads to the same run: in any process, beside any other, or it says no."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.finding import TURNS_COUNTED
from harness.runner import Plan, check

ROOT = Path(__file__).parents[2]
TIMES = 10


@pytest.fixture(scope="module", params=["lost_update", "lost_update_between_threads"])
def reproduction(request, tmp_path_factory):
    plan = Plan(
        subject=f"scenarios.zoo.{request.param}:broken",
        profiles=("kill",),
        guarantees=("isolation",),
        effort="quick",
    )
    outcome = check(plan)
    path = tmp_path_factory.mktemp("reproduction") / "one.json"
    path.write_bytes(outcome.repros[outcome.report.findings[0].id])
    return path


def test_ten_of_ten_among_workers_of_pytest(reproduction, tmp_path):
    """Each worker is another process, with another hash seed, and replays beside the other."""
    test = tmp_path / "test_again.py"
    test.write_text(
        "import pytest\n"
        "from harness.finding import load_reproduction\n"
        "from harness.persistence import PROFILES\n"
        "from harness.replay import replay\n"
        "from harness.subjects import load\n"
        f"@pytest.mark.parametrize('time', range({TIMES}))\n"
        "def test_again(time):\n"
        f"    one = load_reproduction(open({str(reproduction)!r}, 'rb').read(), 'one.json')\n"
        "    result = replay(load(one.subject), one, PROFILES)\n"
        "    assert (result.outcome, result.exact) == ('reproduced', True)\n"
        "    assert result.detail == one.observed\n"
    )
    words = ["-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert f"{TIMES} passed" in done.stdout


def test_one_whose_turns_were_counted_otherwise_is_refused_in_a_line(reproduction, capsys):
    document = json.loads(reproduction.read_bytes())
    assert document["race"].pop("counting") == TURNS_COUNTED
    old = reproduction.with_name("old.json")
    old.write_text(json.dumps(document))
    assert main(["replay", str(old)]) == 2
    said = "".join(capsys.readouterr())
    assert "counts turns in another way" in said
    assert "check the subject again" in said
    assert said.count("\n") == 1
