"""Defaults from ``[tool.harness]`` in pyproject.toml.

Keys are the command line's long options; what is given on the command line wins:

    [tool.harness]
    subjects = ["myapp.store:open_store", "myapp/settings.py:Settings"]    # or: subject
    profiles = ["ext4", "xfs"]          # or: profile
    guarantees = ["atomicity"]          # or: guarantee
    effort = "quick"                    # quick, default or thorough
    seed = 7
    workers = 2
    budget = 60.0                       # seconds
    fail-on = "data-loss"
    corpus = "tests/corpus"             # findings kept here are run first by plain pytest
    baseline = "harness-baseline.json"  # findings accepted for now

    [tool.harness.profiles.our-nas]     # a persistence model of one's own; choose with `profile`
    names = "journal"
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from harness.errors import UsageError
from harness.persistence import Model

__all__ = ["EFFORTS", "Config", "find", "load"]

EFFORTS: Final = ("quick", "default", "thorough")

T = TypeVar("T")


@dataclass(frozen=True)
class Config:
    """What the project's pyproject.toml says.

    Attributes:
        path: The file; None where there is none with a ``[tool.harness]``.
        subjects: The stores, one run each; a path to a file is given from the current directory.
        profiles: Names of persistence models; none means all.
        guarantees: Names of guarantees; None means those the subject claims.
        effort: How much.
        seed: Of every draw.
        workers: Processes.
        budget: Seconds of wall time; None for no limit.
        fail_on: Findings less severe than this do not count; None for all of them.
        corpus: Directory of findings to rerun.
        baseline: File of accepted findings.
        custom: Persistence models defined here, by name.
    """

    path: Path | None = None
    subjects: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    guarantees: tuple[str, ...] | None = None
    effort: str | None = None
    seed: int | None = None
    workers: int | None = None
    budget: float | None = None
    fail_on: str | None = None
    corpus: Path | None = None
    baseline: Path | None = None
    custom: dict[str, Model] = field(default_factory=dict)

    @property
    def subject(self) -> str | None:
        """The first of the subjects, for what takes one."""
        return self.subjects[0] if self.subjects else None

    @property
    def directory(self) -> Path | None:
        """Where the file is: the subject's modules are looked for there too."""
        return None if self.path is None else self.path.parent


_KEYS: Final = (
    "subject",
    "subjects",
    "profile",
    "profiles",
    "guarantee",
    "guarantees",
    "effort",
    "seed",
    "workers",
    "budget",
    "fail-on",
    "corpus",
    "baseline",
)


def find(start: Path) -> Path | None:
    """Find the nearest pyproject.toml with a ``[tool.harness]``.

    Looked for in a directory and its parents up to the root of its git repository; outside of one
    in that directory only, so that a stray file in /tmp or a home directory decides nothing.

    Args:
        start: Where to begin.

    Raises:
        UsageError: A pyproject.toml on the way cannot be read.
    """
    here = start.resolve()
    candidates = [here]
    for parent in (here, *here.parents):
        if (parent / ".git").exists():
            candidates = [here, *(p for p in here.parents if p.is_relative_to(parent))]
            break
    for directory in candidates:
        path = directory / "pyproject.toml"
        if path.is_file() and _section(path) is not None:
            return path
    return None


