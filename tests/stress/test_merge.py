"""Shards of a check, joined: byte for byte what one run gives, but for the time it took."""

import json

import pytest
from stressing import run

from harness.errors import UsageError
from harness.ops import Workload, write
from harness.shards import cost_of, divided, parse_shard
from harness.stress.engine import differences
from harness.stress.records import RunHeader

BROKEN = "scenarios.zoo.rename_without_fsync:broken"
WORDS = ("check", BROKEN, "--quick", "--profile", "ext4", "--profile", "posix")


def report_of(directory):
    document = json.loads((directory / "report.json").read_text())
    del document["stats"]["seconds"], document["stats"]["states_per_second"]
    return document


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    where = tmp_path_factory.mktemp("shards")
    parts = []
    for number in range(1, 5):
        part = where / str(number)
        done = run(*WORDS, "--shard", f"{number}/4", "--report", part)
        assert done.returncode in (0, 1), done.stderr
        parts.append(part)
    return parts


def test_four_shards_joined_are_the_whole(shards, tmp_path):
    run(*WORDS, "--report", tmp_path / "whole", code=1)
    run("merge", *shards, "--report", tmp_path / "joined", code=1)
    assert report_of(tmp_path / "joined") == report_of(tmp_path / "whole")
    names = {path.name for path in (tmp_path / "whole").glob("*.repro.json")}
    assert names
    assert names == {path.name for path in (tmp_path / "joined").glob("*.repro.json")}
    for name in names:
        assert (tmp_path / "joined" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_shard_says_that_it_is_one_and_claims_nothing_alone(shards):
    document = json.loads((shards[0] / "report.json").read_text())
    assert document["shard"] == "1/4"
    assert {one["verdict"] for one in document["verdicts"]} <= {"inconclusive", "violated"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": "9.9"}, "version differs: 0.1.0 and 9.9"),
        ({"fingerprint": "feed"}, "the subject's source (fingerprint) differs"),
        ({"seed": 4}, "seed differs: 0 and 4"),
        ({"plan_hash": "feed"}, "the plan differs"),
    ],
)
def test_shards_of_different_plans_are_refused_by_name(shards, tmp_path, change, told):
    document = json.loads((shards[1] / "shard.json").read_text())
    document["header"] |= change
    (tmp_path / "shard.json").write_text(json.dumps(document))
    done = run("merge", shards[0], tmp_path, shards[2], shards[3], code=2)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_missing_and_doubled_shards_are_named(shards):
    assert "shard 2/4, 4/4 is missing" in run("merge", shards[0], shards[2], code=2).stderr
    assert "shard 1/4 is there twice" in run("merge", *shards, shards[0], code=2).stderr


def test_a_division_is_stable_complete_and_balanced_by_cost():
    workloads = [
        Workload(str(n), tuple(write("a", bytes(n * 900)) for _ in range(n % 5 + 1)))
        for n in range(40)
    ]
    costs = [cost_of(one) for one in workloads]
    parts = divided(costs, 4)
    assert parts == divided(costs, 4)
    assert sorted(unit for part in parts for unit in part) == list(range(40))
    sums = [sum(costs[unit] for unit in part) for part in parts]
    assert max(sums) < 1.2 * min(sums)
    # By count they would not be: that is what the costs are for.
    by_count = [sum(costs[unit] for unit in range(40) if unit // 10 == part) for part in range(4)]
    assert max(by_count) > 1.5 * min(by_count)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "-1/4", "1/0"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="give K/N"):
        parse_shard(text)


def test_runs_that_differ_say_in_what():
    one = RunHeader(
        version="1",
        subject="x:y",
        seed=0,
        plan_hash="a",
        fingerprint="f",
        profiles=["posix"],
        judged=["recovery"],
        corpus=[],
    )
    other = RunHeader(
        version="2",
        subject="x:y",
        seed=0,
        plan_hash="b",
        fingerprint="g",
        profiles=["posix"],
        judged=["recovery"],
        corpus=[],
    )
    assert differences(one, one) == ""
    told = differences(one, other)
    assert "version 1 there, 2 here" in told
    assert "fingerprint) f there, g here" in told
