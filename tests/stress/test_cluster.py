"""Many machines, in small: a real Dask cluster on loopback, one worker of which is killed."""

import json
import subprocess
import sys

import pytest
from stressing import FULL, ROOT, report_of, rounds_in, stress

pytest.importorskip("distributed")

RIGHT = "scenarios.zoo.rename_without_fsync:fixed"
ROUNDS = 8 if FULL else 4
WORDS = ("--guarantee", "recovery", "--profile", "posix", "--rounds", ROUNDS)


def test_a_worker_that_is_killed_loses_nothing_and_counts_nothing_twice(tmp_path):
    stress(RIGHT, *WORDS, "--report", tmp_path / "here", code=0)
    there = tmp_path / "there"
    script = ROOT / "tests" / "stress" / "cluster_kill.py"
    done = subprocess.run(
        [sys.executable, str(script), RIGHT, str(there), str(ROUNDS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert report_of(there) == report_of(tmp_path / "here")
    assert sorted(rounds_in(there), key=int) == [str(number) for number in range(ROUNDS)]


def test_without_the_extra_it_is_one_line(tmp_path):
    script = (
        "import sys; sys.modules['distributed'] = None\n"
        "from harness.cli import main\n"
        f"sys.exit(main(['stress', {RIGHT!r}, '--cluster', 'local:1', '--rounds', '1', "
        f"'--report', {str(tmp_path / 'run')!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'checkpoint-harness[cluster]'" in done.stderr


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (("0.0.9", "x", ""), "has checkpoint-harness 0.0.9, this is"),
        (("same", "other", ""), "has another source of"),
        (("same", "", "no module named 'x'"), "no module named 'x'"),
        (ModuleNotFoundError("No module named 'harness'"), "cannot run the harness"),
    ],
)
def test_a_worker_of_another_version_or_source_is_one_clear_line(answer, told, tmp_path):
    from harness import __version__  # noqa: PLC0415
    from harness.cluster import _agree  # noqa: PLC0415
    from harness.errors import UsageError  # noqa: PLC0415
    from harness.runner import Plan  # noqa: PLC0415
    from harness.stress.records import Stress  # noqa: PLC0415

    if isinstance(answer, tuple) and answer[0] == "same":
        answer = (__version__, *answer[1:])

    class Client:
        def run(self, *_, **__):
            return {"tcp://10.0.0.7:4000": answer}

    with pytest.raises(UsageError, match=r"worker tcp://10\.0\.0\.7:4000") as caught:
        _agree(Client(), Stress(Plan(RIGHT), str(tmp_path)))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path):
    done = stress(
        RIGHT, "--rounds", 1, "--cluster", "tcp://127.0.0.1:1", "--report", tmp_path, code=2
    )
    assert done.stderr.count("\n") == 1
    assert "no scheduler answers" in done.stderr
    assert json.dumps(done.stdout) == '""'
