"""How far the work on one unit has come, and whether its time is up.

Everything that loops over crash states, faults or tries asks the meter: between two of them is
where a budget can end without cutting anything in half. What had been found by then is kept.

The clock decides only where a check that was given a budget stops; without one, no result depends
on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from harness.explore import CrashState, Explorer

__all__ = ["Meter", "Standing"]

T = TypeVar("T")

_TELL_SECONDS: Final = 0.2
"""Time between two signs of life: a bar moves, and nobody takes the worker for dead."""

# Taken before anything is rerouted: a simulated machine has a clock of its own.
_now: Final = time.monotonic


class Standing(NamedTuple):
    """Where a unit stands.

    Attributes:
        states: Crash states judged.
        possible: Crash states there are in what was begun, so far as they can be counted.
        countable: Whether all of them can.
        findings: Causes found.
        share: How much of the unit is done, from 0 to 1.
    """

    states: int = 0
    possible: int = 0
    countable: bool = True
    findings: int = 0
    share: float = 0.0


class Meter:
    """Counts what is judged, tells it, and says when to stop.

    Args:
        until: When to stop, on the clock of `time.monotonic`; None for never.
        tell: Told where the unit stands, a few times a second at most.
        counting: Whether to count the states there are before they are visited, for `tell`.

    Attributes:
        where: What was being done when the time was up, in words; None if it never was.
    """

    def __init__(
        self,
        *,
        until: float | None = None,
        tell: Callable[[Standing], None] | None = None,
        counting: bool = False,
    ) -> None:
        self.where: str | None = None
        self._until, self._tell, self._counting = until, tell, counting
        self._idle = until is None and tell is None
        self._told = _now()
        self._states = self._before = self._possible = self._findings = 0
        self._countable = True
        self._stretch = (0.0, 1.0)
        self._share = 0.0
        self._doing = ""

    @property
    def until(self) -> float | None:
        """When to stop."""
        return self._until

    def begin(self, doing: str, start: float, end: float) -> None:
        """Note what is being done next.

        Args:
            doing: In words, for one who asks where the time ended.
            start: Share of the unit done before it.
            end: Share of the unit done after it.
        """
        self._doing, self._stretch, self._share = doing, (start, end), start
        self._before = self._states

    def found(self, causes: int) -> None:
        """Note how many causes are known by now."""
        self._findings = causes

    def over(self, share: float | None = None) -> bool:
        """Tell whether the time is up.

        Args:
            share: How much of what was begun last is done, from 0 to 1.
        """
        if self._idle:
            return False
        if share is not None:
            start, end = self._stretch
            self._share = start + share * (end - start)
        now = _now()
        if self._until is not None and now >= self._until:
            if self.where is None:
                self.where = self._doing + self._far()
            return True
        if self._tell is not None and now - self._told >= _TELL_SECONDS:
            self._told = now
            self._tell(self._standing())
        return False

    def watch(
        self, explorer: Explorer, start: float = 0.0, end: float = 1.0
    ) -> Iterator[CrashState]:
        """Yield the crash states of an explorer, until there are no more or the time is up.

        An explorer stopped before its end says itself that it was not exhaustive.

        Args:
            explorer: The explorer.
            start: How much of what was begun last is done before, from 0 to 1.
            end: How much of it is done when there are no more.
        """
        if self._idle:
            yield from explorer.states()
            return
        before, possible = self._possible, explorer.count() if self._counting else None
        self._countable = self._countable and (possible is not None or not self._counting)
        self._possible += possible or 0
        begun = self._states
        for state in explorer.states():
            if self.over(start + explorer.share * (end - start)):
                explorer.stop()
                if begun == self._before:
                    self.where = self._doing + self._far(explorer.possible)
                return
            self._states += 1
            yield state
        if explorer.possible is not None:
            self._possible = before + explorer.possible

    def each(self, faults: Sequence[T]) -> Iterator[T]:
        """Yield what is to be injected, until there is no more or the time is up."""
        for number, one in enumerate(faults):
            if self.over(number / len(faults)):
                return
            yield one

    def end(self) -> None:
        """Tell where the unit stands at its end."""
        self._share = 1.0
        if self._tell is not None:
            self._tell(self._standing())

    def _standing(self) -> Standing:
        return Standing(self._states, self._possible, self._countable, self._findings, self._share)

    def _far(self, possible: int | None = None) -> str:
        """Say how many states of what was begun last were judged."""
        judged = self._states - self._before
        if not judged:
            return ""
        of = "" if possible is None else f" of {possible:,}"
        return f" after {judged:,}{of} crash state{'s' * (judged != 1 or possible is not None)}"
