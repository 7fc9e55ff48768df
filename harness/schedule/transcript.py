"""Writing down the schedule that a run takes, as it is taken."""

from __future__ import annotations

from harness.schedule.interleaving import Taken
from harness.schedule.policy import Moment
from harness.schedule.schedule import Crash, Kill, Run, Schedule, Step

__all__ = ["Transcript"]


class Transcript:
    """The turns of a run, and the schedule that leads to them again.

    A writer's turns in a row are one step. How many they were is said only where the writer could
    have gone on: else the step means as long as it could.

    Attributes:
        steps: The turns taken.
        pressed: See `harness.schedule.interleaving.Interleaving`.
    """

    def __init__(self) -> None:
        self.steps: list[Taken] = []
        self.pressed = 0
        self._taken: list[Step] = []
        self._turns = 0
        self._exact = False

    @property
    def schedule(self) -> Schedule:
        """The schedule so far."""
        return Schedule(tuple(self._taken))

    def turn(self, moment: Moment, taken: Taken) -> None:
        """Write down a turn.

        Args:
            moment: Who could have gone.
            taken: Who goes, and what it does.
        """
        choice = taken.writer
        last = self._taken[-1] if self._taken else None
        if self._turns and isinstance(last, Run) and last.writer != choice:
            goes_on = bool(moment.kin) and choice not in moment.kin
            self.close(exact=last.writer in moment.ready or goes_on)
        if not self._turns:
            self._taken.append(Run(choice, 1))
        self._turns += 1
        if choice != moment.usual:
            self.pressed = len(self._taken)
        self._exact = self._exact or choice in moment.early
        self.steps.append(taken)

    def death(self, step: Kill | Crash) -> None:
        """Write down that a process, or the machine, dies."""
        self.close(exact=True)
        self._taken.append(step)
        self.pressed = len(self._taken)

    def close(self, *, exact: bool) -> None:
        """End the step of the writer that runs no more.

        Args:
            exact: Whether to say how many turns it took even if it was never let go early.
        """
        if self._turns:
            last = self._taken[-1]
            assert isinstance(last, Run)
            self._taken[-1] = Run(last.writer, self._turns if exact or self._exact else 0)
            self._turns, self._exact = 0, False
