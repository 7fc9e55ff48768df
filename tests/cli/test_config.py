"""``[tool.harness]``: found where it should be, read strictly, overruled by options."""

import json
import subprocess
import sys

import pytest

from harness import config
from harness.errors import UsageError

STORE = "from scenarios.zoo.no_directory_sync import fixed as open_store\n"


@pytest.fixture
def project(tmp_path):
    """Write a pyproject.toml and give its directory."""

    def write(text, folder="."):
        path = tmp_path / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / "pyproject.toml").write_text(text)
        return path

    return write


def test_without_a_file_nothing_is_set(tmp_path):
    assert config.load(tmp_path) == config.Config()


def test_a_file_without_the_section_is_none(project):
    assert config.load(project("[tool.other]\nx = 1\n")) == config.Config()


def test_every_key_is_read(project):
    found = config.load(
        project(
            """
            [tool.harness]
            subject = "shop:open_store"
            profiles = ["ext4", "xfs"]
            guarantees = ["atomicity"]
            effort = "quick"
            seed = 7
            workers = 2
            budget = 60
            fail-on = "data-loss"
            """
        )
    )
    assert found.subject == "shop:open_store"
    assert found.profiles == ("ext4", "xfs")
    assert found.guarantees == ("atomicity",)
    assert found.effort == "quick"
    assert found.seed == 7
    assert found.workers == 2
    assert found.budget == 60.0
    assert found.fail_on == "data-loss"
    assert found.custom == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[tool.harness]\nprofil = 'ext4'", ["'profil'", "profile"]),
        ("[tool.harness]\neffort = 'hard'", ["'hard'", "thorough"]),
        ("[tool.harness]\nseed = 'x'", ["seed = 'x'", "whole number"]),
        ("[tool.harness]\nworkers = true", ["workers = True", "whole number"]),
        ("[tool.harness]\nworkers = 0", ["workers = 0", "at least 1"]),
        ("[tool.harness]\nbudget = -1", ["budget = -1", "more than 0"]),
        ("[tool.harness]\nsubject = 3", ["subject = 3", "a string"]),
        ("[tool.harness]\nprofiles = [1]", ["profiles = [1]", "list of names"]),
        ("[tool.harness]\nprofile = 'kill'\nprofiles = ['kill']", ["both profile and profiles"]),
        ("[tool.harness]\nguarantee = {}", ["guarantee = {}", "list of names"]),
        ("[tool.harness]\nprofiles.nas = 3", ["profiles.nas = 3", "[tool.harness.profiles.nas]"]),
        ("[tool.harness.profiles.ext4]\n", ["profiles.ext4", "choose another"]),
        ("[tool.harness.profiles.nas]\nspeed = 3", ["'speed'"]),
        ("[tool.harness.profiles.nas]\nnames = 'lost'", ["'lost'"]),
        ("[tool]\nharness = 3", ["must be a table"]),
        ("[tool.harness", ["not valid TOML"]),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_the_file(command, project, text, names):
    project(text)
    run = command("check", "--quick")
    assert run.code == 2
    assert run.out == ""
    assert "pyproject.toml" in run.line
    for name in names:
        assert name in run.line


def test_a_wrong_name_in_the_file_is_told_as_one_on_the_command_line(command, project):
    project("[tool.harness]\nprofiles = ['zfs']\n")
    assert "'zfs'" in command("check").line
    project("[tool.harness]\nfail-on = 'typo'\n")
    assert "'typo'" in command("check").line


def test_the_file_is_looked_for_up_to_the_root_of_the_repository(project, tmp_path):
    project("[tool.harness]\nseed = 1\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert config.find(inner) is None  # no repository: only the directory itself decides
    subprocess.run(["git", "init", "-q", tmp_path / "a"], check=True)
    assert config.find(inner) is None  # it is above the root
    (tmp_path / ".git").mkdir()
    assert config.find(inner) is None  # the nearest repository counts
    subprocess.run(["rm", "-r", tmp_path / "a" / ".git"], check=True)
    assert config.find(inner) == tmp_path / "pyproject.toml"
    project("[tool.harness]\nseed = 2\n", "a")
    assert config.load(inner).seed == 2
    project("[project]\n", "a/b")
    assert config.load(inner).seed == 2


@pytest.mark.parametrize("subject", ["shop:open_store", "shop.py:open_store"])
def test_a_subject_is_found_from_a_folder_below(command, project, tmp_path, monkeypatch, subject):
    project(f"[tool.harness]\nsubject = '{subject}'\neffort = 'quick'\nprofile = 'kill'\n")
    (tmp_path / "shop.py").write_text(STORE)
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    monkeypatch.chdir(tmp_path / "deep")
    run = command("check", "--guarantee", "listing", "--json")
    assert run.code == 0, run.err
    assert run.json["subject"].endswith(":open_store")


def test_options_win_over_the_file(command, project):
    project("[tool.harness]\nseed = 7\nprofiles = ['posix']\nguarantee = ['listing']\n")
    run = command(
        *("check", "scenarios.zoo.no_directory_sync:fixed", "--quick"),
        *("--profile", "kill", "--seed", "0", "--json"),
    )
    assert run.json["seed"] == 0
    assert {(v["guarantee"], v["profile"]) for v in run.json["verdicts"]} == {("listing", "kill")}


DURABLE = ("--quick", "--guarantee", "durability", "--guarantee", "atomicity")
OWN = """
[tool.harness]
profile = ["our-nas"]
[tool.harness.profiles.our-nas]
names = "journal"
"""


def test_a_profile_of_one_s_own_is_checked_listed_and_explored(command, project, tmp_path):
    project(OWN)
    run = command("check", "scenarios.zoo.no_directory_sync:broken", *DURABLE, "--json")
    assert run.code == 1
    assert {verdict["profile"] for verdict in run.json["verdicts"]} == {"our-nas"}
    assert "our-nas" in command("list", "profiles").out
    (tmp_path / "t.jsonl").write_text(json.dumps({"op": "create", "path": "a"}) + "\n")
    run = command("states", "t.jsonl", "--profile", "our-nas", "--json")
    assert json.loads(run.out.splitlines()[-1])["total"] == 2


def test_a_profile_of_one_s_own_is_there_in_workers_and_replays_too(process, project):
    project(OWN)
    run = process(
        *("check", "scenarios.zoo.no_directory_sync:broken", *DURABLE, "--json"),
        *("-n", "2", "--report", "out"),
    )
    assert run.code == 1, run.err
    assert process("replay", f"out/{run.json['findings'][0]['repro']}").code == 1


def test_the_path_is_kept_relative_so_that_reports_are_the_same_everywhere(project, tmp_path):
    project("[tool.harness]\nsubject = 'shops/a.py:open_store'\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    assert config.load(tmp_path).subject == "shops/a.py:open_store"
    assert config.load(tmp_path / "deep").subject == "../shops/a.py:open_store"


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not valid TOML"):
        config.load(tmp_path)
