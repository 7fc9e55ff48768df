"""The moments of a history: what each key may read as, and during which of them.

A crash state can be left by crashes at many moments, in a store that never syncs at all that come
after it. What a key may read as changes at few of these, and each of its values is right during one
span of them: that is worked out once, so that a reading is judged where its judgement can change
and not at every moment there is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from harness.history import Event
from harness.subjects import MISSING, Outcome

__all__ = ["KeyHistory", "Segment", "Version", "segments_of"]

_NEVER: Final = 1 << 60
"""A segment after all others."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of positions with one state of the history.

    Attributes:
        first: First position.
        last: Last position.
        acknowledged: How many operations had returned.
        in_flight: Number of the operation that had begun and not returned, if any.
    """

    first: int
    last: int
    acknowledged: int
    in_flight: int | None


@dataclass(frozen=True, slots=True)
class Version:
    """A value that a key has had.

    Attributes:
        event: Number of the operation that gave it; -1 for what was there before all of them.
        value: The value, or that there is none.
        certain: Whether the operation returned.
    """

    event: int
    value: Outcome
    certain: bool = True


def segments_of(events: list[Event]) -> list[Segment]:
    """Cut the positions of a sequential history into spans.

    Between two operations the earlier one counts as acknowledged at once: the crash may strike
    right after it returned. An operation is in flight from the middle of its first call to the
    middle of its last.
    """
    segments = []
    start = 0
    for event in events:
        if event.returned == event.invoked:
            continue
        number = event.number
        segments.append(Segment(start, 2 * event.invoked, number, None))
        segments.append(Segment(2 * event.invoked + 1, 2 * event.returned - 1, number, number))
        start = 2 * event.returned
    segments.append(Segment(start, 1 << 61, len(events), None))
    return segments


class KeyHistory:
    """The versions of one key, and the segments that allow each.

    Args:
        versions: All of them, oldest first; the first is what was there before.
        segments: The history's.
        synced: Numbers of the returned syncs, for a store that promises durability only then; None
            for one that promises it at once.
    """

    def __init__(
        self, versions: list[Version], segments: list[Segment], synced: list[int] | None
    ) -> None:
        self.versions = versions
        self._events = [version.event for version in versions]
        self._synced = synced
        # For each version the last certain one that is not newer: what came before that is over
        # once it is durable.
        self._settled: list[int] = []
        for number, version in enumerate(versions):
            self._settled.append(number if version.certain or not number else self._settled[-1])
        self._by_value: dict[Outcome, list[int]] = {}
        for number, version in enumerate(versions):
            self._by_value.setdefault(version.value, []).append(number)
        acknowledged = [segment.acknowledged for segment in segments]
        self._begins = [0]
        covered: list[int] = [0]  # first segment in which a version is acknowledged, durably
        for version in versions[1:]:
            after = bisect_right(acknowledged, version.event)
            running = after and segments[after - 1].in_flight == version.event
            self._begins.append(after - 1 if running else after)
            covered.append(self._covered(version, acknowledged))
        # Until the next certain version is durable, this one may still be what is read.
        self._ends: list[int] = [_NEVER] * len(versions)
        for number in range(len(versions) - 2, -1, -1):
            following = versions[number + 1]
            self._ends[number] = (
                covered[number + 1] - 1 if following.certain else self._ends[number + 1]
            )
        # From here on something that has to survive can have been lost.
        self.at_stake = 0
        if versions[0].value is MISSING:
            certain = [n for n, version in enumerate(versions) if n and version.certain]
            self.at_stake = covered[certain[0]] if certain else _NEVER

    def _covered(self, version: Version, acknowledged: list[int]) -> int:
        event = version.event
        if self._synced is not None:
            following = bisect_left(self._synced, event)
            if following == len(self._synced):
                return _NEVER
            event = self._synced[following]
        return bisect_right(acknowledged, event)

    # -- at one moment -------------------------------------------------------------------------

    def seen(self, segment: Segment) -> list[Version]:
        """Give all versions up to a moment, that of the operation in flight included."""
        return self.versions[: self._count(segment)]

    def allowed(self, segment: Segment) -> list[Version]:
        """Give those that may be read: acknowledged last, or of the operation in flight."""
        return self.versions[self._settled[self._must(segment) - 1] : self._count(segment)]

    def acknowledged(self, segment: Segment) -> Version:
        """Give the last certain version that was acknowledged."""
        return self.versions[self._settled[bisect_left(self._events, segment.acknowledged) - 1]]

    def loses(self, segment: Segment) -> bool:
        """Tell whether anything that has to survive was there to be lost."""
        return self.versions[0].value is not MISSING or any(
            version.certain for version in self.versions[1 : self._must(segment)]
        )

    def _count(self, segment: Segment) -> int:
        """Count the versions up to a moment."""
        count = bisect_left(self._events, segment.acknowledged)
        if count < len(self._events) and self._events[count] == segment.in_flight:
            count += 1
        return count

    def _must(self, segment: Segment) -> int:
        """Count the versions that were acknowledged, and synced where that is what is promised."""
        if self._synced is None:
            return bisect_left(self._events, segment.acknowledged)
        done = bisect_left(self._synced, segment.acknowledged)
        return bisect_right(self._events, self._synced[done - 1] if done else -1)

    # -- over many moments ---------------------------------------------------------------------

    def spans(self, value: Outcome, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the spans of segments, within one, in which a value may be read; in order."""
        numbers = self._by_value.get(value, [])
        # Both ends grow with the versions: those that are over by the first segment are skipped.
        for number in numbers[bisect_left(numbers, first, key=self._ends.__getitem__) :]:
            begin, end = max(self._begins[number], first), min(self._ends[number], last)
            if begin > last:
                return
            if begin <= end:
                yield begin, end

    def first_wrong(self, value: Outcome, first: int, last: int) -> int | None:
        """Give the first segment of a span in which a value may not be read."""
        for begin, end in self.spans(value, first, last):
            if begin > first:
                break
            first = max(first, end + 1)
        return first if first <= last else None

    def telling(self, value: Outcome, first: int, last: int) -> set[int]:
        """Name segments of a span that show everything that reading a value can break in it.

        The first segment, in whose operation in flight the value may have its cause, and the first
        wrong one after it of each sort: before and after anything was at stake, before and after
        the value was once right.
        """
        wrong = self.first_wrong(value, first, last)
        if wrong is None:
            return set()
        numbers = self._by_value.get(value)
        once = self._begins[numbers[0]] if numbers else _NEVER
        found = {first} if wrong == first else set[int]()
        for start in (0, once, self.at_stake, max(once, self.at_stake)):
            if start <= last:
                wrong = self.first_wrong(value, max(first + 1, start), last)
                if wrong is not None:
                    found.add(wrong)
        return found
