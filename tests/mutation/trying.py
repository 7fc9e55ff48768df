"""Trying a mutant: its modules are made anew, and it is checked until something is found.

Each kind of workload is run in the order in which it is likeliest to tell, with little depth first
and, where that finds nothing, with what a default check looks at. Nothing is shrunk or replayed:
the question is only whether the harness would say a word.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import BaselineError, HarnessError
from harness.intercept import rerouted
from harness.oracle import GUARANTEES
from harness.runner import Plan
from harness.subjects import load
from harness.unit import Depth, run_unit
from tests.mutation.mutants import Mutant

__all__ = ["MODULES", "path_of", "tried"]

MODULES = (
    "harness.reference.envelope",
    "harness.reference.hardened_files",
    "harness.reference.filestore",
    "harness.reference.manager",
)
"""Mutated, in the order in which they import each other."""

QUICK = Depth(budget=200, mixed=False, faults=100)
FULL = Depth(budget=300, mixed=True, faults=300, compound=100)
PROFILES = ("posix", "kill")


def path_of(module: str) -> Path:
    """Find a module's source."""
    return Path(str(importlib.import_module(module).__file__))


def tried(mutant: Mutant | None, *, shallow: bool = False) -> str | None:
    """Check a mutant; say what found it, or nothing if it lives.

    Args:
        mutant: The mutant; None checks the reference itself, which must live.
        shallow: With little depth only.
    """
    store = _made(mutant)
    subjects = ["mutated:filestore", "mutated:nested"]
    if mutant is None or mutant.module.endswith(("manager", "filestore")):
        subjects.insert(0, "mutated:hardened")
    for depth in (QUICK,) if shallow else (QUICK, FULL):
        for subject in subjects:
            found = _checked(subject, store, depth)
            if found is not None:
                return found
    return None


def _checked(name: str, store: ModuleType, depth: Depth) -> str | None:
    sys.modules["mutated"] = store
    plan = Plan(subject=name, profiles=PROFILES, effort="quick")
    try:
        with rerouted():
            for workload in plan.workloads:
                result = run_unit(
                    load(name), workload, plan.models, frozenset(GUARANTEES), depth, seed=0
                )
                for one in result.candidates:
                    return f"{one.guarantee} ({one.kind})"
                for where, why in result.errors.items():
                    return f"error under {where}: {why[:60]}"
    except BaselineError:
        return "baseline"
    except HarnessError as error:
        return f"{type(error).__name__}: {error}"[:80]
    return None


def _made(mutant: Mutant | None) -> ModuleType:
    """Make the modules anew, one of them changed, and a subject of each shape on top."""
    made: dict[str, ModuleType] = {}
    kept = {name: sys.modules[name] for name in MODULES if name in sys.modules}
    try:
        for name in MODULES:
            path = path_of(name)
            source: Any = path.read_text(encoding="utf-8")
            if mutant is not None and mutant.module == name:
                source = mutant.tree
            module = ModuleType(name)
            module.__file__ = str(path)
            sys.modules[name] = made[name] = module
            exec(compile(source, str(path), "exec"), module.__dict__)
    finally:
        sys.modules.update(kept)
    store = ModuleType("mutated")
    for name, module in made.items():
        # Known by a name, so that what they took from other modules is rerouted as well.
        sys.modules[f"mutated_{name.rpartition('.')[2]}"] = module
    _subjects(store, made)
    return store


def _subjects(store: Any, made: dict[str, ModuleType]) -> None:
    from harness.reference.errors import (  # noqa: PLC0415
        CheckpointNotFoundError,
        KeyNotFoundError,
    )
    from harness.reference.subjects import Factory, ManagerFactory  # noqa: PLC0415

    files: Callable[[str], Any] = made["harness.reference.filestore"].FileStore
    manager: Callable[[str], Any] = made["harness.reference.manager"].CheckpointManager
    store.filestore = Factory("filestore", files, (KeyNotFoundError,))
    # In a directory whose parents are to be made, too.
    store.nested = Factory("nested", lambda d: files(f"{d}/a/b"), (KeyNotFoundError,))
    store.hardened = ManagerFactory("hardened", manager, (CheckpointNotFoundError,))
