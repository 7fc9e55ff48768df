"""Every mistake is one line on stderr and the documented exit code, and nothing half-written."""

import json
import os

import pytest

from harness import watch
from harness.disk import Machine

PLAIN = """
import os

class Shop:
    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
    def path(self, key):
        return os.path.join(self.directory, key)
    def write(self, key, value):
        with open(self.path(key), "wb") as file:
            file.write(value)
    def read(self, key):
        with open(self.path(key), "rb") as file:
            return file.read()
    def delete(self, key):
        os.unlink(self.path(key))
    def list(self):
        return os.listdir(self.directory)

def open_store(directory):
    return Shop(directory)
"""

QUICK = ("--quick", "--profile", "kill")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["chekc"], ["No such command 'chekc'", "harness --help"]),
        (["check", "--prifole", "kill"], ["--prifole", "harness check --help"]),
        (["check", "a:b", "c:d"], ["c:d", "harness check --help"]),
        (["check", "no_such_module:store"], ["'no_such_module'", "install it"]),
        (["check", "no_such_file.py:store"], ["'no_such_file.py'"]),
        (["check", "json"], ["'json'", "module:attribute"]),
        (["check", "json:lods"], ["'json:lods'", "no attribute 'lods'"]),
        (["check", "os:sep"], ["os:sep", "not callable", "give a factory"]),
        (["check", "--profile", "zfs"], ["'zfs'", "harness list profiles"]),
        (["check", "--guarantee", "speed"], ["'speed'", "harness list guarantees"]),
        (["check", "--quick", "--thorough"], ["--quick", "--thorough", "give one"]),
        (["check", "--seed", "seven"], ["--seed", "seven"]),
        (["check", "-n", "0"], ["'0'", "auto"]),
        (["check", "-n", "many"], ["'many'", "auto"]),
        (["check", "--budget", "0"], ["--budget"]),
        (["check", "--fail-on", "typo"], ["--fail-on", "silent-corruption"]),
        (["trace", "no_such.py"], ["no_such.py", "No such file"]),
        (["trace"], ["FILE.py", "harness trace --help"]),
        (["states", "no_such.jsonl", "--profile", "kill"], ["no_such.jsonl", "No such file"]),
        (["states", "t.jsonl"], ["--profile"]),
        (["verify"], ["PATH", "harness verify --help"]),
        (["verify", "f", "--mode", "lenient"], ["--mode", "kubelet"]),
        (["replay"], ["REPRO.json", "harness replay --help"]),
        (["list", "friends"], ["friends", "profiles"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(command, tmp_path, arguments, names):
    run = command(*arguments)
    assert run.code == 2
    assert run.out == ""
    assert run.line.startswith("harness: ")
    for name in names:
        assert name in run.line
    assert list(tmp_path.iterdir()) == []


def test_no_command_at_all_shows_the_help_on_stderr(command):
    run = command()
    assert run.code == 2
    assert run.out == ""
    assert "Commands:" in run.err


@pytest.mark.parametrize("arguments", [["--debug", "check", "json"], ["check", "--debug", "json"]])
def test_debug_shows_the_traceback_before_or_after_the_subcommand(command, arguments):
    run = command(*arguments)
    assert run.code == 2
    assert run.err.startswith("Traceback (most recent call last):")
    assert run.err.splitlines()[-1].startswith("harness: subject 'json'")


def test_a_module_that_fails_to_import_is_named_with_its_error(command, subject):
    run = command("check", subject("import no_such_dependency\n"))
    assert run.code == 2
    assert "shop.py" in run.line
    assert "no_such_dependency" in run.line


def test_a_module_that_exits_on_import_is_named(command, subject):
    run = command("check", subject("import sys\nsys.exit(3)\n"))
    assert run.code == 2
    assert "sys.exit(3)" in run.line


def test_a_file_that_is_no_python_is_named(command, subject):
    run = command("check", subject("def open_store(:\n"))
    assert run.code == 2
    assert "SyntaxError" in run.line


def test_a_subject_that_raises_on_open_fails_without_any_fault(command, subject):
    name = subject("def open_store(directory):\n    raise RuntimeError('no licence')\n")
    run = command("check", name, *QUICK)
    assert run.code == 4
    assert run.out == ""
    assert "RuntimeError: no licence" in run.line
    assert "with no fault injected" in run.line


def test_a_subject_of_no_known_shape_is_told_the_shapes(command, subject):
    run = command("check", subject("def open_store(directory):\n    return 42\n"), *QUICK)
    assert run.code == 2
    assert "returned a int" in run.line
    assert "MutableMapping" in run.line


def test_a_subject_that_loops_over_system_calls_is_stopped(command, subject, monkeypatch):
    monkeypatch.setitem(Machine.__init__.__kwdefaults__, "call_limit", 1000)
    loop = "        while True:\n            os.stat(self.directory)\n"
    source = PLAIN.replace(
        "    def write(self, key, value):\n", f"    def write(self, key, value):\n{loop}"
    )
    run = command("check", subject(source), *QUICK)
    assert run.code == 4
    assert run.out == ""
    assert "write(" in run.line
    assert "more than 1000 system calls" in run.line


def test_a_subject_that_never_returns_is_stopped(command, subject, monkeypatch):
    monkeypatch.setattr(watch.watched.__wrapped__, "__defaults__", (0.2,))
    source = PLAIN.replace("        os.unlink(", "        while True: pass\n        os.unlink(")
    run = command("check", subject(source), *QUICK)
    assert run.code == 4
    assert "delete(" in run.line
    assert "did not return within" in run.line


def test_a_subject_that_rejects_a_key_is_told_how_to_declare_its_keys(command, subject):
    source = PLAIN.replace(
        "        return os.path.join",
        "        if not isinstance(key, int): raise TypeError('keys are numbers')\n"
        "        return os.path.join",
    )
    run = command("check", subject(source), *QUICK)
    assert run.code == 4
    assert "keys are numbers" in run.line
    assert "`keys`" in run.line


def test_a_subject_that_reads_back_something_else_fails_without_any_fault(command, subject):
    source = PLAIN.replace("return file.read()", "return file.read() + b'!'")
    run = command("check", subject(source), *QUICK)
    assert run.code == 4
    assert "read(" in run.line


@pytest.mark.parametrize("place", ["file", "below-a-file", "missing-root"])
def test_a_report_directory_that_cannot_be_written_is_found_out_first(command, tmp_path, place):
    (tmp_path / "file").write_text("kept")
    target = {"file": "file", "below-a-file": "file/report", "missing-root": "/proc/no/report"}[
        place
    ]
    run = command("check", *QUICK, "--report", target)
    assert run.code == 2
    assert run.out == ""
    assert repr(target) in run.line
    assert "--report" in run.line
    assert (tmp_path / "file").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_check_that_comes_to_nothing_leaves_no_empty_report(command, subject, tmp_path):
    name = subject("def open_store(directory):\n    raise RuntimeError\n")
    assert command("check", name, *QUICK, "--report", "out/deep").code == 4
    assert not (tmp_path / "out" / "deep").exists()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("not json", ["t.jsonl:2", "not a trace record"]),
        ('{"op": "explode"}', ["t.jsonl:2", "explode"]),
        ('{"op": "create"}', ["t.jsonl:2", "path"]),
        ('{"op": "write", "path": "a", "offset": 0, "data": "!"}', ["t.jsonl:2"]),
        ('{"op": "image"}', ["t.jsonl:2", "first"]),
    ],
)
def test_a_malformed_trace_is_named_with_its_line(command, tmp_path, line, names):
    good = json.dumps({"op": "create", "path": "a", "mode": 420})
    (tmp_path / "t.jsonl").write_text(f"{good}\n{line}\n")
    for more in ([], ["--json"]):
        run = command("states", "t.jsonl", "--profile", "posix", *more)
        assert run.code == 2
        assert run.out == ""
        for name in names:
            assert name in run.line


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": "checkpoint-harness/repro/2"}', "\x00\xff"]
)
def test_what_is_no_reproduction_cannot_be_replayed(command, tmp_path, content):
    (tmp_path / "r.json").write_bytes(content.encode("latin-1"))
    run = command("replay", "r.json")
    assert run.code == 2
    assert run.out.count("\n") == 1
    assert run.out.startswith("r.json: cannot: ")
    assert "harness check" in run.out


