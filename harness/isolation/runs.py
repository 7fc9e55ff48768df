"""One interleaving as plain data: what a judge, a diagnosis and a story need of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final

from harness.linear import Done
from harness.schedule import Schedule
from harness.trace import Frame, Record

__all__ = ["LATER", "Detail", "Failing", "Run", "Step"]

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


@dataclass(slots=True)
class Step:
    """Something that one writer did between two chances for others to run.

    Attributes:
        number: Its turn, from 1: the clock of the history, too.
        writer: Who did it.
        call: The system call, or what was done to a lock of Python's own.
        names: What it is about: paths as in a trace, and for a lock in memory its name.
        ino: The inode behind its descriptor, if it has one.
        at: The subject's frames, innermost first.
        operation: Number of the operation it is part of.
        changes: Whether it changed the disk.
        held: Names of the locks that the writer held when it began.
        text: The call in a person's words.
        exclusive: Whether it makes a file only if there is none: what lock files are made with.
        fails: Whether it could be made to fail.
        struck: Whether it was.
        opened: The descriptor that it opened.
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
    exclusive: bool = False
    fails: bool = False
    struck: bool = False
    opened: int | None = None


@dataclass(slots=True)
class Detail:
    """What a diagnosis wants to know of an interleaving, and a judge does not.

    Attributes:
        steps: System calls and locks taken, in order.
        waiting: Where it got stuck: the steps that are never made, or made for ever.
        records: The trace to its end, with the lines that made each call.
        schedule: The schedule that leads there, as short as it can be said.
    """

    steps: Sequence[Step]
    waiting: tuple[Step, ...]
    records: list[Record]
    schedule: Schedule


@dataclass
class Run:
    """One interleaving.

    Attributes:
        taken: The schedule as it was.
        history: What was called, by whom, and what came; the last readings included.
        records: The joined trace of all writers.
        ticks: For each call of the trace, the turn that made it.
        order: Who took each turn.
        stuck: Where they did not get to their end: ``deadlock`` or ``livelock``.
        cycle: Who waits for what then, and who holds it.
        struck: Numbers of the operations that a fault struck.
        killed: Writers that were killed.
        main: The thread that opens and closes the store, where the writers are threads of one
            process.
        complete: Whether it ran to its end; an exploration ends one where it meets another.
        held: By the number of an operation, the descriptors its process had when it returned.
        again: Runs it again, to its end, and notes more.
    """

    taken: Schedule
    history: list[Done]
    records: list[Record]
    ticks: list[int]
    order: tuple[int, ...] = ()
    stuck: str | None = None
    cycle: str | None = None
    struck: frozenset[int] = frozenset()
    killed: frozenset[int] = frozenset()
    main: int | None = None
    complete: bool = True
    held: tuple[tuple[int, ...], ...] = ()
    again: Callable[[], Detail] = field(repr=False, default=NotImplemented)

    @property
    def shared(self) -> bool:
        """Whether the writers were threads of one process."""
        return self.main is not None

    @property
    def preemptions(self) -> int:
        """How often a writer was interrupted that could have gone on."""
        return self.taken.preemptions

    @cached_property
    def serial(self) -> bool:
        """Whether each writer came to its end before the next began.

        Without a preemption is not enough: a writer that waits, for a thread of its own or for a
        sleep to end, lets others in.
        """
        writers = {done.writer for done in self.history} - {LATER, self.main}
        spans: dict[int, list[int]] = {}
        for turn, writer in enumerate(self.order):
            if writer in writers:
                spans.setdefault(writer, []).append(turn)
        waiting = {done.writer for done in self.history if done.returned is None} - self.killed
        ends = sorted((turns[0], turns[-1], writer) for writer, turns in spans.items())
        return all(one[1] < after[0] and one[2] not in waiting for one, after in pairwise(ends))

    @cached_property
    def detail(self) -> Detail:
        """Everything that was done, as found by doing it again."""
        return self.again()

    @property
    def steps(self) -> Sequence[Step]:
        """See `Detail`."""
        return self.detail.steps

    @property
    def schedule(self) -> str:
        """The schedule in short: a person follows it, and it leads to the same run."""
        return str(self.detail.schedule)
