"""``harness replay``: reproduced 1, no longer 0, cannot 2."""

import json

import pytest

BROKEN = "scenarios.zoo.no_directory_sync:broken"
FIXED = "scenarios.zoo.no_directory_sync:fixed"
QUICK = ("--quick", "--profile", "ordered")


@pytest.fixture
def repro(outcome, tmp_path):
    """The reproduction file of a real finding."""
    ((name, data),) = outcome.repros.items()
    path = tmp_path / f"{name}.repro.json"
    path.write_bytes(data)
    return path


def changed(path, **fields):
    document = json.loads(path.read_bytes())
    other = path.with_name("changed.repro.json")
    other.write_text(json.dumps(document | fields))
    return other


def test_a_finding_that_is_still_there_is_reproduced(command, repro):
    run = command("replay", repro)
    assert run.code == 1
    assert run.err == ""
    assert run.out == f"{repro}: reproduced: absent\n"


def test_a_finding_that_was_fixed_is_no_longer(command, repro):
    run = command("replay", changed(repro, subject=FIXED))
    assert run.code == 0
    assert "no longer" in run.out


def test_a_subject_that_is_gone_cannot_be_replayed(command, repro):
    run = command("replay", changed(repro, subject="gone.away:store"))
    assert run.code == 2
    assert "cannot: subject 'gone.away:store'" in run.out


def test_a_profile_that_is_not_there_cannot_be_replayed(command, repro):
    run = command("replay", changed(repro, profile="zfs"))
    assert run.code == 2
    assert "'zfs'" in run.out


def test_several_files_are_all_run_and_the_worst_decides(command, repro):
    fixed = changed(repro, subject=FIXED)
    assert command("replay", fixed, "gone.json").code == 2
    run = command("replay", "gone.json", fixed, repro, "--json")
    assert run.code == 1
    assert [one["outcome"] for one in run.json] == ["cannot", "no longer", "reproduced"]
    assert [one["exact"] for one in run.json] == [False, False, True]


def test_what_a_subject_prints_stays_off_stdout(process, subject):
    name = subject(
        "from scenarios.zoo.no_directory_sync import broken\nprint('imported')\n"
        "def open_store(directory):\n    print('opened')\n    return broken(directory)\n"
    )
    run = process("check", name, *QUICK, "--report", "out", "--json")
    path = f"out/{run.json['findings'][0]['repro']}"
    run = process("replay", path, "--json")
    assert run.code == 1
    assert run.json[0]["repro"] == path
