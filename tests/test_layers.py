"""The one-way rule: a room of the engine imports only rooms to its left.

The order is DESIGN's map with every room in it. A new module fails here until it is given its
place; one that needs something to its right is in the wrong place, or two ideas.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ORDER = [
    *("errors", "guarantees", "trace", "image", "ops", "pool"),
    *("disk", "intercept"),
    *("faults", "fault_hooks", "record", "givers", "source", "script"),
    *("persistence", "explore", "meter", "statelist"),
    *(
        "subjects",
        "watch",
        "history",
        "quiet",
        "reuse",
        "recovery",
        "moments",
        "violation",
        "oracle",
        "linear",
        "workloads",
        "strategies",
    ),
    *("live", "syncfail", "power_cuts", "failing", "rot", "repeating", "hygiene", "given"),
    *("schedule",),
    *(
        "coverage",
        "aftermath",
        "examination",
        "sightings",
        "cut_after_kill",
        "examine",
        "diagnose",
        "report",
        "finding",
        "injected",
        "fault_in_recovery",
        "fault_after_kill",
        "failing_calls",
        "injecting",
        "meeting",
        "smallest",
        "isolation",
        "unit",
        "chainlife",
        "chain",
        "chainblame",
        "chainshrink",
        "replay",
        "pasted",
        "shrink",
        "halves",
        "accepting",
        "edits",
        "proposals",
        "together",
        "trials",
        "elsewhere",
        "fix",
        "story",
        "scene",
        "fates",
        "chainscene",
        "racescene",
        "exhibit",
        "partial",
        "fingerprint",
        "shards",
    ),
    *("baseline", "corpus"),
    *("plan", "settling", "verdicts"),
    *("render", "runner", "advise", "gathering", "merging", "gate", "stress", "cluster"),
    *("crashpoint", "crashdisk"),
    *("config", "cli", "corpus_items", "balance", "pytest_plugin", "__main__"),
]
"""Left to right."""

APART = {"reference"}
"""Imports nothing of the engine but its errors; what imports it is a shell, or a subject's name."""

MAY_IMPORT_APART = {"cli"}


def rooms():
    """Every module and package directly in ``harness``."""
    return {
        path.stem
        for path in (ROOT / "harness").iterdir()
        if path.name != "__init__.py"
        and (path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py"))))
    }


def imported(source, package):
    """Dotted names that a module imports anywhere in it: in functions and for types too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                above = parts[: len(parts) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                yield f"{base}.{alias.name}"


def violations(sources, order=ORDER, apart=APART):
    """Name what breaks the rule.

    Args:
        sources: Source text by path from the repository's root.
    """
    place = {room: number for number, room in enumerate(order)}
    known = set(order) | set(apart)
    for path, source in sorted(sources.items()):
        parts = Path(path).with_suffix("").parts
        if parts[0] == "scenarios":
            continue
        package = ".".join(parts[:-1])
        room = parts[1] if parts[1] != "__init__" else None
        if room is not None and room not in known:
            yield f"{path}: {room} has no place in the order"
            continue
        for name in imported(source, package):
            top, _, rest = name.partition(".")
            if top in ("scenarios", "tests"):
                yield f"{path}: imports {name}; the engine knows no scenario and no test"
            if top != "harness":
                continue
            target = rest.split(".")[0]
            if target in ("", "__version__") or target == room:
                continue
            if target not in known:
                yield f"{path}: imports {name}, which has no place in the order"
            elif room is None:
                yield f"{path}: imports {name}; `import harness` has to stay light"
            elif room in apart:
                if target != "errors":
                    yield f"{path}: imports {name}; {room} stands apart from the engine"
            elif target in apart:
                if room not in MAY_IMPORT_APART:
                    yield f"{path}: imports {name}; only {MAY_IMPORT_APART} may"
            elif place[target] > place[room]:
                yield f"{path}: imports {name}, to the right of {room}"


def sources_of(*folders):
    return {
        str(path.relative_to(ROOT)): path.read_text("utf-8")
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    }


def test_every_import_goes_to_the_left():
    assert list(violations(sources_of("harness", "scenarios"))) == []


def test_the_order_names_each_room_once_and_none_that_is_gone():
    assert len(ORDER) == len(set(ORDER))
    assert set(ORDER) | APART == rooms()


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("harness/errors.py", "from harness.trace import Call", "to the right of errors"),
        ("harness/errors.py", "import harness.cli.shell", "to the right of errors"),
        ("harness/errors.py", "from harness import oracle", "to the right of errors"),
        ("harness/disk/core.py", "from ..runner import check", "to the right of disk"),
        ("harness/disk/core.py", "from .. import runner", "to the right of disk"),
        (
            "harness/oracle.py",
            "def late():\n    from harness.report import Report",
            "to the right of oracle",
        ),
        (
            "harness/ops.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import harness.disk",
            "to the right of ops",
        ),
        ("harness/cli/check.py", "import scenarios.zoo", "knows no scenario"),
        ("harness/unheard_of.py", "", "no place in the order"),
        ("harness/cli/check.py", "from harness.unheard_of import x", "no place in the order"),
        ("harness/reference/cpu.py", "from harness.disk import Machine", "stands apart"),
        ("harness/runner.py", "from harness.reference.verify import verify_paths", "only"),
        ("harness/__init__.py", "from harness.runner import check", "has to stay light"),
    ],
)
def test_a_planted_violation_is_named(path, source, complaint):
    found = list(violations({path: source}))
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("harness/cli/check.py", "from harness.runner import check\nimport click"),
        ("harness/disk/core.py", "from . import names\nfrom harness.disk import inode"),
        ("harness/reference/cpu.py", "from harness.errors import HarnessError"),
        ("harness/cli/verify.py", "from harness.reference.verify import verify_paths"),
        ("harness/runner.py", "from harness import __version__"),
    ],
)
def test_what_the_rule_allows_is_not_named(path, source):
    assert list(violations({path: source})) == []
