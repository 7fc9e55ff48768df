"""Stress runs as a user has them: killed and resumed, in shards, on hostile stores."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from stressing import FULL, RARE, ROOT, command, report_of, rounds_in, run, stress

BROKEN = "scenarios.zoo.rename_without_fsync:broken"
RIGHT = "scenarios.zoo.rename_without_fsync:fixed"
ROUNDS = 30 if FULL else 6


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("stress") / "whole"
    stress(BROKEN, "--rounds", ROUNDS, "-n", 2, "--report", directory, code=1)
    return directory


def children(pid):
    text = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(word) for word in text.split()]


def kill_at(process, directory, bytes_wanted, dice):
    """Kill the run, or one of its workers, once its journal is so long; tell whether the run."""
    journal = directory / "journal.jsonl"
    while process.poll() is None:
        if journal.exists() and journal.stat().st_size >= bytes_wanted:
            workers = children(process.pid)
            if workers and dice.random() < 0.4:
                os.kill(dice.choice(workers), signal.SIGKILL)
                return False
            process.kill()
            process.wait()
            return True
        time.sleep(0.01)
    return True


def test_a_run_that_is_killed_over_and_over_ends_as_one_that_is_not(undisturbed, tmp_path):
    dice = random.Random(20)
    directory = tmp_path / "killed"
    words = ["stress", BROKEN, "--rounds", ROUNDS, "-n", 2, "--report", directory]
    kills = 10 if FULL else 3
    whole = (undisturbed / "journal.jsonl").stat().st_size
    # Anywhere in the run, its very beginning and the shrinking at its end included.
    moments = sorted(dice.randrange(1, whole) for _ in range(kills))
    process = None
    for moment in moments:
        if process is None or process.poll() is not None:
            process = subprocess.Popen(
                command(*words), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        kill_at(process, directory, moment, dice)
    if process.poll() is None:
        process.wait()
    run(*words, code=1)
    assert report_of(directory) == report_of(undisturbed)
    assert sorted(rounds_in(directory), key=int) == [str(number) for number in range(ROUNDS)]
    for path in undisturbed.glob("*.repro.json"):
        assert (directory / path.name).read_bytes() == path.read_bytes()
    # And once more: nothing is left to do, and nothing changes.
    again = run(*words, code=1)
    assert f"{ROUNDS} rounds are done already" in again.stderr
    assert report_of(directory) == report_of(undisturbed)


def test_what_is_found_is_on_disk_before_its_round_is_done(tmp_path):
    """The journal is refused: no round ever gets done, and yet nothing found is lost."""
    directory = tmp_path / "run"
    directory.mkdir()
    done = stress(BROKEN, "--rounds", 1, "--seed", 1, "--report", directory)
    assert done.returncode == 1
    names = {path.name.split(".")[0] for path in (directory / "found").glob("*.json")}
    assert names == {finding["id"] for finding in report_of(directory)["findings"]}
    # A kill right before the journal's line: the round is done again, and counted once.
    journal = directory / "journal.jsonl"
    before = report_of(directory)
    first, _, _ = journal.read_bytes().partition(b"\n")
    journal.write_bytes(first + b"\n")
    stress(BROKEN, "--rounds", 1, "--seed", 1, "--report", directory, code=1)
    assert report_of(directory) == before


def test_a_round_runs_again_from_its_seed_and_number(undisturbed):
    key = report_of(undisturbed)["kept"][0]
    words = (BROKEN, "--round", key, "--json")
    one, two = stress(*words), stress(*words)
    assert one.stdout == two.stdout
    line = next(
        line
        for line in (undisturbed / "journal.jsonl").read_text().splitlines()[1:]
        if json.loads(line[9:])["key"] == key
    )
    record, again = json.loads(line[9:]), json.loads(one.stdout)["record"]
    for name in ("plan", "features", "states", "signs", "found"):
        assert record.get(name) == again.get(name), name


def test_findings_of_a_run_replay(undisturbed):
    for finding in report_of(undisturbed)["findings"]:
        assert finding["replays"] == "10/10"
        run("replay", undisturbed / finding["repro"], code=1)


def test_shards_together_are_the_whole(undisturbed, tmp_path):
    parts = []
    for number in range(1, 5):
        part = tmp_path / str(number)
        done = stress(BROKEN, "--rounds", ROUNDS, "--shard", f"{number}/4", "--report", part)
        assert done.returncode in (0, 1), done.stderr
        parts.append(part)
    run("merge", *parts, "--report", tmp_path / "joined", code=1)
    assert report_of(tmp_path / "joined") == report_of(undisturbed)
    keys = [key for part in parts for key in rounds_in(part)]
    assert sorted(keys, key=int) == [str(number) for number in range(ROUNDS)]
    assert min(len(rounds_in(part)) for part in parts) >= 1
    told = run("merge", *parts[:3], code=2).stderr
    assert "shard 4/4 is missing" in told
    told = run("merge", *parts, parts[0], code=2).stderr
    assert "shard 1/4 is there twice" in told


HOSTILE = {
    "exits": ("exit", "status 9"),
    "crashes": ("crash", "SIGSEGV"),
    "devours": ("memory", "MemoryError"),
    "wrong": ("baseline", "no large values"),
} | ({"hangs": ("hang", "never returned")} if FULL else {})


@pytest.mark.parametrize("which", HOSTILE if FULL else ("crashes", "devours"))
def test_a_hostile_round_is_a_finding_of_its_own_kind_and_the_run_goes_on(which, tmp_path):
    kind, told = HOSTILE[which]
    name = f"tests/stress/hostile.py:{which}"
    words = (name, "--rounds", 16, "--seed", 1, "--guarantee", "recovery", "--profile", "posix")
    stress(*words, "--memory", 2, "-n", 2, "--report", tmp_path / "run", code=1)
    report = report_of(tmp_path / "run")
    assert report["rounds"] == 16
    assert {one["kind"] for one in report["broken"]} == {kind}
    broken = [key for one in report["broken"] for key in one["rounds"]]
    assert 0 < len(broken) < 16
    assert all(told in one["detail"] for one in report["broken"])
    assert report["guarantees"]["recovery"]["rounds"] >= 16 - len(broken) - 4
    for key in broken:
        assert (tmp_path / "run" / f"round-{key}.plan.json").is_file()


@pytest.mark.skipif(
    not FULL, reason="four runs; tests/stress/test_corpus.py has one: HARNESS_FULL=1"
)
def test_the_corpus_is_small_whole_and_the_next_run_begins_with_it(tmp_path):
    corpus = tmp_path / "corpus"
    words = (RIGHT, "--rounds", 6, "--guarantee", "recovery", "--profile", "posix")
    stress(*words, "--corpus", corpus, "--report", tmp_path / "one", code=None)
    first = {path.name: path.read_bytes() for path in corpus.iterdir()}
    one = report_of(tmp_path / "one")
    assert 0 < len(first) <= len(one["kept"])
    stress(*words, "--seed", 5, "--corpus", corpus, "--report", tmp_path / "two", code=None)
    two = report_of(tmp_path / "two")
    assert two["corpus"] == len(first)
    assert two["signs"] >= one["signs"]  # the corpus saw all that the first run did
    # Again on a corpus that saw it all: it does not grow.
    names = {path.name for path in corpus.iterdir()}
    stress(*words, "--seed", 5, "--corpus", corpus, "--report", tmp_path / "three", code=None)
    assert {path.name for path in corpus.iterdir()} <= names
    assert all(len(path.read_bytes()) < 6000 for path in corpus.iterdir())
    stress(RIGHT, "--plan", next(corpus.iterdir()), code=0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--time", "soon"), "'soon' is no time"),
        (("--rounds", "0"), "--rounds"),
        (("--shard", "5/4"), "shard '5/4'"),
        (("--cluster", "nowhere"), "--cluster 'nowhere'"),
        (("--plan", "absent.plan.json"), "absent.plan.json: cannot be read"),
        (("--round", "1", "--plan", "x"), "exclude each other"),
    ],
)
def test_bad_words_are_one_line(words, told):
    done = stress(BROKEN, *words, code=2)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_directory_of_another_run_is_refused_by_name(undisturbed):
    told = stress(BROKEN, "--seed", 9, "--rounds", 1, "--report", undisturbed, code=2).stderr
    assert "seed 0 there, 9 here" in told
    told = stress(f"{RARE}:broken", "--rounds", 1, "--report", undisturbed, code=2).stderr
    assert "subject" in told


def test_a_store_that_never_works_is_no_finding(tmp_path):
    Path(tmp_path / "bad.py").write_text("def store(directory):\n    raise ValueError('no')\n")
    done = stress(f"{tmp_path}/bad.py:store", "--rounds", 1, "--report", tmp_path / "run", code=4)
    assert "with no fault injected" in done.stderr