@pytest.mark.parametrize("what", ["faults", "profiles"])
def test_a_full_disk_under_stdout_is_an_error_not_a_silence(process, what):
    with open("/dev/full", "w") as full:
        run = process("list", what, stdout=full)
    assert run.code == 2
    assert run.line.startswith("harness: the output cannot be written")


@pytest.mark.parametrize("what", ["faults", "profiles"])  # less than a buffer, and more
def test_a_reader_that_is_gone_ends_the_command_in_silence(process, what):
    reading, writing = os.pipe()
    os.close(reading)
    run = process("list", what, stdout=writing)
    os.close(writing)
    assert run.code == 141
    assert run.err == ""


def test_a_reader_that_is_gone_is_no_violation(process):
    """A check that conforms, piped into `head`, must not exit with 1."""
    reading, writing = os.pipe()
    os.close(reading)
    run = process("check", "--quick", "--profile", "kill", "--guarantee", "listing", stdout=writing)
    os.close(writing)
    assert run.code == 141
    assert run.err == ""


def test_what_the_harness_breaks_itself_is_told_as_such(command, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("harness.script.run_script", broken)
    run = command("trace", "x.py")
    assert run.code == 70
    assert run.line == (
        "harness: internal error: ZeroDivisionError: division by zero; "
        "run with --debug for the traceback"
    )
    run = command("trace", "x.py", "--debug")
    assert run.code == 70
    assert "Traceback" in run.err


def test_an_interrupt_is_not_an_internal_error(command, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.script.run_script", interrupted)
    run = command("trace", "x.py")
    assert run.code == 130
    assert run.line == "harness: interrupted"
