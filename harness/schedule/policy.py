"""Who goes next: everything that decides it answers one question.

Replaying a schedule, running without preemption, drawing at random and exploring are the same to
the engine: each is a `Policy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from harness.schedule.schedule import Crash, Kill, Run, Schedule
from harness.workloads import SeededChooser

if TYPE_CHECKING:
    from harness.schedule.engine import Engine

__all__ = ["PCT", "Choice", "Follow", "Moment", "Policy", "Uniform"]

Choice: TypeAlias = int | Kill | Crash | None


@dataclass(frozen=True, slots=True)
class Moment:
    """What a policy decides on.

    Attributes:
        turn: Turns taken so far.
        running: Who took the last one, if it can go on; else None.
        ready: Who can go, ascending; never empty.
        early: Who sleeps, or polls: they can be let go before their time.
        kin: Those of ``ready`` that carry on with what the one who took the last turn is at: a
            writer of the workload, and the threads that the store started for it, are one family.
        engine: For a policy that looks deeper.
    """

    turn: int
    running: int | None
    ready: tuple[int, ...]
    early: tuple[int, ...]
    kin: tuple[int, ...]
    engine: Engine

    @property
    def usual(self) -> int:
        """Who goes if nobody is preempted."""
        if self.running is not None:
            return self.running
        return self.kin[0] if self.kin else self.ready[0]

    def price(self, writer: int) -> int:
        """Count the preemptions of letting a writer go: 1 if its family could have gone on, else 0.

        Inside a family the first that can goes, and each delay of it counts too (Emmi, Qadeer and
        Rakamaric, *Delay-bounded scheduling*, POPL'11): else a store that hands each call to a
        thread of its own would have a free choice at each call, and too many orders to try.
        """
        bound = bool(self.kin) or writer in self.early
        return int(bound and writer != self.usual)


class Policy(Protocol):
    """Decides who goes next."""

    def choose(self, moment: Moment) -> Choice:
        """Give the writer that goes next, or who dies first; None to end the run here."""


class Follow:
    """Replays a schedule, then goes on without preemption.

    Attributes:
        diverged: Whether a step named a writer that could not go.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._steps = list(reversed(schedule.steps))
        self._done = 0
        self.diverged = False

    def choose(self, moment: Moment) -> Choice:
        steps = self._steps
        while steps:
            step = steps[-1]
            if isinstance(step, Crash):
                steps.pop()
                return step
            if isinstance(step, Kill):
                steps.pop()
                if moment.engine.is_alive(step.writer):
                    return step
                self.diverged = True
                continue
            if self._can(step, moment):
                self._done += 1
                if self._done == step.count:
                    self._pop()
                return step.writer
            if not self._done or step.count:
                self.diverged = True
            self._pop()
        return moment.usual

    def _can(self, step: Run, moment: Moment) -> bool:
        if step.writer in moment.ready:
            return True
        return step.writer in moment.early and (step.count > 0 or not self._done)

    def _pop(self) -> None:
        self._steps.pop()
        self._done = 0


class Uniform:
    """Draws each turn among those who can go.

    Args:
        seed: Any text.
    """

    def __init__(self, seed: str) -> None:
        self._chooser = SeededChooser(seed)

    def choose(self, moment: Moment) -> Choice:
        return self._chooser.pick(moment.ready)


class PCT:
    """Probabilistic concurrency testing (Burckhardt et al., ASPLOS'10).

    Each writer has a random priority, the highest that can go does, and at ``depth - 1`` random
    turns the one that is about to go falls below all. A bug that needs ``depth`` ordering
    constraints is hit with a probability of at least ``1 / (n * k ** (depth - 1))`` for n writers
    and k turns.

    Args:
        seed: Any text.
        turns: About how many turns the run takes (k).
        depth: See above.
    """

    def __init__(self, seed: str, turns: int, depth: int = 3) -> None:
        self._chooser = SeededChooser(seed)
        self._ranks: dict[int, int] = {}
        changes = {self._chooser.integer(0, max(turns - 1, 0)) for _ in range(depth - 1)}
        self._changes = sorted(changes, reverse=True)
        self._lowest = 0

    def choose(self, moment: Moment) -> Choice:
        for writer in moment.ready:
            if writer not in self._ranks:
                self._ranks[writer] = self._fresh()
        best = self._best(moment.ready)
        while self._changes and self._changes[-1] <= moment.turn:
            self._changes.pop()
            self._lowest -= 1
            self._ranks[best] = self._lowest
            best = self._best(moment.ready)
        return best

    def _fresh(self) -> int:
        while (rank := self._chooser.integer(1, 1 << 30)) in self._ranks.values():
            pass
        return rank

    def _best(self, ready: Sequence[int]) -> int:
        return max(ready, key=self._ranks.__getitem__)
