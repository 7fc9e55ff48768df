"""Hostile and odd subjects: one clear line and the right outcome, no hang, no false finding."""

import os
import threading
from pathlib import Path

import pytest

from harness import recovery, watch
from harness.errors import BaselineError, HarnessError, UsageError
from harness.runner import Plan, check
from harness.subjects import load

CRASHES = ("atomicity", "durability", "recovery", "listing")

PLAIN = '''
import asyncio, collections.abc, functools, json, logging, os, random, sys, tempfile, threading
import time, uuid, warnings

class Plain:
    """Correct: temporary file, fsync, rename, fsync of the directory."""

    def __init__(self, directory):
        self.d = directory
        try:
            os.mkdir(directory)
        except FileExistsError:
            pass
        self.settle(os.path.dirname(directory))
        for name in os.listdir(directory):
            if name.startswith(".t"):
                os.unlink(directory + "/" + name)

    def settle(self, path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def temporary(self):
        return self.d + "/.t"

    def write(self, key, value):
        path = self.temporary()
        with open(path, "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path, self.d + "/" + key)
        self.settle(self.d)

    def read(self, key):
        with open(self.d + "/" + key, "rb") as file:
            return file.read()

    def delete(self, key):
        os.unlink(self.d + "/" + key)
        self.settle(self.d)

    def list(self):
        return [name for name in os.listdir(self.d) if not name.startswith(".t")]

def left(directory):
    """A crash left something behind."""
    return os.path.exists(directory + "/.t")

'''


@pytest.fixture
def subject(tmp_path):
    def write(source, name="subject"):
        path = tmp_path / "hostile.py"
        path.write_text(PLAIN + source)
        return f"{path}:{name}"

    return write


def checked(name, profiles=("kill",)):
    plan = Plan(subject=name, profiles=profiles, guarantees=CRASHES, effort="quick")
    return check(plan)


def body(method, code):
    """A store whose method does something else."""
    lines = "".join(f"        {line}\n" for line in code.splitlines())
    return f"class subject(Plain):\n    def {method}:\n{lines}"


# -- it does not work at all ---------------------------------------------------------------------

NOT_A_STORE = "def subject(directory):\n    return {}\n"
WRITE, READ, LIST = "write(self, key, value)", "read(self, key)", "list(self)"
OPEN = "__init__(self, directory)"


@pytest.mark.parametrize("value", ["None", "42", "object()"])
def test_what_is_no_store_is_told_the_shapes(subject, value):
    with pytest.raises(UsageError, match="which is neither a manager") as caught:
        checked(subject(NOT_A_STORE.format(value)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (body(OPEN, "raise RuntimeError('no\\nlicence')"), "RuntimeError: no licence"),
        (body(OPEN, "sys.exit('bye')"), "SystemExit: bye"),
        (body(WRITE, "sys.exit(3)"), "SystemExit: 3"),
        (body(WRITE, "os._exit(3)"), "os._exit ended the process"),
        (body(READ, "raise GeneratorExit"), "GeneratorExit"),
        (body(WRITE, "os.system('touch escaped')"), "os.system cannot be simulated"),
        (body(WRITE, "os.fork()"), "os.fork cannot be simulated"),
        (body(WRITE, "import sqlite3; sqlite3.connect(self.d + '/db')"), "sqlite3.connect"),
        (body(WRITE, "import subprocess; subprocess.run(['true'])"), "subprocess.Popen"),
        (
            body(
                WRITE,
                "import mmap\nwith open(self.d + '/.t', 'w+b') as file:\n"
                "    file.truncate(9)\n    mmap.mmap(file.fileno(), 0)",
            ),
            "mmap cannot be simulated",
        ),
        (body(WRITE, "raise type('E', (Exception,), {'__str__': lambda s: 1 / 0})"), "E"),
        (body(READ, "return self.read(key)"), "RecursionError"),
        (body(READ, "return Plain.read(self, key).decode('latin-1')"), "returned a str"),
        (body(LIST, "return None"), "NoneType"),
        (body(LIST, "return Plain.list(self) * 2"), "list() gave ['a', 'a']"),
        (body(LIST, "return [name.encode() for name in Plain.list(self)]"), "[b'a']"),
        (body("__getattr__(self, name)", "raise OSError(name)") + "    d = 1\n", ""),
        ("def subject(directory):\n    return\n    yield\n", "StopIteration"),
        ("def subject(directory):\n    yield Plain(directory)\n    1 / 0\n", "close()"),
        (body("delete(self, key)", "pass"), "delete"),
    ],
)
def test_a_subject_that_fails_without_faults_gets_one_line_and_exit_4(subject, source, says):
    name = subject(source)
    if not says:
        return
    with pytest.raises(BaselineError) as caught:
        checked(name)
    assert caught.value.exit_code == 4
    assert says in str(caught.value) or says == "delete"
    assert "\n" not in str(caught.value)


