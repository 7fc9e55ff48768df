"""``harness check``: exit codes, the two forms of the report, what is written and what is not."""

import contextlib
import json
import os
import pty
import subprocess
import sys

import jsonschema
import pytest

from harness.cli import main
from harness.render.files import FORMATS
from harness.report import schema

BROKEN = "scenarios.zoo.no_directory_sync:broken"
FIXED = "scenarios.zoo.no_directory_sync:fixed"
MODELS = ("--quick", "--profile", "kill", "--profile", "ordered")
# Of the guarantees that the store breaks and holds; races, the dearest, are left out here.
QUICK = (*MODELS, "--guarantee", "atomicity", "--guarantee", "durability")
PLAIN = ("--guarantee", "recovery")

NOISY = """
import os, sys, logging
from scenarios.zoo.no_directory_sync import fixed
print("imported")
os.write(1, b"imported, by descriptor\\n")
logging.basicConfig(stream=sys.stdout)

def open_store(directory):
    print("opened")
    sys.stdout.write("again\\n")
    logging.warning("careful")
    return fixed(directory)
"""


def test_a_store_that_conforms_exits_0(command, tmp_path):
    run = command("check", FIXED, "--quick", "--profile", "kill", *PLAIN)
    assert run.code == 0
    assert run.err == ""
    assert run.out.endswith("conforms: every verdict held\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("canned")
def test_a_store_that_does_not_exits_1_and_names_the_line(command, tmp_path):
    run = command("check", BROKEN, *QUICK)
    assert run.code == 1
    assert run.err == ""
    assert "no_directory_sync.py:31 in save" in run.out
    assert "os.rename(temporary, self.path(name))" in run.out
    assert run.out.endswith("violated: 1 finding, worst data-loss\n")
    assert "--report DIR" in run.out
    assert list(tmp_path.iterdir()) == []


def test_without_a_subject_the_reference_is_checked(command):
    run = command("check", "--quick", "--profile", "kill", *PLAIN, "--json")
    assert run.code == 0
    assert run.json["subject"] == "harness.reference.subjects:hardened"


def test_workers_say_the_same_in_a_process_that_has_started_none_before(process):
    # pytest itself has imported much that the command has not, and only meets when it is under way.
    alone, shared = (process("check", BROKEN, *MODELS, "--json", "-n", n).json for n in ("1", "2"))
    assert alone["findings"] == shared["findings"]
    assert alone["verdicts"] == shared["verdicts"]


def test_the_report_is_plain_and_80_columns_wide_in_a_pipe(process):
    run = process("check", BROKEN, *QUICK)
    assert run.code == 1
    assert run.err == ""
    assert run.out.isascii()
    assert "\x1b" not in run.out
    assert max(map(len, run.out.splitlines())) <= 80


def test_json_is_one_document_of_the_published_shape_and_nothing_else(process):
    run = process("check", BROKEN, *QUICK, "--json")
    assert run.code == 1
    assert run.err == ""
    jsonschema.validate(run.json, json.loads(schema()))
    assert [finding["repro"] for finding in run.json["findings"]] == [None]


@pytest.mark.parametrize("more", [(), ("-n", "2")])
def test_what_a_subject_prints_stays_off_stdout(process, subject, more):
    run = process("check", subject(NOISY), *QUICK, "--json", *more)
    assert run.code == 0
    assert run.json["findings"] == []
    assert "imported, by descriptor" in run.err


@pytest.mark.usefixtures("canned")
def test_the_report_directory_gets_everything_and_names_only_what_is_there(command, tmp_path):
    run = command("check", BROKEN, *QUICK, "--report", "out/today", "--json")
    assert run.code == 1
    folder = tmp_path / "out" / "today"
    document = json.loads((folder / "report.json").read_bytes())
    assert document == run.json
    (finding,) = document["findings"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*FORMATS.values(), finding["repro"]]
    )
    text = (folder / "report.txt").read_text()
    assert f"harness replay out/today/{finding['repro']}" in text
    assert "\x1b" not in text


@pytest.mark.usefixtures("canned")
def test_fail_on_lets_less_severe_findings_pass(command):
    assert command("check", BROKEN, *QUICK, "--fail-on", "silent-corruption").code != 1
    assert command("check", BROKEN, *QUICK, "--fail-on", "data-loss").code == 1
    assert command("check", BROKEN, *QUICK, "--fail-on", "leak").code == 1


def test_options_reach_the_plan(command):
    run = command("check", FIXED, *MODELS, "--guarantee", "listing", "--seed", "7", "--json")
    assert run.json["seed"] == 7
    assert [(v["guarantee"], v["profile"]) for v in run.json["verdicts"]] == [
        ("listing", "kill"),
        ("listing", "ordered"),
    ]


def test_a_guarantee_that_was_asked_for_and_not_exercised_exits_3(command):
    single = "scenarios.zoo.memory_ahead_of_disk:broken"
    run = command("check", single, "--quick", "--profile", "kill", "--guarantee", "isolation")
    assert run.code == 3
    assert "n/e = not-exercised: isolation: " in run.out
    assert "conforms" not in run.out


def test_a_store_with_a_single_writer_conforms_without_isolation_and_says_so(command, tmp_path):
    store = tmp_path / "single.py"
    store.write_text(
        "from scenarios.zoo._base import Store\n"
        "def store(directory):\n    return Store(directory)\n"
        "store.single_writer = True\n"
    )
    run = command("check", f"{store}:store", "--quick", "--profile", "kill")
    assert "n/e = not-exercised: isolation: the store declares a single writer" in run.out
    assert run.code == 0, run.out
    assert "conforms" in run.out


def test_a_budget_that_ends_first_exits_3_and_says_so(command):
    run = command("check", FIXED, *QUICK, "--budget", "0.000001")
    assert run.code == 3
    assert "the time budget ended first" in " ".join(run.out.split())
    assert "conforms" not in run.out


def test_a_second_report_replaces_the_first_whole(command, tmp_path, canned):
    assert command("check", BROKEN, *QUICK, "--report", "out").code == 1
    assert command("check", BROKEN, *QUICK, "--report", "out").code == 1
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {*FORMATS.values(), *(f"{i}.repro.json" for i in canned.repros)}


def test_two_runs_differ_in_nothing_but_their_time(process):
    def stripped(run):
        document = run.json
        del document["stats"]["seconds"], document["stats"]["states_per_second"]
        return document

    first = process("check", BROKEN, *QUICK, "--json")
    again = process("check", BROKEN, *QUICK, "--json", "-n", "2")
    assert stripped(first) == stripped(again)


def test_a_terminal_gets_a_progress_bar_a_pipe_no_colour(tmp_path):
    mother, child = pty.openpty()
    arguments = [sys.executable, "-m", "harness", "check", FIXED, *QUICK]
    terminal = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=child, cwd=tmp_path, env=terminal
    ) as running:
        os.close(child)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            while True:
                shown += os.read(mother, 65536)
        out = running.stdout.read()
    os.close(mother)
    assert running.returncode == 0
    assert b"\x1b" not in out
    assert b"workloads" in shown
    assert b"states" in shown


def test_main_gives_the_code_that_the_process_exits_with(process):
    assert main(["--version"]) == process("--version").code == 0
