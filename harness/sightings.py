"""The violations seen in an examination, each with the crash state that shows it."""

from __future__ import annotations

from bisect import insort_right
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from harness.examination import Examination
from harness.explore import CrashState
from harness.violation import Violation

__all__ = ["Sighting", "Sightings"]

_DIAGNOSED_MAX: Final = 3
"""Crash states kept, to be diagnosed, of those that break one promise in one way."""

_SORTS_MAX: Final = 64
"""Sorts told apart of violations of one guarantee in one way."""


@dataclass(slots=True)
class Sighting:
    """A violation and the crash state that shows it.

    Attributes:
        violation: What is broken.
        examination: The trace it was found in.
        state: The set of effects on disk.
        nested: The crash state of the recovery, where the crash struck there.
    """

    violation: Violation
    examination: Examination
    state: CrashState
    nested: CrashState | None = None


class Sightings:
    """The violations seen: all of them counted, the simplest of each sort kept.

    Memory does not grow with them, though it grows with their sorts; of one guarantee broken in
    one way, sorts beyond the first few (another key, another operation) count as the last of them.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[object, ...], list[tuple[tuple[int, int], Sighting]]] = {}
        self._counts: Counter[tuple[object, ...]] = Counter()
        self._sorts: dict[tuple[object, ...], list[tuple[object, ...]]] = {}

    def add(self, sighting: Sighting) -> None:
        """Count a violation, and keep it if it is among the simplest of its sort."""
        violation = sighting.violation
        coarse = (
            violation.guarantee,
            violation.kind,
            sighting.nested is None,
            sighting.examination.kill_at is None,
        )
        sort: tuple[object, ...] = (
            *coarse,
            violation.key,
            violation.concerns,
            violation.destroyed_by,
        )
        group = self._groups.get(sort)
        if group is None:
            sorts = self._sorts.setdefault(coarse, [])
            if len(sorts) < _SORTS_MAX:
                sorts.append(sort)
                group = self._groups[sort] = []
            else:
                sort = sorts[-1]
                group = self._groups[sort]
        self._counts[sort] += 1
        state = sighting.state
        losses = state.issued - state.offset - state.taken.bit_count(), state.first
        if len(group) < _DIAGNOSED_MAX or losses < group[-1][0]:
            insort_right(group, (losses, sighting), key=itemgetter(0))
            del group[_DIAGNOSED_MAX:]

    def count(self, guarantee: str) -> int:
        """Count the violations of one guarantee."""
        return sum(count for sort, count in self._counts.items() if sort[0] == guarantee)

    def guarantees(self) -> frozenset[str]:
        """Give the guarantees that any of them breaks."""
        return frozenset(str(sort[0]) for sort in self._counts)

    def sorts(self, guarantees: Collection[str]) -> Iterator[tuple[int, list[Sighting]]]:
        """Yield, for each sort, how many there were, and the simplest, simplest first."""
        for sort, group in self._groups.items():
            if sort[0] in guarantees:
                yield self._counts[sort], [sighting for _, sighting in group]
