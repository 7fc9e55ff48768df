"""One interleaving as plain data: what a judge, a diagnosis and a story need of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.linear import Done
from harness.trace import Frame, Record

__all__ = ["LATER", "Choice", "Failing", "Run", "Step"]

LATER: Final = -1
"""Number of the writer that looks when all others are done: a new process, and the last to see."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A call that fails.

    Attributes:
        writer: Whose.
        call: Which of that writer's calls that can: ENOSPC where room is needed, EIO in a sync.
    """

    writer: int
    call: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the baton could go.

    Attributes:
        place: Steps and kills before it.
        before: Who had it, if that one was ready to go on.
        ready: Who could have it.
        taken: Who got it.
    """

    place: int
    before: int | None
    ready: tuple[int, ...]
    taken: int


@dataclass(slots=True)
class Step:
    """Something that one writer did between two chances for others to run.

    Attributes:
        number: Its place in the interleaving: the clock of the history, too.
        writer: Who did it.
        call: The system call, or what was done to a lock of Python's own.
        names: What it is about: paths as in a trace, and for a lock in memory its name.
        ino: The inode behind its descriptor, if it has one.
        at: The subject's frames, innermost first.
        operation: Number of the operation it is part of.
        changes: Whether it changed the disk.
        held: Names of the locks that the writer held when it began.
        text: The call in a person's words.
        place: Choices of the schedule that led up to it.
        exclusive: Whether it makes a file only if there is none: what lock files are made with.
        fails: Whether it could be made to fail.
        struck: Whether it was.
    """

    number: int
    writer: int
    call: str
    names: tuple[str, ...] = ()
    ino: int | None = None
    at: tuple[Frame, ...] = ()
    operation: int = -1
    changes: bool = False
    held: frozenset[str] = frozenset()
    text: str = ""
    place: int = 0
    exclusive: bool = False
    fails: bool = False
    struck: bool = False


@dataclass
class Run:
    """One interleaving.

    Attributes:
        schedule: It, as text.
        history: What was called, by whom, and what came; the last readings included.
        records: The joined trace of all writers.
        ticks: For each call of the trace, the step that made it.
        steps: Everything that was done, in order.
        cycle: Where it ended in a deadlock: who waits for what, and who holds it.
        waiting: The steps that wait for ever then.
        struck: Numbers of the operations that a fault struck.
        killed: Writers that were killed.
        choices: Where the baton could have gone otherwise.
        taken: The schedule as it was.
        shared: Whether the writers were threads of one process.
    """

    schedule: str
    history: list[Done]
    records: list[Record]
    ticks: list[int]
    steps: Sequence[Step]
    cycle: str | None = None
    waiting: tuple[Step, ...] = ()
    struck: frozenset[int] = frozenset()
    killed: frozenset[int] = frozenset()
    choices: Sequence[Choice] = ()
    taken: tuple[int, ...] = ()
    shared: bool = False

    @property
    def preemptions(self) -> int:
        """How often a writer was interrupted that could have gone on."""
        return sum(one.before not in (None, one.taken) for one in self.choices)
