"""The CI gate: the workflow to copy, several subjects in one run, what GitHub is told."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from click import Context

from harness.cli.places import report_directories
from harness.cli.shell import cli

WORKFLOW = Path(__file__).parents[2] / ".github" / "workflows" / "crash-safety.yml"

STORES = """
from scenarios.zoo.no_directory_sync import broken, fixed

def wrong(directory):
    store = fixed(directory)
    store.read = lambda key: b"wrong"
    return store
"""


@pytest.fixture
def project(tmp_path):
    def write(*names):
        (tmp_path / "shop.py").write_text(STORES)
        subjects = [f"shop.py:{name}" for name in names]
        lines = ["[tool.harness]", f"subjects = {subjects}", "effort = 'quick'"]
        lines += ["profiles = ['kill', 'ordered']", "guarantees = ['durability']"]
        (tmp_path / "pyproject.toml").write_text("\n".join(lines))

    return write


def test_the_workflow_parses_and_its_commands_exist():
    document = yaml.safe_load(WORKFLOW.read_text())
    (job,) = document["jobs"].values()
    assert document[True].keys() == {"push", "pull_request"}  # `on` is a boolean in YAML 1.1
    commands = [shlex.split(step["run"]) for step in job["steps"] if "run" in step]
    assert commands[0][:2] == ["pip", "install"]
    ours = [one[1:] for one in commands if one[0] == "harness"]
    assert len(ours) == 1
    for name, *arguments in ours:
        cli.commands[name].make_context(name, arguments, parent=Context(cli))
    (directory,) = (one[one.index("--report") + 1] for one in ours)
    for step in job["steps"]:
        for value in step.get("with", {}).values():
            if "report" in str(value):
                assert str(value) == directory
        assert re.fullmatch(r"[\w./-]+@v\d+", step.get("uses", "a/b@v1"))


def test_several_subjects_each_have_a_report_and_the_worst_decides(command, project, tmp_path):
    project("fixed", "broken")
    run = command("check", "--report", "out")
    assert run.code == 1
    assert run.out.index("shop.py:fixed") < run.out.index("shop.py:broken")
    for name, count in (("shop.py-fixed", 0), ("shop.py-broken", 1)):
        report = json.loads((tmp_path / "out" / name / "report.json").read_text())
        assert len(report["findings"]) == count
        assert (tmp_path / "out" / name / "report.html").is_file()


def test_several_subjects_are_one_document(command, project):
    project("fixed", "broken")
    run = command("check", "--json")
    assert run.code == 1
    assert run.json["schema"] == "checkpoint-harness/reports/1"
    assert [one["subject"] for one in run.json["reports"]] == ["shop.py:fixed", "shop.py:broken"]


def test_a_subject_that_fails_by_itself_does_not_hide_the_others(command, project):
    project("wrong", "fixed")
    run = command("check")
    assert run.code == 4
    assert "shop.py:wrong" in run.line
    assert "conforms" in run.out
    project("wrong", "broken")
    assert command("check").code == 1


def test_a_subject_that_is_not_there_is_told_before_any_runs(command, project):
    project("fixed", "nobody")
    run = command("check")
    assert run.code == 2
    assert run.out == ""
    assert "nobody" in run.line


def test_subjects_with_like_names_do_not_share_a_folder(tmp_path):
    found = report_directories(tmp_path, ["a/b.py:x", "a-b.py:x", "../..:"])
    assert [one.relative_to(tmp_path).name for one in found] == ["a-b.py-x", "a-b.py-x-2", "store"]
    assert report_directories(tmp_path, ["a"]) == [tmp_path]
    assert report_directories(None, ["a", "b"]) == [None, None]


def test_github_is_told_and_nobody_else(command, project, tmp_path, monkeypatch):
    project("broken")
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert "::error" not in command("check").out
    assert summary.read_text() == "before\n"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    run = command("check")
    (line,) = [one for one in run.out.splitlines() if one.startswith("::")]
    assert re.match(r"::error file=\S+no_directory_sync.py,line=\d+,title=durability%3A", line)
    assert summary.read_text().startswith("before\n## `shop.py:broken`")
    assert "| durability | held | **violated** |" in summary.read_text()
    as_json = command("check", "--json")
    assert as_json.json["findings"]
    assert as_json.err.startswith("::error ")


def test_a_summary_that_cannot_be_written_fails_nothing(command, project, monkeypatch):
    project("fixed")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/nowhere/at/all")
    run = command("check")
    assert run.code == 0
    assert "GITHUB_STEP_SUMMARY" in run.line


@pytest.mark.parametrize("form", ["text", "html", "markdown", "junit", "sarif", "badge", "github"])
def test_a_saved_report_is_shown_again_as_it_was_written(command, project, tmp_path, form):
    project("broken")
    assert command("check", "--report", "out").code == 1
    run = command("report", "out/report.json", "--format", form)
    assert (run.code, run.err) == (0, "")
    names = {
        "text": "report.txt",
        "html": "report.html",
        "markdown": "report.md",
        "junit": "report.junit.xml",
        "sarif": "report.sarif",
        "badge": "badge.json",
    }
    if form in names:
        assert run.out == (tmp_path / "out" / names[form]).read_text()
    assert command("report", "out/report.json", "--format", form, "-o", "again").code == 0
    assert (tmp_path / "again").read_text() == run.out


def test_without_the_subject_a_saved_report_still_has_its_findings(command, project, tmp_path):
    project("broken")
    command("check", "--report", "out")
    (tmp_path / "shop.py").unlink()
    run = command("report", "out/report.json", "--format", "html")
    assert run.code == 0
    assert "durability broken" in run.out
    assert "Every call" not in run.out


@pytest.mark.parametrize("content", [None, b"{}", b"\xff", b"[]"])
def test_what_is_no_report_is_named(command, tmp_path, content):
    if content is not None:
        (tmp_path / "r.json").write_bytes(content)
    run = command("report", "r.json")
    assert run.code == 2
    assert "r.json: " in run.line
    assert "give a report.json" in run.line
