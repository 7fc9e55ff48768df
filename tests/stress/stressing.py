"""Running the stress command, and reading what it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("HARNESS_FULL") == "1"
RARE = "scenarios.zoo.journal_dropped_for_room"


def command(*words):
    return [sys.executable, "-m", "harness", *map(str, words)]


def run(*words, code=None):
    done = subprocess.run(
        command(*words), cwd=ROOT, capture_output=True, text=True, check=False, timeout=900
    )
    if code is not None:
        assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def stress(*words, code=None):
    return run("stress", *words, code=code)


def report_of(directory):
    """The report without what depends on the clock."""
    document = json.loads((Path(directory) / "stress.json").read_text())
    del document["timing"]
    return document


def rounds_in(directory):
    """Keys of the rounds in a journal, as often as they are there."""
    lines = (Path(directory) / "journal.jsonl").read_text().splitlines()[1:]
    return [json.loads(line[9:])["key"] for line in lines]
