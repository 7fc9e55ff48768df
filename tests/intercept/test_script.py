"""Running a script for its trace, recording whose line made a call, and the one-line text form."""

from __future__ import annotations

# ruff: noqa: SIM115 - files are left open on purpose
import dbm.dumb
import inspect
import sys

import pytest

from harness import trace
from harness.disk import Machine
from harness.errors import UsageError
from harness.intercept import active, rerouted
from harness.record import Recorder
from harness.script import format_call, run_script


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "program.py"
        path.write_text(text)
        return str(path)

    return write


def test_a_script_runs_as_python_would_run_it(script, capsys):
    records = run_script(
        script(
            "import os, sys\n"
            "print(__name__, sys.argv[0] == __file__, os.getcwd(), os.listdir())\n"
            "assert sys.modules['__main__'].__dict__ is globals()\n"
            "open('file', 'w').write('x')\n"
        )
    )
    assert capsys.readouterr().out == "__main__ True /simulated []\n"
    assert [record.__struct_config__.tag for record in records] == ["create", "write", "close"]
    assert [record.i for record in records] == [1, 2, 3]
    assert {record.process for record in records} == {1}


def test_a_script_may_import_its_neighbours_and_leaves_nothing_behind(script, tmp_path):
    (tmp_path / "neighbour.py").write_text("def save():\n    open('saved', 'w').close()\n")
    before = sys.argv, list(sys.path), sys.modules["__main__"]
    records = run_script(script("import neighbour\nneighbour.save()\n"))
    assert [(frame[1], frame[2]) for frame in records[0].at] == [(2, "save"), (2, "<module>")]
    assert "neighbour" not in sys.modules
    assert (sys.argv, list(sys.path), sys.modules["__main__"]) == before


def test_a_script_that_raises_keeps_its_trace_and_is_reported(script, capsys):
    records = run_script(
        script("file = open('file', 'w')\nfile.write('x')\nraise LookupError('gone')\n")
    )
    tags = [record.__struct_config__.tag for record in records]
    assert tags == ["create", "mark", "write", "close"], "what is open is flushed at the end"
    assert records[1].event == "raise"
    assert records[1].detail == "LookupError: gone"
    error = capsys.readouterr().err
    assert "LookupError: gone" in error
    assert "line 3" in error
    assert "harness" not in error


@pytest.mark.parametrize(
    ("text", "detail"),
    [("import sys; sys.exit(3)", "exit 3"), ("open('/var/tmp/out', 'w')", "EscapeError")],
)
def test_other_ways_to_fail_are_marked_too(script, text, detail):
    (mark,) = run_script(script(text))
    assert detail in mark.detail


def test_a_clean_exit_is_no_failure(script):
    assert run_script(script("import sys; sys.exit()")) == []


def test_the_end_of_a_script_is_the_interpreter_s(script):
    records = run_script(
        script(
            "import atexit, logging, threading\n"
            "def late():\n"
            "    open('late', 'w').close()\n"
            "atexit.register(late)\n"
            "threading.Thread(target=lambda: open('thread', 'w').close()).start()\n"
            "handler = logging.FileHandler('log')\n"
            "kept = open('kept', 'w')\n"
        )
    )
    created = [record.path for record in records if isinstance(record, trace.Create)]
    closed = [record.path for record in records if isinstance(record, trace.Close)]
    assert sorted(created) == ["kept", "late", "log", "thread"]
    assert sorted(closed) == ["kept", "late", "log", "thread"]


@pytest.mark.parametrize("text", [None, "def (", "x = '\0'"])
def test_what_is_no_script_is_a_usage_error(script, tmp_path, text):
    path = str(tmp_path / "missing.py") if text is None else script(text)
    with pytest.raises(UsageError) as caught:
        run_script(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def store(name):
    with open(name, "w") as file:
        file.write("x")


def test_frames_are_the_subject_s_own_innermost_first():
    recorder = Recorder()
    with rerouted(), active(Machine(hooks=recorder).process()):
        store("file")
    line = inspect.getsourcelines(store)[1]
    assert len(recorder.records) == 3
    for record in recorder.records:  # opened, and flushed and closed, by the with statement
        file, at, function = record.at[0]
        assert (file, at, function) == ("tests/intercept/test_script.py", line + 1, "store")
        assert record.at[1][2] == "test_frames_are_the_subject_s_own_innermost_first"
        assert not any("site-packages" in frame[0] for frame in record.at)


def test_a_standard_library_store_counts_as_the_subject_when_named():
    recorders = Recorder(), Recorder(user_files={dbm.dumb.__file__})
    for recorder in recorders:
        with rerouted(), active(Machine(hooks=recorder).process()):
            database = dbm.dumb.open("database", "c")
            database[b"key"] = b"value"
            database.close()
    without, named = (
        {record.at[0][0] for record in recorder.records if isinstance(record, trace.Write)}
        for recorder in recorders
    )
    assert without == {"tests/intercept/test_script.py"}
    # Named as installed, the same on every machine.
    assert named == {"dbm/dumb.py"}


def test_marks_stand_among_the_calls():
    recorder = Recorder()
    with rerouted(), active(Machine(hooks=recorder).process()):
        recorder.mark("invoke", process=1, number=0, operation="write", key="a")
        store("file")
        recorder.mark("return", process=1, number=0)
    assert [record.i for record in recorder.records] == [1, 2, 3, 4, 5]
    assert recorder.records[0].key == "a"
    assert recorder.records[-1].event == "return"


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (trace.Create(i=1, path="a", mode=0o600), '   1  create("a", 0o600)'),
        (trace.Create(i=1, path="#7", unnamed=True), '   1  create("#7", 0o666, unnamed)'),
        (trace.Write(i=2, path="a", offset=5, data=b"hi\n"), "   2  write(\"a\", 'hi\\n', 3 at 5)"),
        (
            trace.Write(i=2, path="a", offset=0, data=b"x" * 99),
            "   2  write(\"a\", 'xxxxxxxxxxxxxxxx'..., 99 at 0)",
        ),
        (trace.Truncate(i=3, path="a", size=0), '   3  truncate("a", 0)'),
        (trace.Rename(i=4, src="a", dst="b"), '   4  rename("a", "b")'),
        (trace.Fsync(i=5, path=".", dir=True), '   5  fsync(".")'),
        (trace.Sync(i=6), "   6  sync()"),
        (trace.Symlink(i=7, target="a", path="b"), '   7  symlink("a", "b")'),
        (trace.Close(i=8, path="a"), '   8  close("a")'),
        (
            trace.Write(i=9, path="a", offset=0, data=b"", error="ENOSPC"),
            "   9  write(\"a\", '', 0 at 0) = -1 ENOSPC",
        ),
        (
            trace.Mark(i=10, event="invoke", number=3, operation="write", key="k"),
            "  10  mark(invoke #3 write k)",
        ),
        (trace.Image(i=0, files={"a": b""}), "   0  image(1 files, 0 directories)"),
    ],
)
def test_a_record_is_one_short_line(record, line):
    assert format_call(record) == line


def test_a_long_line_is_cut_and_control_characters_stay_out():
    line = format_call(trace.Rename(i=1, src="a" * 200, dst="b"))
    assert len(line) == 80
    assert line.endswith("...")
    assert "\n" not in format_call(trace.Unlink(i=1, path="two\nlines"))
