"""A store dies with its process, also one that a table of the module would hand out again."""

from __future__ import annotations

from pathlib import Path

from harness.runner import Plan, check

REMEMBERING = """
import os
import weakref

OPEN = weakref.WeakValueDictionary()


def open_store(directory):
    return OPEN.get(directory) or Store(directory)


class Store:
    def __init__(self, directory):
        self.directory = directory
        self.myself = self  # garbage of its own, until a collection finds it
        self.known = {}
        OPEN[directory] = self
        os.makedirs(directory, exist_ok=True)

    def write(self, key, value):
        with open(os.path.join(self.directory, key), "wb") as file:
            file.write(value)
        self.known[key] = value

    def read(self, key):
        if key not in self.known:
            with open(os.path.join(self.directory, key), "rb") as file:
                self.known[key] = file.read()
        return self.known[key]

    def delete(self, key):
        os.remove(os.path.join(self.directory, key))
        self.known.pop(key, None)

    def list(self):
        return os.listdir(self.directory)
"""


def test_no_store_outlives_its_process(tmp_path: Path) -> None:
    # What one life remembers would hide from the next that its bytes are damaged.
    store = tmp_path / "remembering.py"
    store.write_text(REMEMBERING)
    plan = Plan(
        subject=f"{store}:open_store",
        effort="quick",
        guarantees=("integrity",),
        profiles=("posix",),
    )
    outcome = check(plan)
    (verdict,) = outcome.report.verdicts
    assert verdict.verdict == "violated"
    assert {finding.replays for finding in outcome.report.findings} == {"10/10"}
