"""Running the command: as a process of its own where streams matter, else in this one."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli import main
from harness.runner import Plan, check

ROOT = Path(__file__).parents[2]

BROKEN = "scenarios.zoo.no_directory_sync:broken"
FIXED = "scenarios.zoo.no_directory_sync:fixed"


@dataclass
class Run:
    """What a run of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def line(self):
        """The one line on stderr."""
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Run the command in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments):
        capsys.readouterr()
        code = main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        return Run(code, out, err)

    return run


@pytest.fixture
def process(tmp_path):
    """Run the command as a process, in an empty directory."""

    def run(*arguments, **options):
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        options = {"cwd": tmp_path, "stdin": subprocess.DEVNULL} | streams | options
        done = subprocess.run(
            [sys.executable, "-m", "harness", *map(str, arguments)], check=False, **options
        )
        return Run(done.returncode, (done.stdout or b"").decode(), (done.stderr or b"").decode())

    return run


@pytest.fixture
def subject(tmp_path):
    """Write a store of a few lines to a file, and give its name."""

    def write(source, attribute="open_store", name="shop.py"):
        (tmp_path / name).write_text(source)
        return f"{name}:{attribute}"

    return write


@pytest.fixture(scope="session")
def outcome():
    """What a real check of a broken store came to."""
    return check(Plan(BROKEN, ("kill", "ordered"), effort="quick"))


@pytest.fixture
def canned(outcome, monkeypatch):
    """Let `harness check` give that outcome without the work, where a test is about the shell."""
    monkeypatch.setattr("harness.runner.check", lambda *_: outcome)
    return outcome
