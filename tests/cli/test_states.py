"""``harness states``: what `harness trace --json` prints, read again."""

import base64
import io
import json

import pytest

from harness.trace import dump_line, load_lines

TRACE = [
    {"op": "image", "files": {"a": base64.b64encode(b"old").decode()}},
    {"op": "create", "path": "t"},
    {"op": "write", "path": "t", "offset": 0, "data": base64.b64encode(b"new").decode()},
    {"op": "rename", "src": "t", "dst": "a"},
]


@pytest.fixture
def trace(tmp_path):
    """A replace by rename that nothing syncs."""
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in TRACE))
    return path


def contents(states, path):
    return {
        base64.b64decode(state["files"][path]) if path in state["files"] else None
        for state in states
    }


def test_states_prints_json_lines_and_the_counts_last(command, trace):
    run = command("states", trace, "--profile", "posix", "--json")
    assert run.code == 0
    assert run.err == ""
    *states, total = [json.loads(line) for line in run.out.splitlines()]
    assert total == {"total": len(states), "exhaustive": True, "possible": len(states)}
    assert [state["state"] for state in states] == list(range(1, len(states) + 1))
    for state in states:
        assert set(state) == {"state", "after", "lost", "files", "dirs"}
    assert contents(states, "a") == {b"old", b"new", b"", b"\0\0\0"}


def test_profiles_differ_in_what_they_allow(command, trace):
    def seen(profile):
        run = command("states", trace, "--profile", profile, "--json")
        return contents([json.loads(line) for line in run.out.splitlines()[:-1]], "a")

    assert seen("kill") == {b"old", b"new"}
    assert seen("ext4-dioread-lock") == {b"old", b"new"}
    assert seen("ext4") == {b"old", b"new", b"\0\0\0"}


def test_after_keeps_to_one_crash(command, trace):
    run = command("states", trace, "--profile", "kill", "--after", "0", "--json")
    (state, _) = [json.loads(line) for line in run.out.splitlines()]
    assert state["files"] == TRACE[0]["files"]
    run = command("states", trace, "--profile", "kill", "--after", "4")
    assert run.code == 2
    assert "3 calls" in run.line


def test_limit_stops_early_and_says_so(command, trace):
    run = command("states", trace, "--profile", "posix", "--limit", "2", "--json")
    lines = [json.loads(line) for line in run.out.splitlines()]
    assert len(lines) == 3
    assert lines[-1]["total"] == 2
    assert lines[-1]["exhaustive"] is False


def test_the_text_form_fits_80_columns_and_explains(command, trace):
    plain = command("states", trace, "--profile", "xfs")
    told = command("states", trace, "--profile", "xfs", "--explain")
    assert plain.code == told.code == 0
    assert max(map(len, told.out.splitlines())) <= 80
    assert plain.out.splitlines()[-1].endswith("all there are")
    assert len(told.out.splitlines()) > len(plain.out.splitlines())


def test_what_trace_prints_states_reads(command, tmp_path):
    (tmp_path / "s.py").write_text("import os\nopen('t', 'w').close()\nos.rename('t', 'a')\n")
    printed = command("trace", "s.py", "--json").out
    assert [dump_line(one) for one in load_lines(io.StringIO(printed), "t")] == printed.splitlines()
    (tmp_path / "t.jsonl").write_text(printed)
    run = command("states", "t.jsonl", "--profile", "ordered", "--json")
    states = [json.loads(line) for line in run.out.splitlines()[:-1]]
    assert [sorted(state["files"]) for state in states] == [[], ["t"], ["a"]]


def test_a_trace_may_come_from_standard_input(process, trace):
    with trace.open() as lines:
        run = process("states", "-", "--profile", "kill", "--json", stdin=lines)
    assert run.code == 0
    assert json.loads(run.out.splitlines()[-1])["exhaustive"] is True
