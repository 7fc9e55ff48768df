"""A finding as a test to paste: plain pytest and pyfakefs, nothing of the harness.

The file is the finding's own constants, a test that calls one function, and the text of the rooms
of `harness.pasted.shim` that it needs. They watch pyfakefs and know what a crash may leave by the
rules of one persistence model. It does not lay out the one recorded image: a mended store never
leaves it. It runs the store's own operations and crashes them everywhere, so that it fails on the
bug and passes on any protocol that keeps the promise.
"""

from __future__ import annotations

import re
import textwrap
from importlib import resources
from typing import Final

from harness.errors import UsageError
from harness.faults import AnyFault, Full
from harness.finding import Reproduction
from harness.given import give
from harness.hygiene import parse_repeated
from harness.persistence import Model
from harness.report import OperationRecord
from harness.rot import parse_damage

__all__ = ["as_test"]

_BODY: Final = "# -- below this line everything goes into the test\n"

_EACH: Final = """\
for number in range(len(OPERATIONS)):
    setup = SETUP + OPERATIONS[:number]
    crash_everywhere(disk, "atomicity", setup, OPERATIONS[number : number + 1])
crash_everywhere(disk, "atomicity", SETUP, OPERATIONS)"""

_CALLS: Final = {
    "open": ("open", "look"),
    "pwrite": ("write",),
    "writev": ("write",),
    "fdatasync": ("fsync",),
    "rename": ("rename", "replace"),
    "unlink": ("unlink", "remove"),
    **dict.fromkeys(("read", "readinto", "pread", "readv", "preadv"), ("look",)),
}

_FAKES: Final = "FakeDirectory, FakeDirWrapper, FakeFile, FakeFileWrapper"

_IMPORTS: Final = tuple(f"import {name}" for name in ("inspect", "itertools", "os", "stat", "zlib"))

_EVERY: Final = ("lacking", "disk", "run", "store", "judge", "crashes")
"""Rooms of the shim that each test needs."""

_MORE: Final = {
    "fail_everywhere": ("calls",),
    "fail_in_recovery": ("calls",),
    "fail_reads": ("calls",),
    "damage_everything": ("damage",),
    "kill_repeatedly": ("leaks",),
    "fail_repeatedly": ("leaks",),
}
"""Rooms that one kind of test needs, by the function it calls."""


def as_test(reproduction: Reproduction, model: Model) -> str:
    """Write a finding as one file of pytest.

    Args:
        reproduction: The finding.
        model: The persistence model it was found under.

    Raises:
        UsageError: It is of a kind that pyfakefs cannot show: several writers, or several lives.
    """
    call, imports = _call(reproduction)
    name = re.sub(r"\W+", "_", f"{reproduction.guarantee}_{reproduction.kind}").strip("_").lower()
    rules = {
        "order": model.order,
        "names": model.names,
        "size_needs_data": model.size_needs_data,
        "rename_over": model.rename_over,
        "torn": model.torn,
    }
    return "\n".join(
        [
            f'"""{_docstring(reproduction)}"""',
            "",
            *sorted(
                {
                    "import inspect",
                    "import itertools",
                    "import os",
                    "import stat",
                    "import zlib",
                    *imports,
                }
            ),
            "",
            "import pytest",
            f"from pyfakefs.fake_file import {_FAKES}",
            "from pyfakefs.fake_filesystem import FakeFilesystem",
            "from pyfakefs.fake_open import FakeFileOpen",
            "from pyfakefs.fake_os import FakeOsModule",
            "",
            *_import(reproduction.subject),
            "",
            f"SETUP = {_operations(reproduction, setup=True)}",
            f"OPERATIONS = {_operations(reproduction, setup=False)}",
            f"RULES = {rules!r}  # {model.name}",
            "",
            "",
            f"def test_{name}(disk):",
            textwrap.indent(call, "    "),
            "",
            "",
            _shim(call),
        ]
    )


def _docstring(found: Reproduction) -> str:
    key = "" if found.key is None else f" key {found.key!r}:"
    text = (  # a paragraph a string
        f"{found.subject} breaks {found.guarantee} ({found.profile}):{key} {found.observed}.\n\n"
        f"Written by checkpoint-harness {found.version}; needs pytest, pyfakefs and the store. It "
        "fails as long as the store does that, and passes once it is mended."
    )
    paragraphs = [textwrap.fill(one, 96) for one in text.split("\n\n")]
    return "\n\n".join(paragraphs).replace("\\", "\\\\").replace('"""', "'''") + "\n"


def _import(subject: str) -> list[str]:
    where, _, attribute = subject.rpartition(":")
    first, *rest = attribute.split(".")
    last = [f"open_store = open_store.{'.'.join(rest)}"] if rest else []
    if where.endswith(".py"):
        return [
            "# The store, from its file: run pytest where this path is right.",
            f'_spec = importlib.util.spec_from_file_location("subject", {where!r})',
            "_module = importlib.util.module_from_spec(_spec)",
            'sys.modules["subject"] = _module',
            f"sys.path.insert(0, os.path.dirname(os.path.abspath({where!r})))",
            "_spec.loader.exec_module(_module)",
            f"open_store = _module.{attribute}",
        ]
    return [f"from {where} import {first} as open_store", *last]


def _operations(found: Reproduction, *, setup: bool) -> str:
    lines = [f"    {_operation(one)},\n" for one in found.operations if one.setup is setup]
    return "[\n" + "".join(lines) + "]" if lines else "[]"


