"""Schedules: which writer runs when, and who dies, as data.

A schedule is a list of steps. One *turn* lets a writer go from where it stands to just before its
next switch point: the start of an operation, a system call that others can notice, a lock
operation. As text, which is what a finding shows and a person types::

    A*3 B+ A+        A makes 3 turns, B runs as long as it can, then A does
    A*3 !A B+        A makes 3 turns and its process dies, B runs as long as it can
    A*3 B*2 !        the machine dies after 5 turns

``A`` alone is one turn. Writers are ``A`` to ``Z``, then ``W27`` and so on; threads that a store
starts itself come after the workload's own writers, in the order they are started. Where a schedule
ends, the writer that runs goes on, then a thread of the same family (a writer and those that the
store started for it), then the first in the alphabet that can.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from harness.errors import UsageError

__all__ = ["Crash", "Kill", "Run", "Schedule", "Step", "writer_name"]

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_STEP: Final = re.compile(
    r"(?P<kill>!)?(?P<name>[A-Z]|W[0-9]+)?(?:\*(?P<count>[0-9]+)|(?P<all>\+))?"
)


def writer_name(writer: int) -> str:
    """Name a writer: A, B, ... Z, W27, ..."""
    return _LETTERS[writer] if writer < len(_LETTERS) else f"W{writer + 1}"


@dataclass(frozen=True, slots=True)
class Run:
    """A writer runs.

    Attributes:
        writer: From 0.
        count: Turns; 0 for as many as it can make before it blocks, sleeps or ends.
    """

    writer: int
    count: int = 0

    def __str__(self) -> str:
        name = writer_name(self.writer)
        return f"{name}+" if not self.count else name if self.count == 1 else f"{name}*{self.count}"


@dataclass(frozen=True, slots=True)
class Kill:
    """A writer's process dies where it stands; the others go on.

    Attributes:
        writer: From 0.
    """

    writer: int

    def __str__(self) -> str:
        return f"!{writer_name(self.writer)}"


@dataclass(frozen=True, slots=True)
class Crash:
    """The machine dies: nobody goes on."""

    def __str__(self) -> str:
        return "!"


Step: TypeAlias = Run | Kill | Crash


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who runs when.

    Attributes:
        steps: In order; two neighbours that let the same writer run are one.
    """

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(_joined(self.steps)))

    def __str__(self) -> str:
        return " ".join(map(str, self.steps))

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read a schedule as `__str__` writes it.

        Raises:
            UsageError: It is not one; the message names the first word that is wrong.
        """
        return cls(tuple(map(_parse, text.split())))

    @property
    def switches(self) -> int:
        """How often another writer goes on than the one before."""
        writers = [step.writer for step in self.steps if isinstance(step, Run)]
        return sum(a != b for a, b in pairwise(writers))

    @property
    def preemptions(self) -> int:
        """How often a writer that could go on is made to wait.

        Exact for a schedule that an interleaving took: there, a part that ended because its writer
        could not go on is written with ``+``.
        """
        return sum(
            isinstance(step, Run) and step.count > 0 and isinstance(following, Run)
            for step, following in pairwise(self.steps)
        )


def _joined(steps: Iterable[Step]) -> Iterable[Step]:
    """Join neighbours that are the same writer's: data has one form only."""
    last: Step | None = None
    for step in steps:
        if isinstance(step, Run) and isinstance(last, Run) and step.writer == last.writer:
            count = last.count + step.count if last.count and step.count else 0
            last = Run(step.writer, count)
            continue
        if last is not None:
            yield last
        last = step
    if last is not None:
        yield last


def _parse(word: str) -> Step:
    found = _STEP.fullmatch(word)
    if found is not None:
        name, count = found["name"], found["count"]
        counted = count is not None or found["all"] is not None
        if found["kill"] and not counted:
            return Kill(_number(name)) if name else Crash()
        if name and not found["kill"] and count != "0":
            return Run(_number(name), int(count or 1) if not found["all"] else 0)
    raise UsageError(
        f"schedule: {word!r} is no step; write A (one turn), A*3 (three), A+ (as long as it can), "
        "!A (A dies) or ! (the machine dies)"
    )


def _number(name: str) -> int:
    return int(name[1:]) - 1 if len(name) > 1 else _LETTERS.index(name)
