"""The scenarios under pytest: stable ids."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CRASHES = ("atomicity", "durability", "recovery", "listing")


@pytest.fixture
def project(tmp_path):
    """Run pytest on the scenarios in somebody's project, whose warnings are errors."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    def run(*arguments):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs"]
        return subprocess.run(
            [*command, "scenarios", "--harness-effort=quick", *arguments],
            check=False,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )

    return run


def options(profile, *guarantees):
    return [f"--harness-profile={profile}"] + [f"--harness-guarantee={name}" for name in guarantees]


def test_ids_name_the_guarantee_and_the_profile(project):
    done = project("--collect-only", "-q", *options("kill"), "--harness-profile=xfs")
    ids = re.findall(r"::(\S+)", done.stdout)
    for name in CRASHES:
        assert f"test_{name}[kill]" in ids
        assert f"test_{name}[xfs]" in ids
