"""The adapters' stores make the calls that their findings rest on: strace on a real disk agrees.

The same few operations run under strace on a real filesystem and on the simulated machine, as in
tests/intercept/test_strace.py; the calls that change something must be the same, in order, with
offsets and bytes. So a finding is about what the library really does.
"""

import os
import re
import shutil
import socket
from pathlib import Path

import pytest

from harness.script import run_script
from scenarios.adapters import ADAPTERS
from tests.intercept.test_strace import (
    MISSING,
    STRACE,
    neutral,
    real_story,
    shown,
    simulated_story,
)

SCRIPT = """
from scenarios.adapters.{name} import open_store

store = open_store("store")
store.write("a", b"first")
store.write("a", b"second, and longer")
store.write("b", bytes(5000))
assert store.read("a") == b"second, and longer"
store.delete("b")
getattr(store, getattr(open_store, "sync", "") or "close", lambda: None)()
"""

TIMED = ("beaker_file",)
"""Stores whose files hold the time of day: their bytes are compared by length."""

RANDOM = re.compile(r"\.tmp_[a-z0-9_]{8}|tmp[a-z0-9_]{8}")


def even(story, pid, host, *, timed):
    """Give random names a number on both sides, and leave out bytes that hold the time."""
    seen = {}

    def number(match):
        return seen.setdefault(match[0], f"<temporary {len(seen) + 1}>")

    lines = [
        tuple(
            RANDOM.sub(number, item)
            if isinstance(item, str)
            else (f"{len(item)} bytes" if timed and isinstance(item, bytes) else item)
            for item in line
        )
        for line in story
    ]
    return shown(neutral(lines, pid, host))


@pytest.mark.skipif(STRACE is None, reason=MISSING)
@pytest.mark.parametrize("name", ADAPTERS)
def test_the_library_makes_these_calls_on_a_real_disk(name, tmp_path):
    pytest.importorskip(f"scenarios.adapters.{name}", exc_type=ImportError)
    work, temporary = tmp_path / "work", Path(f"/dev/shm/harness-adapters-{os.getpid()}-{name}")
    work.mkdir()
    if work.stat().st_blksize != 4096:
        pytest.skip(f"{work} has blocks of {work.stat().st_blksize} bytes; put --basetemp on ext4")
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no second filesystem to stand for /tmp: /dev/shm is not writable")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(name=name))
    temporary.mkdir()
    try:
        real, pid = real_story(script, work, temporary, tmp_path / "log")
    finally:
        shutil.rmtree(temporary)
    simulated = list(simulated_story(run_script(str(script))))
    assert len(real) >= 4
    timed = name in TIMED
    assert even(simulated, 1001, "simulated", timed=timed) == even(
        real, pid, socket.gethostname(), timed=timed
    )
