"""The corpus and the baseline: what a check keeps, accepts, and wants out of the list again."""

import json
import subprocess
import sys

import pytest

STORE = """\
import os


class Notes:
    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.sync(os.path.dirname(directory))

    def sync(self, path):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def write(self, key, value):
        path = os.path.join(self.directory, key)
        with open(path + ".tmp", "wb") as file:
            file.write(value)
            SYNC
        os.replace(path + ".tmp", path)
        self.sync(self.directory)

    def read(self, key):
        with open(os.path.join(self.directory, key), "rb") as file:
            return file.read()

    def delete(self, key):
        os.remove(os.path.join(self.directory, key))
        self.sync(self.directory)

    def list(self):
        return [name for name in os.listdir(self.directory) if not name.endswith(".tmp")]


Notes.guarantees = ("atomicity", "durability")
"""
BROKEN = STORE.replace("SYNC", "pass")
MENDED = STORE.replace("SYNC", "file.flush(); os.fsync(file.fileno())")
CHECK = ("check", "notes.py:Notes", "--quick", "--profile", "posix", "--guarantee", "atomicity")


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.py"
    path.write_text(BROKEN)
    return path


@pytest.fixture
def plain_pytest(tmp_path):
    """Run pytest as a user would, in the project."""

    class Run:
        def __init__(self, done):
            self.code, self.out = done.returncode, done.stdout

    def run(*arguments):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        return Run(
            subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        )

    return run


def test_what_is_listed_is_accepted_and_what_is_new_fails(process, notes):
    assert process(*CHECK, "--baseline", "b.json").code == 2
    made = process(*CHECK, "--baseline", "b.json", "--update-baseline")
    assert made.code == 0
    run = process(*CHECK, "--baseline", "b.json")
    assert run.code == 0
    assert "baseline b.json: 1 accepted, 0 new, 0 fixed" in run.out
    path = notes.with_name("b.json")
    document = json.loads(path.read_text())
    document["findings"][0]["id"] = "atomicity-00000000"
    path.write_text(json.dumps(document))
    run = process(*CHECK, "--baseline", "b.json")
    assert run.code == 1
    assert "0 accepted, 1 new, 1 fixed" in run.out


def test_edits_above_the_line_leave_a_baseline_alone(process, notes):
    process(*CHECK, "--baseline", "b.json", "--update-baseline")
    notes.write_text(
        "# A comment.\n\n\n" + BROKEN.replace("import os\n", "import os\nimport sys\n")
    )
    run = process(*CHECK, "--baseline", "b.json")
    assert run.code == 0
    assert "1 accepted, 0 new, 0 fixed" in run.out


def test_what_is_fixed_and_still_listed_fails_until_it_is_taken_out(process, notes):
    process(*CHECK, "--baseline", "b.json", "--update-baseline")
    notes.write_text(MENDED)
    run = process(*CHECK, "--baseline", "b.json")
    assert run.code == 1
    assert "0 accepted, 0 new, 1 fixed" in run.out
    # A run that does not judge the guarantee does not call it fixed.
    other = (*CHECK[:-1], "durability", "--baseline", "b.json")
    assert process(*other).code == 0
    assert process(*CHECK, "--baseline", "b.json", "--update-baseline").code == 0
    assert json.loads(notes.with_name("b.json").read_text())["findings"] == []
    assert process(*CHECK, "--baseline", "b.json").code == 0


def test_of_several_subjects_each_has_its_own_known_findings(process, notes):
    other = notes.with_name("other.py")
    other.write_text(BROKEN)
    notes.with_name("pyproject.toml").write_text(
        '[tool.harness]\nsubjects = ["notes.py:Notes", "other.py:Notes"]\n'
        'profiles = ["posix"]\nguarantees = ["atomicity"]\neffort = "quick"\n'
        'baseline = "known.json"\n'
    )
    assert process("check", "--update-baseline").code == 0
    assert process("check").code == 0
    listed = json.loads(notes.with_name("known.json").read_text())["findings"]
    assert [one["subject"] for one in listed] == ["notes.py:Notes", "other.py:Notes"]
    other.write_text(MENDED)
    run = process("check")
    assert run.code == 1
    first, second = run.out.split("baseline known.json: ")[1:]
    assert first.startswith("1 accepted, 0 new, 0 fixed")
    assert second.startswith("0 accepted, 0 new, 1 fixed")
    # Accepting anew for one subject leaves the other's alone.
    assert process("check", "other.py:Notes", "--update-baseline").code == 0
    listed = json.loads(notes.with_name("known.json").read_text())["findings"]
    assert [one["subject"] for one in listed] == ["notes.py:Notes"]
    assert process("check").code == 0


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "other/1"}', '{"findings": [1]}'])
def test_what_is_no_baseline_is_refused_by_name(process, notes, content):
    notes.with_name("b.json").write_text(content)
    run = process(*CHECK, "--baseline", "b.json")
    assert run.code == 2
    assert "baseline 'b.json': not a baseline" in run.err


def test_update_without_a_file_is_refused(process, notes):
    assert notes.exists()
    run = process(*CHECK, "--update-baseline")
    assert run.code == 2
    assert "--baseline FILE" in run.err


def test_a_corpus_is_filled_once_and_rerun_by_plain_pytest(process, plain_pytest, notes):
    notes.with_name("pyproject.toml").write_text('[tool.harness]\ncorpus = "corpus"\n')
    notes.with_name("test_mine.py").write_text("def test_mine():\n    pass\n")
    run = process(*CHECK)
    assert run.code == 1
    (kept,) = notes.with_name("corpus").glob("*.repro.json")
    assert f"corpus: kept corpus/{kept.name}" in run.out
    notes.with_name("corpus").joinpath("other.plan.json").write_text("not ours")
    before = kept.read_bytes()
    assert "corpus: kept" not in process(*CHECK).out
    assert kept.read_bytes() == before

    broken = plain_pytest("-v")
    assert broken.code == 1
    assert f"corpus/{kept.name}::replay FAILED" in broken.out
    assert broken.out.index("::replay") < broken.out.index("::test_mine")
    assert f"harness replay corpus/{kept.name}" in broken.out
    assert plain_pytest("test_mine.py").code == 0
    assert plain_pytest("corpus").code == 1

    notes.write_text(MENDED)
    mended = plain_pytest("-v")
    assert mended.code == 0
    assert f"corpus: corpus/{kept.name} is no longer reproduced: remove it" in mended.out
    notes.write_text("def Notes(directory):\n    raise OSError('gone')\n")
    assert "cannot" in plain_pytest("-v").out


def test_a_sync_too_many_is_found_and_one_that_is_needed_is_not(process, notes):
    twice = MENDED.replace(
        "os.fsync(file.fileno())",
        "os.fsync(file.fileno())\n" + " " * 12 + "os.fdatasync(file.fileno())",
    )
    notes.write_text(twice)
    both = ("check", "notes.py:Notes", "--quick", "--profile", "posix", "--advise")
    run = process(*both)
    assert run.code == 0
    advice = run.out[run.out.index("advice:") :]
    assert "file.flush(); os.fsync(file.fileno())" in advice
    assert "os.fdatasync(file.fileno())" in advice
    assert "self.sync(self.directory)" not in advice
    assert "0 violations with them and without" in advice
    # What the proof rests on is said: all crash states, or a sample where there are too many.
    assert "sampled: not every crash state was judged in" in advice
    notes.write_text(MENDED)
    assert "advice: 0 of 3" in process(*both).out
    notes.write_text(BROKEN)
    assert "advice: none: the store breaks a promise as it is" in process(*both).out
