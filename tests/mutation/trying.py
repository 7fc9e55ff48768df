"""Trying a mutant: its modules are made anew, and it is checked until something is found.

A few small workloads stand for all, those that tell most first: a key overwritten with others
there, one deleted and written again, a store made where not even its parents are, a first write
cut short by crashes that the next opening has to clear away. Then several writers race, in every
order with two preemptions. Nothing is shrunk or replayed: the question is only whether the harness
would say a word.

What is not about faults is asked last, of the modules that have it: what the reference promises
about keys and modes, a kubelet's mode (whose findings have to stay as they are), and checkpoints
with the three methods alone.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import BaselineError, HarnessError
from harness.guarantees import GUARANTEES
from harness.history import record
from harness.intercept import rerouted
from harness.isolation.races import standing_races
from harness.ops import Workload, delete, write
from harness.persistence import PROFILES as PROFILES_BY_NAME
from harness.subjects import load
from harness.unit import Depth, run_unit
from harness.workloads import value_of
from tests.mutation.mutants import Mutant
from tests.mutation.promises import promised

__all__ = ["MODULES", "path_of", "tried"]

MODULES = (
    "harness.reference.envelope",
    "harness.reference.hardened_files",
    "harness.reference.filestore",
    "harness.reference.manager",
)
"""Mutated, in the order in which they import each other."""

_OLD, _NEW = value_of(1, 40), value_of(2, 600)
_SETUP = (write("a", _OLD), write("b", b"x"))

TRIALS = (
    ("filestore", Workload("overwrite", (write("a", _NEW),), _SETUP)),
    ("filestore", Workload("delete", (delete("a"), write("a", b"y")), _SETUP)),
    ("nested", Workload("overwrite", (write("a", b"1"),))),
)
"""Subjects, each with what is done with it."""

LARGE = Workload("large", (write("a", value_of(3, 300_000)),))
"""Without faults: no buffer of a store takes it in two pieces."""

MANAGER_TRIALS = (
    ("hardened", Workload("overwrite", (write("a", b"2"),), (write("a", b"1"), write("b", b"x")))),
    ("hardened", Workload("delete", (delete("a"),), (write("a", b"1"),))),
)

KUBELETS = Workload("overwrite", (write("a", b"2"),), (write("a", b"1"),))
DEEP_KUBELET = Depth(budget=120, mixed=False, faults=2000)
SHALLOW = Depth(budget=120, mixed=False, faults=60)
DEEP = Depth(budget=600, mixed=True, faults=2000, compound=120)
RACED = Depth(budget=200, mixed=False, preemptions=2, cut=1, struck=0)
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
    sys.modules["mutated"] = store = _made(mutant)
    of_manager = mutant is not None and mutant.module.endswith(("manager", "filestore"))
    trials = (*MANAGER_TRIALS, *TRIALS) if of_manager else TRIALS
    with rerouted():
        try:
            record(load("mutated:filestore"), LARGE)
        except BaselineError:
            return "baseline"
        for depth in (SHALLOW,) if shallow else (SHALLOW, DEEP):
            for name, workload in trials:
                assert hasattr(store, name)
                found = _checked(f"mutated:{name}", workload, depth)
                if found is not None:
                    return found
        if shallow:
            return None
        for race in standing_races():
            found = _checked("mutated:hardened" if of_manager else "mutated:filestore", race, RACED)
            if found is not None:
                return found
        found = _kubelet() if of_manager else None
    return found or promised(store)


def _kubelet() -> str | None:
    """Tell whether a kubelet's mode shows other weaknesses than it has."""
    models = tuple(PROFILES_BY_NAME[profile] for profile in PROFILES)
    shown = []
    for name in ("mutated:kubelet", "harness.reference.subjects:kubelet"):
        try:
            result = run_unit(
                load(name), KUBELETS, models, frozenset(GUARANTEES), DEEP_KUBELET, seed=0
            )
        except BaselineError:
            return "baseline"
        shown.append(
            {(one.guarantee, one.kind, *one.profiles.items()) for one in result.candidates}
        )
    return None if shown[0] == shown[1] else "other findings in a kubelet's mode"


def _checked(name: str, workload: Workload, depth: Depth) -> str | None:
    models = tuple(PROFILES_BY_NAME[profile] for profile in PROFILES)
    try:
        result = run_unit(load(name), workload, models, frozenset(GUARANTEES), depth, seed=0)
    except BaselineError:
        return "baseline"
    except HarnessError as error:
        return f"{type(error).__name__}: {error}"[:80]
    for one in result.candidates:
        return f"{one.guarantee} ({one.kind})"
    for where, why in result.errors.items():
        return f"error under {where}: {why[:60]}"
    return None


def _made(mutant: Mutant | None) -> ModuleType:
    """Make the modules anew, one of them changed, and a subject of each shape on top."""
    made: dict[str, ModuleType] = {}
    kept = {name: sys.modules[name] for name in MODULES if name in sys.modules}
    try:
        for name in MODULES:
            path = path_of(name)
            source = path.read_text(encoding="utf-8")
            if mutant is not None and mutant.module == name:
                source = mutant.text
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
    store.kubelet = ManagerFactory(
        "kubelet", lambda d: manager(d, "kubelet"), (CheckpointNotFoundError,)
    )
    store.FileStore, store.CheckpointManager = files, manager
    store.is_wrapped = made["harness.reference.envelope"].is_wrapped
