"""A test that would not tell its finding is not printed; what pyfakefs lacks is added."""

import pytest

from harness.cli import main
from harness.finding import load_reproduction
from harness.pasted import as_test
from harness.pasted.tried import outcome
from harness.persistence import PROFILES
from harness.runner import Plan, check

STORES = "tests.pasted.unlike_stores:"


def found(name):
    """The reproductions of a store's findings, the first first."""
    return list(check(Plan(STORES + name, ("posix",), effort="quick")).repros.values())


def told(repro):
    reproduction = load_reproduction(repro, "finding")
    return as_test(reproduction, PROFILES[reproduction.profile])


@pytest.mark.parametrize("name", ["Linked", "Leaking", "Placed", "Copied", "Absent", "Gone"])
def test_links_and_calls_by_position_are_told_as_well(name):
    for repro in found("Broken" + name):
        text = told(repro)
        assert outcome(text) == "fails"
        assert outcome(text.replace("Broken" + name, name)) == "passes"


def test_a_test_that_passes_on_the_bug_is_refused(tmp_path, capsys):
    path = tmp_path / "one.repro.json"
    path.write_bytes(found("BrokenEarly")[0])
    code = main(["replay", "--as-test", str(path)])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "with the store as it is, that test passes" in err
    # Of a store that is mended it has to pass.
    path.write_bytes(path.read_bytes().replace(b"BrokenEarly", b"Early"))
    code = main(["replay", "--as-test", str(path)])
    assert (code, capsys.readouterr().out[:3]) == (0, '"""')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("assert 1 == 1", "passes"),
        ("assert 1 == 2", "fails"),
        ("raise OSError(9, 'Bad file descriptor')", "ends in OSError: [Errno 9] Bad file"),
    ],
)
def test_only_an_assertion_that_fails_tells_something(body, said):
    assert outcome(f"def test_it():\n    {body}\n").startswith(said)


def test_what_cannot_be_run_is_said():
    assert outcome("import there_is_no_such_module\n").startswith("ends in collection failure")
