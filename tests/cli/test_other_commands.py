"""``harness trace``, ``verify`` and ``list``, and what ``--help`` promises."""

import json
import re

import pytest

from harness.cli.shell import cli
from harness.persistence import PROFILES

SCRIPT = """
import os
print("side noise")
with open("a", "w") as file:
    file.write("hello")
os.rename("a", "b")
"""


def test_trace_prints_a_call_a_line(command, tmp_path):
    (tmp_path / "s.py").write_text(SCRIPT)
    run = command("trace", "s.py")
    assert run.code == 0
    assert run.out.splitlines() == [
        '   1  create("a", 0o644)',
        "   2  write(\"a\", 'hello', 5 at 0)",
        '   3  close("a")',
        '   4  rename("a", "b")',
    ]
    assert run.err == "side noise\n"
    assert [path.name for path in tmp_path.iterdir()] == ["s.py"]


def test_trace_prints_json_lines_and_nothing_else(process, tmp_path):
    (tmp_path / "s.py").write_text(SCRIPT)
    run = process("trace", "s.py", "--json")
    assert run.code == 0
    lines = [json.loads(line) for line in run.out.splitlines()]
    assert [line["op"] for line in lines] == ["create", "write", "close", "rename"]
    assert lines[1]["data"] == "aGVsbG8="
    assert lines[1]["at"][0][1:] == [4, "<module>"]  # the end of `with` flushes
    assert run.err == "side noise\n"


def test_trace_of_a_script_that_fails_shows_its_traceback_and_what_it_did(command, tmp_path):
    (tmp_path / "s.py").write_text("open('a', 'w').close()\nraise ValueError('so')\n")
    run = command("trace", "s.py")
    assert run.code == 0
    assert "ValueError: so" in run.err
    assert "raise ValueError: so" in run.out.splitlines()[-1]


CPU = (
    '{"policyName":"none","defaultCpuSet":"","checksum":1353318690}',
    '{"policyName":"none","defaultCpuSet":"0","checksum":1353318690}',
    '{"policyName":"none","defaultCpuSet":""}',
)


@pytest.mark.parametrize(
    ("content", "mode", "code", "verdict"),
    [
        (CPU[0], "kubelet", 0, "ok"),
        (CPU[0], "strict", 0, "ok"),
        (CPU[1], "kubelet", 1, "corrupt"),
        (CPU[2], "kubelet", 0, "ok"),
        (CPU[2], "strict", 1, "corrupt"),
        ("{}", "kubelet", 0, "ok"),
        ("", "kubelet", 1, "corrupt"),
    ],
)
def test_verify_tells_a_whole_file_from_a_damaged_one(
    command, tmp_path, content, mode, code, verdict
):
    (tmp_path / "cpu_manager_state").write_text(content)
    run = command("verify", "cpu_manager_state", "--mode", mode)
    assert run.code == code
    assert run.out.startswith(f"cpu_manager_state: {verdict}\n")
    again = command("verify", "cpu_manager_state", "--mode", mode, "--json")
    assert again.code == code
    assert again.json["mode"] == mode
    assert again.json["files"][0]["verdict"] == verdict


def test_verify_prints_kind_version_and_both_checksums(command, tmp_path):
    (tmp_path / "cpu_manager_state").write_text(CPU[1])
    run = command("verify", "cpu_manager_state")
    assert re.search(r"cpu v2; checksum stored 1353318690, computed \d+", run.out)


def test_verify_of_many_exits_by_the_worst(command, tmp_path):
    (tmp_path / "cpu_manager_state").write_text(CPU[0])
    (tmp_path / "notes.txt").write_text("dear diary")
    assert command("verify", "cpu_manager_state", "notes.txt").code == 2
    assert command("verify", "missing").code == 2
    assert command("verify", tmp_path).code == 2
    (tmp_path / "memory_manager_state").write_text("{")
    run = command("verify", "cpu_manager_state", "notes.txt", "memory_manager_state", "--json")
    assert run.code == 1
    assert [one["verdict"] for one in run.json["files"]] == ["ok", "not-a-checkpoint", "corrupt"]


@pytest.mark.parametrize("what", ["profiles", "guarantees", "faults", "scenarios"])
def test_list_fits_80_columns_and_has_a_json_form(command, what):
    run = command("list", what)
    assert run.code == 0
    assert max(map(len, run.out.splitlines())) <= 80
    again = command("list", what, "--json")
    assert again.code == 0
    names = [entry["name"] for entry in again.json[what]]
    assert names
    heads = [line for line in run.out.splitlines() if line and not line.startswith(" ")]
    assert [head.partition(":")[0] for head in heads] == names


def test_list_profiles_gives_each_rule_with_its_source(command):
    entries = command("list", "profiles", "--json").json["profiles"]
    assert [entry["name"] for entry in entries] == list(PROFILES)
    for entry in entries:
        assert entry["rules"]
        assert all(rule["rule"] and rule["source"] for rule in entry["rules"])


def test_list_guarantees_has_all_of_the_contract(command):
    entries = command("list", "guarantees", "--json").json["guarantees"]
    assert {entry["name"] for entry in entries} == {
        "atomicity",
        "durability",
        "integrity",
        "recovery",
        "clean-failure",
        "isolation",
        "listing",
        "hygiene",
    }
    assert {"atomicity", "durability"} <= {one["name"] for one in entries if one["judged"]}


def test_list_scenarios_does_not_import_them(process):
    run = process("list", "scenarios", "--json")
    names = [entry["name"] for entry in run.json["scenarios"]]
    assert "scenarios.zoo.no_directory_sync" in names
    assert "(undocumented)" not in run.out
    subjects = {entry["subject"] for entry in run.json["scenarios"]}
    assert "scenarios.zoo.no_directory_sync:broken" in subjects


OPTIONS = {
    "check": {
        *("--profile", "--guarantee", "--quick", "--thorough", "--seed", "-n", "--workers"),
        *("--budget", "--report", "--fail-on", "--fault", "--json", "--debug"),
        *("--advise", "--baseline", "--update-baseline", "--corpus", "--shard"),
    },
    "stress": {
        *("--time", "--rounds", "--round", "--plan", "-n", "--workers", "--seed", "--corpus"),
        *("--report", "--shard", "--cluster", "--profile", "--guarantee", "--hang", "--memory"),
        *("--json", "--debug"),
    },
    "merge": {"--report", "--json", "--debug"},
    "replay": {"--as-test", "--json", "--debug"},
    "report": {"--format", "-o", "--output", "--debug"},
    "trace": {"--json", "--debug"},
    "states": {"--profile", "--after", "--explain", "--limit", "--json", "--debug"},
    "verify": {"--mode", "--json", "--debug"},
    "list": {"--json", "--debug"},
}


def test_the_commands_and_their_options_are_the_contract_s():
    found = {
        name: {
            option
            for parameter in command.params
            if parameter.param_type_name == "option"
            for option in parameter.opts
        }
        for name, command in cli.commands.items()
    }
    assert found == OPTIONS


@pytest.mark.parametrize("name", ["", *OPTIONS])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_says_what_there_is_and_exits_0(command, name, option):
    run = command(*name.split(), option)
    assert run.code == 0
    assert run.err == ""
    assert run.out.startswith(f"Usage: harness {name}".rstrip())
    assert max(map(len, run.out.splitlines())) <= 80
    for each in OPTIONS.get(name, {"--version", "--debug"}):
        assert each in run.out


def test_version(command):
    assert command("--version").out == "harness 0.1.0\n"
