"""What one schedule led to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.image import Image
from harness.ops import Operation
from harness.schedule.schedule import Schedule, writer_name
from harness.schedule.workload import ConcurrentWorkload
from harness.trace import Frame, Record

__all__ = ["ConcurrentEvent", "Interleaving", "Stuck", "Taken"]


@dataclass(frozen=True, slots=True)
class Taken:
    """One turn that was taken.

    Attributes:
        writer: Whose.
        call: What it began with: a system call, ``invoke``, ``acquire``, ``release``, ``start``.
        paths: What the call is about, as in a trace; for a lock, where it was made.
        ino: The descriptor's inode, if there is one.
        changes: Whether others could notice.
        enabled: Who else could have gone instead.
        records: Records there were before it.
        at: The subject's frames, innermost first, where they were asked for.
    """

    writer: int
    call: str
    paths: tuple[str, ...]
    ino: int | None
    changes: bool
    enabled: tuple[int, ...]
    records: int
    at: tuple[Frame, ...] = ()

    def __str__(self) -> str:
        about = ", ".join(map(repr, self.paths))
        return f"{writer_name(self.writer)}: {self.call}({about})"


@dataclass(slots=True)
class ConcurrentEvent:
    """One operation of a concurrent history.

    Attributes:
        number: Its place in the order of invocations.
        writer: Who called.
        operation: What was called.
        invoked: Turns taken before it was called.
        returned: Turns taken when it returned; None while it has not.
        invoked_records: System calls recorded before it was called.
        returned_records: The same when it returned; None while it has not.
        answer: A value, MISSING, a tuple of names, None, or `harness.subjects.Raised`.
        certain: Whether it returned. One that was cut off, or raised, may have happened or not.
        held: Descriptors that its process had open when it returned, ascending.
    """

    number: int
    writer: int
    operation: Operation
    invoked: int
    invoked_records: int
    returned: int | None = None
    returned_records: int | None = None
    answer: object = None
    certain: bool = False
    held: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{writer_name(self.writer)}: {self.operation}"


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why the writers did not get to their end.

    Attributes:
        kind: ``deadlock``: all wait for each other. ``livelock``: somebody polls for what nobody
            is left to do. ``hung``: a writer computed without end.
        waits: For each of them, who it is and what it waits for.
        pending: For each, the turn that it never gets to take, or takes for ever.
    """

    kind: Literal["deadlock", "livelock", "hung"]
    waits: tuple[str, ...]
    pending: tuple[Taken, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.kind}: {'; '.join(self.waits)}"


@dataclass(slots=True)
class Interleaving:
    """One run of several writers under one schedule.

    Attributes:
        workload: What they did.
        taken: The schedule that was taken, to the end. Running it again gives the same bytes.
        base: The disk before, all of it durable.
        seed: Of the machine.
        records: The trace, one total order over all processes.
        steps: Each turn.
        events: The history, in the order of invocations.
        image: What the page cache held at the end.
        stuck: Set if they did not all get to their end.
        killed: Writers that a step killed, in that order.
        crashed: Whether the machine died.
        diverged: Whether the schedule named a writer that could not go then.
        complete: Whether it ran to its end; an exploration ends one early once all that could still
            follow is in an earlier one.
        fresh: Turns after which each state was seen in no earlier interleaving of the same
            exploration.
        pressed: Leading steps of ``taken`` that have to be said: from there on everybody goes as
            they do where a schedule ends.
        after: What was found afterwards, where somebody was asked to look.
    """

    workload: ConcurrentWorkload
    taken: Schedule
    base: Image | None
    seed: int
    records: list[Record] = field(default_factory=list)
    steps: list[Taken] = field(default_factory=list)
    events: list[ConcurrentEvent] = field(default_factory=list)
    image: Image | None = None
    stuck: Stuck | None = None
    killed: tuple[int, ...] = ()
    crashed: bool = False
    diverged: bool = False
    complete: bool = True
    fresh: int = 0
    pressed: int = 0
    after: object = None

    @property
    def shortest(self) -> Schedule:
        """The schedule that was taken, without the end that needs no saying: it leads there too."""
        return Schedule(self.taken.steps[: self.pressed])