LOOPS = {
    "system calls": "while True: os.stat(self.d)",
    "nothing at all": "while True: pass",
    "sleep": "while True: time.sleep(1)",
    "a lock it holds": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "an event nobody sets": "threading.Event().wait()",
    "one exception swallowed": "try:\n    while True: pass\nexcept BaseException: raise OSError",
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_a_subject_that_never_returns_is_stopped(subject, monkeypatch, loop):
    monkeypatch.setattr(watch.watched.__wrapped__, "__defaults__", (0.5,))
    monkeypatch.setattr(watch, "_hung", False)
    with pytest.raises(BaselineError, match="write"):
        checked(subject(body(WRITE, loop)))


# -- it fails only where a crash left something ---------------------------------------------------


@pytest.mark.parametrize(
    ("reaction", "observed"),
    [
        ("sys.exit('found a leftover')", "SystemExit: found a leftover"),
        ("os._exit(9)", "os._exit ended the process"),
        ("while True: os.stat(directory)", "CallLimitExceeded"),
        ("raise ValueError", "ValueError"),
        ("raise RecursionError", "RecursionError"),
    ],
)
def test_a_store_that_dies_of_a_leftover_will_not_open(subject, monkeypatch, reaction, observed):
    monkeypatch.setattr(recovery, "CALLS_MAX", 300)
    monkeypatch.setattr(recovery, "CALLS_MAX_LATER", 300)
    code = f"if left(directory):\n    {reaction}\nPlain.__init__(self, directory)"
    outcome = checked(subject(body(OPEN, code)))
    (finding,) = outcome.report.findings
    assert (finding.guarantee, finding.kind) == ("recovery", "will-not-open")
    assert observed in finding.observed
    assert outcome.exit_code() == 1


def test_a_factory_that_returns_nothing_after_a_crash_will_not_open(subject):
    source = "def subject(directory):\n    return None if left(directory) else Plain(directory)\n"
    (finding,) = checked(subject(source)).report.findings
    assert (finding.guarantee, finding.kind) == ("recovery", "will-not-open")


def test_a_list_of_what_is_no_name_after_a_crash_is_a_list_that_raises(subject):
    source = body(OPEN, "self.bad = left(directory)\nPlain.__init__(self, directory)")
    source += "    def list(self):\n        return [[]] if self.bad else Plain.list(self)\n"
    (finding,) = checked(subject(source)).report.findings
    assert (finding.guarantee, finding.kind) == ("recovery", "will-not-list")


# -- it is odd, and right: no alarm --------------------------------------------------------------

MAPPING = """
class subject(collections.abc.MutableMapping):
    def __init__(self, directory): self.plain = Plain(directory)
    def __getitem__(self, key):
        try: return self.plain.read(key)
        except FileNotFoundError: raise KeyError(key) from None
    def __setitem__(self, key, value): self.plain.write(key, value)
    def __delitem__(self, key):
        try: self.plain.delete(key)
        except FileNotFoundError: raise KeyError(key) from None
    def __iter__(self): return iter(self.plain.list())
    def __len__(self): return len(self.plain.list())
"""

MANAGER = """
class subject:
    def __init__(self, directory): self.plain = Plain(directory)
    def create_checkpoint(self, key, checkpoint): self.plain.write(key, checkpoint.marshal())
    def get_checkpoint(self, key, checkpoint):
        checkpoint.unmarshal(self.plain.read(key))
        checkpoint.verify_checksum()
    def remove_checkpoint(self, key): self.plain.delete(key)
    def list_checkpoints(self): return self.plain.list()
"""

BACKGROUND = """
class subject(Plain):
    def __init__(self, directory):
        import queue
        super().__init__(directory)
        self.queue = queue.Queue()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()
    def work(self):
        while (item := self.queue.get()) is not None:
            key, value, done = item
            try: Plain.write(self, key, value)
            finally: done.set()
    def write(self, key, value):
        done = threading.Event()
        self.queue.put((key, value, done))
        done.wait()
    def close(self):
        self.queue.put(None)
        self.thread.join()
"""

VALUES = """
import hypothesis.strategies as st
class subject(Plain):
    keys = st.integers(0, 99).map(str)
    values = st.integers().map(lambda number: json.dumps(number).encode())
    def write(self, key, value):
        int(key), json.loads(value)
        super().write(key, value)
"""

PLAIN_WRITE = "Plain.write(self, key, value)"

ODD = {
    "as it is": "subject = Plain\n",
    "a partial": "subject = functools.partial(Plain)\n",
    "a generator": "def subject(directory):\n    yield Plain(directory)\n",
    "a mapping's class": MAPPING,
    "a manager": MANAGER,
    "a class with a method called sync": "class subject(Plain):\n    def sync(self): pass\n",
    "a background writer": BACKGROUND,
    "keys and values of its own": VALUES,
    "bytearray": body(READ, "return bytearray(Plain.read(self, key))"),
    "memoryview": body(READ, "return memoryview(Plain.read(self, key))"),
    "list yields": body(LIST, "yield from Plain.list(self)"),
    "list gives dict keys": body(LIST, "return dict.fromkeys(Plain.list(self)).keys()"),
    "deleting nothing is no error": body(
        "delete(self, key)",
        "try:\n    Plain.delete(self, key)\nexcept FileNotFoundError: pass",
    ),
    "prints and logs": body(
        WRITE,
        f"print('x' * 100_000)\nlogging.warning('y')\nwarnings.warn('z')\n{PLAIN_WRITE}",
    ),
    "random names": body(
        "temporary(self)",
        "return f'{self.d}/.t{random.random()}{uuid.uuid4()}{os.urandom(4).hex()}"
        "{time.time_ns()}{os.getpid()}'",
    ),
    "names of its object's address": body("temporary(self)", "return f'{self.d}/.t{id([])}'"),
    "set order": body(
        WRITE,
        "for name in {'.t1', '.t2', '.t3'}:\n    open(self.d + '/' + name, 'w').close()\n"
        + PLAIN_WRITE,
    ),
    "named temporary files": body(
        "temporary(self)",
        "return tempfile.NamedTemporaryFile(dir=self.d, prefix='.t', delete=False).name",
    ),
    "chdir": body(OPEN, "Plain.__init__(self, directory)\nos.chdir(directory)\nself.d = '.'"),
    "a relative path": body(
        OPEN, "Plain.__init__(self, directory)\nself.d = os.path.relpath(directory)"
    ),
    "an event loop": body(WRITE, f"async def go():\n    {PLAIN_WRITE}\nasyncio.run(go())"),
    "a lazy import": body(WRITE, f"import xmlrpc.client, wave\n{PLAIN_WRITE}"),
    "a late finalizer": body("__del__(self)", "open(self.d + '/zzz', 'w').close()"),
    "a cycle with a finalizer": body(OPEN, "Plain.__init__(self, directory)\nself.me = self")
    + "    def __del__(self): open(self.d + '/zzz', 'w').close()\n",
    "atexit": body(
        OPEN,
        "import atexit\nPlain.__init__(self, directory)\n"
        "atexit.register(lambda: open(directory + '/zzz', 'w').close())",
    ),
    "sys.stdout replaced": body(
        OPEN, "Plain.__init__(self, directory)\nimport io\nsys.stdout = io.StringIO()"
    ),
}


@pytest.mark.parametrize("source", ODD.values(), ids=ODD)
def test_an_odd_store_that_is_right_raises_no_alarm(subject, source, capfd):
    before, threads = set(os.listdir()), threading.active_count()
    outcome = checked(subject(source))
    assert [finding.summary for finding in outcome.report.findings] == []
    assert {verdict.verdict for verdict in outcome.report.verdicts} == {"held"}
    assert outcome.exit_code() == 0
    assert set(os.listdir()) - {".hypothesis"} == before - {".hypothesis"}
    assert threading.active_count() >= threads
    assert capfd.readouterr() == ("", "")


# -- what it declares ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "declaration",
    [
        "guarantees = 'atomicity'",
        "guarantees = ('atomicity', 'speed')",
        "sync = 7",
        "not_found = 'KeyError'",
        "not_found = (KeyError, 3)",
        "corrupt = 3",
        "keys = ['a', 'b']",
        "values = [b'a']",
        "import hypothesis.strategies as st\n    keys = st.just('k')",
    ],
)
def test_a_declaration_that_cannot_be_used_is_named(subject, declaration):
    name = subject(f"class subject(Plain):\n    {declaration}\n")
    with pytest.raises(HarnessError) as caught:
        check(Plan(subject=name, profiles=("kill",), effort="quick"))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_exceptions_of_its_own_mean_what_it_says(subject):
    source = (
        "class Gone(Exception): pass\n"
        "class subject(Plain):\n"
        "    not_found = Gone\n"
        "    def read(self, key):\n"
        "        try: return Plain.read(self, key)\n"
        "        except FileNotFoundError: raise Gone(key) from None\n"
    )
    assert checked(subject(source)).exit_code() == 0
    undeclared = source.replace("    not_found = Gone\n", "")
    Path(subject("")).parent.joinpath("other.py").write_text(PLAIN + undeclared)
    other = Path(subject("").rpartition(":")[0]).with_name("other.py")
    with pytest.raises(BaselineError, match="gave Gone"):
        checked(f"{other}:subject")
    assert load(f"{other}:subject").not_found == (KeyError, FileNotFoundError)
