"""The oracle: what a store may show after a crash, and what it means if it shows something else.

Guarantees are those of DESIGN.md section 7. The history says, for each position at which a crash
can strike, which operations were acknowledged and which one was in flight; from that follow the
values that each key may have. A reading outside them is sorted:

- another value that the key once had is a *rollback*: acknowledged work is gone (`durability`);
- anything else (a read that raises, a mixture, another key's value, absence of what was never
  absent) is torn state (`atomicity`), and if it was acknowledged it is gone too (`durability`);
- but where the same crash without the effects of the operation in flight would have read well,
  that operation destroyed what was there, and only `atomicity` is broken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final

from harness.guarantees import Severity
from harness.history import Event
from harness.moments import KeyHistory, Segment, Version, segments_of
from harness.recovery import Observation, Reading
from harness.subjects import MISSING, Outcome, Raised
from harness.violation import Violation, reads, severity_of, show

__all__ = ["Judge"]

_TELLING_MIN: Final = 4
"""Bytes from which on a value equal to another key's is no coincidence."""


class Judge:
    """Holds what stores show against one sequential history.

    Args:
        events: The history.
        initial: What the store held, durably, before it.
        syncs: Whether the store promises durability only for what was followed by a ``sync``.
        closes: Whether a clean shutdown keeps as much as a ``sync`` does: while the machine lives.
    """

    def __init__(
        self,
        events: list[Event],
        initial: dict[str, bytes],
        *,
        syncs: bool = False,
        closes: bool = False,
    ) -> None:
        self.events = events
        self._syncs = syncs
        self._initial = initial
        self.segments = segments_of(events)
        self._starts = [segment.first for segment in self.segments]
        keeping = ("sync", "close") if closes else ("sync",)
        # One that raised has promised nothing.
        synced = [
            event.number for event in events if event.certain and event.operation.kind in keeping
        ]
        self._synced = synced if syncs else None
        versions: dict[str, list[Version]] = {}
        for event in events:
            operation = event.operation
            if operation.kind in ("write", "delete") and operation.key is not None:
                value = MISSING if operation.value is None else operation.value
                if operation.kind == "delete":
                    value = MISSING
                versions.setdefault(operation.key, [self._first(operation.key)]).append(
                    Version(event.number, value, event.certain)
                )
        self._histories = {
            key: KeyHistory(found, self.segments, self._synced) for key, found in versions.items()
        }
        self._known = versions.keys() | initial.keys()

    def _first(self, key: str) -> Version:
        return Version(-1, self._initial.get(key, MISSING))

    def history(self, key: str) -> KeyHistory:
        """Give the history of a key, of one that nobody wrote to as well."""
        found = self._histories.get(key)
        if found is None:
            found = self._histories[key] = KeyHistory(
                [self._first(key)], self.segments, self._synced
            )
        return found

    def versions(self, key: str) -> list[Version]:
        """All values a key ever has, oldest first."""
        return self.history(key).versions

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Give the numbers of the first and the last segment that a span of positions touches."""
        begin = max(bisect_right(self._starts, first) - 1, 0)
        return begin, max(bisect_right(self._starts, last) - 1, begin)

    def telling(self, reading: Reading, span: tuple[int, int]) -> list[Segment]:
        """Give the segments of a span at which to judge a reading: no other breaks more."""
        if reading.opened is not None:
            return []
        found: set[int] = set()
        for key, value in reading.values.items():
            if key in self._known:
                found |= self.history(key).telling(value, *span)
        return [self.segments[number] for number in sorted(found)]

    # -- readings ------------------------------------------------------------------------------

    def values(
        self,
        reading: Reading,
        segment: Segment,
        position: int,
        before: Callable[[Segment], Reading | None],
    ) -> Iterator[Violation]:
        """Judge `atomicity` and `durability` of one reading.

        Args:
            reading: What the store showed.
            segment: What had happened when the crash struck.
            position: Where exactly it struck.
            before: Gives the reading of the same crash without the effects of the operation in
                flight; None where that cannot be had.
        """
        if reading.opened is not None:
            return  # a store that will not open counts under recovery only
        for key, value in reading.values.items():
            if key in self._known:
                yield from self._value(key, value, segment, position, before)

    def acceptable(self, key: str, segment: Segment) -> tuple[Outcome, ...]:
        """The values a key may have: acknowledged last, or of the operation in flight."""
        return tuple(version.value for version in self.history(key).allowed(segment))

    def _value(
        self,
        key: str,
        value: Outcome,
        segment: Segment,
        position: int,
        before: Callable[[Segment], Reading | None],
    ) -> Iterator[Violation]:
        allowed = self.acceptable(key, segment)
        if value in allowed:
            return
        history = self.history(key)
        seen = [version.value for version in history.seen(segment)]
        rollback = value in seen
        concerns = history.acknowledged(segment).event
        destroyer = None
        if segment.in_flight is not None:
            earlier = before(segment)
            if earlier is not None and (
                earlier.opened is not None
                or not _older(earlier.values.get(key, MISSING), value, seen)
            ):
                destroyer = segment.in_flight
        kind, severity = self._classify(key, value, rollback=rollback)
        shown = tuple(show(one) for one in allowed)

        def violation(guarantee: str) -> Violation:
            return Violation(
                guarantee,
                kind,
                severity,
                key,
                show(value),
                shown,
                position,
                destroyer,
                concerns if destroyer is None and concerns >= 0 else None,
            )

        if destroyer is not None:
            yield violation("atomicity")
            return
        if not rollback:
            yield violation("atomicity")
        if history.loses(segment):
            yield violation("durability")

    def _classify(self, key: str, value: Outcome, *, rollback: bool) -> tuple[str, Severity]:
        if isinstance(value, Raised):
            return "raises", "unavailable"
        if rollback:
            # An earlier value, or absence where that is one: what was acknowledged is gone.
            return "lost", "data-loss"
        if value is MISSING:
            return "absent", "data-loss"
        for other in self._known:
            if (
                other != key
                and len(value) >= _TELLING_MIN
                and any(v.value == value for v in self.versions(other))
            ):
                return "foreign", "silent-corruption"
        return "mixed", "silent-corruption"

    def listing(self, reading: Reading, position: int) -> Iterator[Violation]:
        """Judge `listing`: each name once, each readable, each readable key named."""
        if reading.opened is not None or isinstance(reading.names, Raised):
            return

        def violation(kind: str, severity: Severity, key: str, observed: str) -> Violation:
            return Violation("listing", kind, severity, key, observed, (), position)

        names = list(reading.names)
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                yield violation("twice", "leak", name, f"list names {name!r} more than once")
            if name not in self._known:
                yield violation(
                    "stray", "leak", name, f"list names {name!r}, which was never written"
                )
            elif reading.values.get(name) is MISSING:
                yield violation(
                    "ghost", "unavailable", name, f"list names {name!r}, which cannot be read"
                )
        for key, value in reading.values.items():
            if type(value) is bytes and key not in names:
                yield violation(
                    "unlisted", "unavailable", key, f"{key!r} can be read, list does not name it"
                )

    def recovery(self, observation: Observation, position: int) -> Iterator[Violation]:
        """Judge `recovery`: it opens, lists, settles, takes writes, and keeps them."""
        first = observation.first

        def violation(
            kind: str, severity: Severity, observed: str, allowed: str, key: str | None = None
        ) -> Violation:
            return Violation("recovery", kind, severity, key, observed, (allowed,), position)

        if first.opened is not None:
            yield violation(
                "will-not-open", "unavailable", f"opening raises {first.opened}", "opening succeeds"
            )
            return
        if isinstance(first.names, Raised):
            yield violation(
                "will-not-list", "unavailable", f"list raises {first.names}", "list succeeds"
            )
        follow = observation.follow
        if follow is None:
            return
        if follow.again.opened is not None:
            yield violation(
                "will-not-reopen",
                "unavailable",
                f"opening a second time raises {follow.again.opened}",
                "opening succeeds",
            )
            return
        yield from self._unstable(first, follow.again, set(), "a second recovery", violation)
        written = {}
        for key, value, raised in follow.wrote:
            if raised is not None:
                yield violation(
                    "refuses-writes",
                    "unavailable",
                    f"write({key!r}, ...) after recovery raises {raised}",
                    "the write is accepted",
                    key,
                )
                continue
            written[key] = value
            if follow.back[key] != value:
                yield violation(
                    "follow-up-lost",
                    severity_of(follow.back[key]),
                    f"a write after recovery reads back as {show(follow.back[key])}",
                    show(value),
                    key,
                )
        if follow.closed is not None:
            yield violation(
                "will-not-close", "unavailable", f"close raises {follow.closed}", "close succeeds"
            )
        later = follow.later
        if later is None:
            return
        if later.opened is not None:
            yield violation(
                "will-not-reopen",
                "unavailable",
                f"opening after a write raises {later.opened}",
                "opening succeeds",
            )
            return
        for key, value in written.items():
            if follow.back[key] == value and later.values.get(key, MISSING) != value:
                got = later.values.get(key, MISSING)
                yield violation(
                    "follow-up-lost",
                    severity_of(got),
                    f"what was written after recovery reads, at the next open, as {show(got)}",
                    show(value),
                    key,
                )
        attempted = {key for key, _, _ in follow.wrote}
        yield from self._unstable(first, later, attempted, "the next open after a write", violation)

    def turning(self, first: Reading, second: Reading, span: tuple[int, int]) -> list[Segment]:
        """Give the segments of a span at which a second recovery shows less than the first.

        One for each key that reads otherwise: the first at which it read right, and does no more.
        """
        found: set[int] = set()
        for key, value in first.values.items():
            got = second.values.get(key, MISSING)
            if got == value:
                continue
            history = self.history(key)
            for begin, end in history.spans(value, *span):
                wrong = history.first_wrong(got, begin, end)
                if wrong is not None:
                    found.add(wrong)
                    break
        return [self.segments[number] for number in sorted(found)]

    def after_recovery_crash(
        self, first: Reading, second: Reading, segments: list[Segment], position: int
    ) -> Iterator[Violation]:
        """Judge `recovery` after a crash during recovery.

        Args:
            first: What the interrupted recovery would have shown.
            second: What the recovery after it showed.
            segments: The moments at which the first crash can have struck, or those of them at
                which something turns.
            position: Where the first crash struck.
        """
        if second.opened is not None:
            yield Violation(
                "recovery",
                "will-not-open-after-crash-in-recovery",
                "unavailable",
                None,
                f"after a crash during recovery, opening raises {second.opened}",
                ("opening succeeds",),
                position,
            )
            return
        for key, value in first.values.items():
            got = second.values.get(key, MISSING)
            if got == value:
                continue
            for segment in segments:
                allowed = self.acceptable(key, segment)
                # Only what was right before the second crash can be broken by it.
                if value in allowed and got not in allowed:
                    yield Violation(
                        "recovery",
                        "crash-in-recovery",
                        severity_of(got),
                        key,
                        f"after a crash during recovery, it {reads(got)}",
                        tuple(show(one) for one in allowed),
                        max(position, segment.first),
                    )
                    break

    def _unstable(
        self,
        first: Reading,
        second: Reading,
        without: set[str],
        when: str,
        violation: Callable[..., Violation],
    ) -> Iterator[Violation]:
        for key, value in first.values.items():
            if key in without:
                continue
            got = second.values.get(key, MISSING)
            if got != value:
                yield violation(
                    "unstable",
                    severity_of(got),
                    f"{when} reads {show(got)}",
                    show(value),
                    key,
                )


def _older(one: Outcome, value: Outcome, versions: list[Outcome]) -> bool:
    """Tell whether a reading is no newer than another: the same, or what it was before that.

    An operation cannot have destroyed what would have read even older without it: a log's append
    may bring earlier ones of the same page along.
    """
    if one == value:
        return True
    return value in versions and (
        one not in versions or _newest(one, versions) < _newest(value, versions)
    )


def _newest(value: Outcome, versions: list[Outcome]) -> int:
    return len(versions) - 1 - versions[::-1].index(value)