def load(start: Path) -> Config:
    """Read the defaults that hold in a directory.

    Args:
        start: The directory, usually the current one.

    Raises:
        UsageError: The file cannot be read, or says something that cannot be used.
    """
    path = find(start)
    if path is None:
        return Config()
    section = _section(path)
    assert section is not None
    name = os.path.relpath(path, start)
    for key in section:
        if key not in _KEYS:
            raise UsageError(
                f"{name}: unknown key {key!r} in [tool.harness]; there are {', '.join(_KEYS)}"
            )
    effort = _typed(name, section, "effort", str)
    if effort is not None and effort not in EFFORTS:
        raise UsageError(f"{name}: effort = {effort!r}; give one of {', '.join(EFFORTS)}")
    workers = _typed(name, section, "workers", int)
    if workers is not None and workers < 1:
        raise UsageError(f"{name}: workers = {workers}; give at least 1")
    budget = _typed(name, section, "budget", float)
    if budget is not None and budget <= 0:
        raise UsageError(f"{name}: budget = {budget:g}; give seconds, more than 0")
    if not isinstance(section.get("subject"), list):
        _typed(name, section, "subject", str)
    subjects = _names(name, section, "subject") or ()
    if len(set(subjects)) < len(subjects):
        raise UsageError(f"{name}: subjects names one of them twice; keep one")
    return Config(
        path=path,
        subjects=tuple(_from_here(one, path.parent, start) for one in subjects),
        profiles=_names(name, section, "profile") or (),
        guarantees=_names(name, section, "guarantee"),
        effort=effort,
        seed=_typed(name, section, "seed", int),
        workers=workers,
        budget=budget,
        fail_on=_typed(name, section, "fail-on", str),
        corpus=_beside(path, name, section, "corpus"),
        baseline=_beside(path, name, section, "baseline"),
        custom=_custom(name, section.get("profiles")),
    )


def _section(path: Path) -> dict[str, Any] | None:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}; correct it first") from None
    tool = document.get("tool")
    section = tool.get("harness") if isinstance(tool, dict) else None
    if section is None:
        return None
    if not isinstance(section, dict):
        raise UsageError(f"{path}: tool.harness must be a table, [tool.harness]")
    return section


def _typed(name: str, section: dict[str, Any], key: str, wanted: type[T]) -> T | None:
    value = section.get(key)
    if value is None:
        return None
    if wanted is float and type(value) is int:
        value = float(value)
    # Not isinstance: true is an int in Python and not a number of workers.
    if type(value) is not wanted:
        word = {str: "a string", int: "a whole number", float: "a number"}[wanted]
        raise UsageError(f"{name}: {key} = {value!r}; give {word}")
    result: T = value
    return result


def _beside(path: Path, name: str, section: dict[str, Any], key: str) -> Path | None:
    """Read a path that is meant from the file's directory."""
    value = _typed(name, section, key, str)
    return None if value is None else path.parent / value


def _names(name: str, section: dict[str, Any], option: str) -> tuple[str, ...] | None:
    """Read a list of names, under the option's name or its plural."""
    plural = f"{option}s"
    given = section.get(option)
    if not isinstance(section.get(plural), dict | None):
        if given is not None:
            raise UsageError(f"{name}: both {option} and {plural} name some; keep one of them")
        option, given = plural, section[plural]
    if given is None:
        return None
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise UsageError(f"{name}: {option} = {given!r}; give a list of names")
    return tuple(names)


def _custom(name: str, profiles: object) -> dict[str, Model]:
    if not isinstance(profiles, dict):
        return {}
    from harness.persistence.profiles import PROFILES, profile_from_mapping  # noqa: PLC0415 - rare

    models = {}
    for one, switches in profiles.items():
        if one in PROFILES:
            raise UsageError(
                f"{name}: [tool.harness.profiles.{one}] has the name of a profile that ships; "
                "choose another"
            )
        if not isinstance(switches, dict):
            raise UsageError(
                f"{name}: profiles.{one} = {switches!r}; give its switches in a table "
                f"[tool.harness.profiles.{one}]"
            )
        try:
            models[one] = profile_from_mapping(one, switches)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
    return models


def _from_here(subject: str, directory: Path, start: Path) -> str:
    """Turn a path that is meant from the file's directory into one from the current one."""
    where, colon, attribute = subject.rpartition(":")
    if not where.endswith(".py") or Path(where).is_absolute():
        return subject
    return f"{os.path.relpath(directory / where, start)}{colon}{attribute}"
