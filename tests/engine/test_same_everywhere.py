"""Equal plans give equal reports and reproductions, byte for byte, wherever they run."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "reported.py"
ROOT = SCRIPT.parents[2]

# With sampling and several findings where there is time for it.
FULL = os.environ.get("HARNESS_FULL") == "1"
SUBJECT = f"scenarios.zoo.{'rename_without_fsync' if FULL else 'no_directory_sync'}:broken"
PROFILES = ("kill", "ordered", "posix") if FULL else ("ordered",)

PYTHONS = os.environ.get("HARNESS_PYTHONS", "python3.12:python3.13").split(":")
"""Interpreters that have the harness's dependencies; those that do not are skipped."""


def reported(*, python=sys.executable, workers=1, hash_seed="0", cwd=ROOT, subject=SUBJECT, **env):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed} | env
    done = subprocess.run(
        [python, str(SCRIPT), subject, str(workers), *PROFILES],
        check=False,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def usual():
    text = reported()
    report, repros = json.loads(text)
    assert report["findings"], "nothing found, so nothing compared"
    assert len(repros) == len(report["findings"])
    return text


def test_under_another_hash_seed():
    assert reported(hash_seed="1") == usual()


def test_shared_out_to_two_workers():
    assert reported(workers=2) == usual()


def test_in_another_directory_environment_and_time_zone(tmp_path):
    text = reported(cwd=tmp_path, TZ="Asia/Kathmandu", LANG="tr_TR.UTF-8", HOME=str(tmp_path))
    # Files are named as seen from where one stands, or as installed: the same here.
    assert text == usual()


@pytest.mark.parametrize("name", PYTHONS)
def test_under_another_python(name):
    python = shutil.which(name)
    if python is None:
        pytest.skip(f"there is no {name}; name others in HARNESS_PYTHONS")
    probe = [python, "-c", "import msgspec, pyfakefs, click, rich"]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip(f"{name} lacks the harness's dependencies; name others in HARNESS_PYTHONS")
    assert reported(python=python) == usual()