def _operation(one: OperationRecord) -> str:
    return repr((one.op, one.key, one.value))


def _call(found: Reproduction) -> tuple[str, set[str]]:
    """Choose what the test does: the call, and the modules it needs."""
    imports = {"import importlib.util", "import sys"} if ".py:" in found.subject else set()
    if found.race is not None or found.chain is not None:
        kind = "a race" if found.race is not None else "a chain of faults"
        raise UsageError(
            f"{kind} cannot be told as a test on pyfakefs, which knows one process and no "
            "schedule; keep its *.repro.json in a corpus directory instead: plain pytest reruns it "
            "([tool.harness] corpus)"
        )
    if found.guarantee == "hygiene":
        _refuse_leak(found)
        return _leak(found, imports)
    if found.rot is not None:
        damage = parse_damage(found.rot)
        more = f", {damage.other!r}, {found.key!r}" if damage.kind == "renamed" else ""
        return f"damage_everything(disk, {damage.kind!r}, SETUP, OPERATIONS{more})", imports
    if found.fault is not None and "; then " in found.fault:
        raise UsageError(
            "two failures in one operation cannot be told as a test on pyfakefs; keep the "
            "finding's *.repro.json in a corpus directory instead ([tool.harness] corpus)"
        )
    if found.fault is not None:
        given = give(found.fault)
        assert given.call is not None
        imports = imports | {"import errno"}
        calls, error, part = _failing(given.call)
        if given.guarantee == "recovery":
            return f"fail_in_recovery(disk, {calls!r}, {error}, SETUP, OPERATIONS)", imports
        if any(one.op == "sync" for one in found.operations):
            # The test fails the calls of writes and deletes: it would pass on the bug.
            raise UsageError(
                "what a sync says about a failing call cannot be told as a test on pyfakefs; keep "
                "the finding's *.repro.json in a corpus directory instead ([tool.harness] corpus)"
            )
        if found.kind == "false-answer" and not isinstance(given.call, Full):
            return f"fail_reads(disk, {calls!r}, {error}, SETUP, OPERATIONS)", imports
        more = "" if given.at is None else ", crashing=True"
        if isinstance(given.call, Full) or given.call.sticky:
            more += ", lasting=True"
        return (
            f"fail_everywhere(disk, {calls!r}, {error}, {part}, SETUP, OPERATIONS{more})",
            imports,
        )
    if found.kill_at is not None:
        return f"power_cut_after_kill(disk, {found.guarantee!r}, SETUP, OPERATIONS)", imports
    if found.second is not None:
        return "crash_in_recovery(disk, SETUP, OPERATIONS)", imports
    if found.guarantee == "atomicity":
        # Each operation by itself, on a store where all before it is durable; then all together.
        return _EACH, imports
    return f"crash_everywhere(disk, {found.guarantee!r}, SETUP, OPERATIONS)", imports


def _failing(fault: AnyFault) -> tuple[tuple[str, ...], str, int | None]:
    """Give the calls that fail, the error in Python, and the bytes that they move all the same."""
    if isinstance(fault, Full):
        return ("write",) if fault.unit == "bytes" else ("open", "mkdir"), "errno.ENOSPC", None
    error = f"errno.{fault.error}" if fault.error else "None"
    return _CALLS.get(fault.call, (fault.call,)), error, fault.after


def _refuse_leak(found: Reproduction) -> None:
    """Refuse a leak that pyfakefs would not show: such a test would pass on the bug.

    Raises:
        UsageError: It is one.
    """
    repeated = parse_repeated(found.fault or "")
    for cannot, what in (
        ("; then " in str(repeated.fault), "two failures in one operation"),
        (repeated.cut, "power cuts over and over"),
        (repeated.backwards, "another order of a directory"),
        (
            repeated.fault.killed and found.kind == "descriptor-leak",
            "descriptors that one process leaks while others die",
        ),
    ):
        if cannot:
            raise UsageError(
                f"{what} cannot be told as a test on pyfakefs; keep the finding's *.repro.json in "
                "a corpus directory instead ([tool.harness] corpus)"
            )


def _leak(found: Reproduction, imports: set[str]) -> tuple[str, set[str]]:
    """Choose what a test of a leak repeats."""
    repeated = parse_repeated(found.fault or "")
    workload = found.workload()
    looks = [("read", key, None) for key in workload.keys[:1]] + [("list", None, None)]
    operations = [(one.kind, one.key, one.value) for one in workload.operations]
    operation = repr([*operations, *looks][repeated.operation])
    if repeated.fault.killed:
        return f"kill_repeatedly(disk, SETUP, {operation})", imports
    calls, error, part = _failing(repeated.fault)
    return (
        f"fail_repeatedly(disk, {calls!r}, {error}, {part}, SETUP, {operation})",
        imports | {"import errno"},
    )


def _shim(call: str) -> str:
    """Join the rooms of the shim that a test needs, without what ties them together here."""
    rooms = list(_EVERY)
    for name, more in _MORE.items():
        if name in call:
            rooms += more
    texts = []
    for room in rooms:
        text = (resources.files("harness.pasted.shim") / f"{room}.py").read_text("utf-8")
        texts.append(text[text.index(_BODY) + len(_BODY) :].strip("\n"))
    return "\n\n\n".join(texts) + "\n"
