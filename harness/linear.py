"""Linearizability of what concurrent writers saw, key by key.

A history is linearizable if its operations can be put into one order that a register explains, in
which no operation comes before one that had returned when it was called (Herlihy and Wing, TOPLAS
1990). Linearizability is local: a history of operations on single keys is linearizable if and only
if each key's part is, so keys are looked at one by one.

The search is that of Wing and Gong (1993): take any operation that may come first, and go on with
the rest; with Lowe's memory of the configurations that led nowhere (*Testing for linearizability*,
2017): which operations were taken, and the register's value then. A read that the present value
explains is taken at once: it changes nothing, so whatever was possible before still is.

**What may or may not have happened.** An operation that was cut off by a crash or a kill never
returned, and one that raised under an injected fault said nothing: each may take effect once, at
any time after it was called, or never. That is *durable linearizability* (Izraelevitz, Mendes and
Scott, DISC 2016): a history with crashes in it is judged with the crashes left out, and pending
operations stay pending. So what a recovered store shows is just more reads.

**list.** Each key's presence in what list returned has to be explained at some moment between its
call and its return; not all keys' at one and the same moment. The stronger promise, a snapshot of
all keys, is not one that POSIX gives to whoever lists a directory (readdir(3p): whether a name that
is added or removed meanwhile is returned is unspecified), it is not about one key, and a caller
who goes on to read the keys could not tell the difference. A name that nobody ever wrote is never
explained.

**Limits.** The problem is NP-complete (Gibbons and Korach, 1997), so the search counts the
configurations it visits and gives up, *inconclusive*, at a limit: it never takes that for held.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal, TypeAlias

from harness.ops import Operation
from harness.subjects import MISSING, Missing, Outcome, Raised

__all__ = [
    "ABSENT_SAID",
    "CONFIGURATIONS_MAX",
    "PRESENT",
    "Act",
    "Broken",
    "Done",
    "Linearization",
    "Seen",
    "acts_of",
    "explain",
    "final_values",
    "keys_of",
    "linearize",
]

CONFIGURATIONS_MAX: Final = 50_000
"""Configurations visited for one key before the search gives up."""


class _Present(Enum):
    """What a list that names a key says of its value: there is one."""

    PRESENT = "present"


PRESENT: Final = _Present.PRESENT

Seen: TypeAlias = bytes | Missing | _Present


class _AbsentSaid(Enum):
    """The answer of a delete that said that there is no such key."""

    ABSENT_SAID = "no such key"


ABSENT_SAID: Final = _AbsentSaid.ABSENT_SAID


@dataclass(frozen=True, slots=True)
class Done:
    """One operation of a concurrent history.

    Attributes:
        number: Its place in the history.
        writer: Who called it.
        operation: What was called.
        invoked: When, on any clock that ticks between any two events.
        returned: When it returned or raised; None if it never did.
        answer: A read's value or absence, a list's names, `ABSENT_SAID` of a delete that found
            nothing, what was raised, or None.
    """

    number: int
    writer: int
    operation: Operation
    invoked: int
    returned: int | None
    answer: object = None


@dataclass(frozen=True, slots=True)
class Act:
    """What one operation says about one key.

    Attributes:
        number: Of the operation.
        invoked: See `Done`.
        returned: None where it may take effect at any later time, or never.
        sees: What the key must have been when it took effect; None if that does not matter.
        sets: What the key was from then on; None if it stayed.
        listed: Whether all it can see is that the key is there, or is not.
    """

    number: int
    invoked: int
    returned: int | None
    sees: Seen | None = None
    sets: bytes | Missing | None = None
    listed: bool = False

    @property
    def certain(self) -> bool:
        """Whether it has happened for sure."""
        return self.returned is not None


@dataclass(frozen=True, slots=True)
class Linearization:
    """What a search came to.

    Attributes:
        verdict: Whether there is an order; ``inconclusive`` where the search gave up.
        order: Numbers of the operations in one such order, those that did not happen left out.
        configurations: How many were visited.
    """

    verdict: Literal["linearizable", "not linearizable", "inconclusive"]
    order: tuple[int, ...] = ()
    configurations: int = 0

    @property
    def holds(self) -> bool:
        """Whether an order was found."""
        return self.verdict == "linearizable"


@dataclass(frozen=True, slots=True)
class Broken:
    """Why a key's history is not linearizable.

    Attributes:
        key: The key.
        number: Of the first operation whose answer cannot be explained by what came before.
        answer: That answer.
        allowed: Every answer that could have been.
    """

    key: str
    number: int
    answer: Seen
    allowed: tuple[Seen, ...]


def keys_of(history: Iterable[Done], initial: dict[str, bytes]) -> tuple[str, ...]:
    """Give every key that a history is about, names that only a list gave included."""
    keys = dict.fromkeys(initial)
    for done in history:
        if done.operation.key is not None:
            keys[done.operation.key] = None
        if done.operation.kind == "list" and isinstance(done.answer, tuple):
            keys.update(dict.fromkeys(done.answer))
    return tuple(keys)


def acts_of(history: Iterable[Done], key: str) -> list[Act]:
    """Take out of a history what it says about one key."""
    acts = []
    for done in history:
        act = _act(done, key)
        if act is not None:
            acts.append(act)
    return acts


def _act(done: Done, key: str) -> Act | None:
    operation, answer = done.operation, done.answer
    raised = isinstance(answer, Raised)
    returned = None if raised else done.returned
    if operation.kind == "list":
        if returned is None or not isinstance(answer, tuple):
            return None
        seen: Seen = PRESENT if key in answer else MISSING
        return Act(done.number, done.invoked, returned, sees=seen, listed=True)
    if operation.key != key:
        return None
    if operation.kind == "write":
        return Act(done.number, done.invoked, returned, sets=operation.value or b"")
    if operation.kind == "delete":
        if answer is ABSENT_SAID:
            return Act(done.number, done.invoked, returned, sees=MISSING)
        return Act(done.number, done.invoked, returned, sets=MISSING)
    if operation.kind == "read" and returned is not None:
        assert answer is MISSING or isinstance(answer, bytes)
        return Act(done.number, done.invoked, returned, sees=answer)
    return None


def _explains(value: bytes | Missing, sees: Seen | None) -> bool:
    if sees is None:
        return True
    if sees is PRESENT:
        return value is not MISSING
    return value == sees


def linearize(
    acts: Sequence[Act],
    initial: bytes | Missing = MISSING,
    *,
    configurations_max: int = CONFIGURATIONS_MAX,
) -> Linearization:
    """Look for an order that explains one key's history.

    Args:
        acts: What the operations say about the key.
        initial: What it was before.
        configurations_max: When to give up.
    """
    order = sorted(acts, key=lambda act: (act.invoked, act.number))
    certain = sum(1 << place for place, act in enumerate(order) if act.certain)
    memory: set[tuple[int, bytes | Missing]] = set()
    # Each entry is a configuration, with the way that led there as a linked list.
    pending: list[tuple[int, bytes | Missing, tuple[int, object] | None]] = [(0, initial, None)]
    visited = 0
    while pending:
        taken, value, way = pending.pop()
        taken, way = _take_reads(order, taken, value, way)
        if not certain & ~taken:
            return Linearization("linearizable", _numbers(way), visited)
        if (taken, value) in memory:
            continue
        memory.add((taken, value))
        visited += 1
        if visited > configurations_max:
            return Linearization("inconclusive", (), visited)
        following = [
            (taken | 1 << place, act.sets, (act.number, way))
            for place, act in _candidates(order, taken)
            if act.sets is not None and _explains(value, act.sees)
        ]
        pending += reversed(following)
    return Linearization("not linearizable", (), visited)


def _candidates(order: list[Act], taken: int) -> list[tuple[int, Act]]:
    """Those that may come next: called before any that is left has returned."""
    first: int | None = None
    found = []
    for place, act in enumerate(order):
        if taken >> place & 1:
            continue
        if first is not None and act.invoked > first:
            break  # so have all that follow
        found.append((place, act))
        if act.returned is not None and (first is None or act.returned < first):
            first = act.returned
    return [(place, act) for place, act in found if first is None or act.invoked <= first]


def _take_reads(
    order: list[Act], taken: int, value: bytes | Missing, way: tuple[int, object] | None
) -> tuple[int, tuple[int, object] | None]:
    """Take every read that may come next and that the value explains."""
    again = True
    while again:
        again = False
        for place, act in _candidates(order, taken):
            if act.sets is None and _explains(value, act.sees):
                taken |= 1 << place
                way = act.number, way
                again = True
    return taken, way


def _numbers(way: tuple[int, object] | None) -> tuple[int, ...]:
    found: list[int] = []
    while way is not None:
        number, way = way  # type: ignore[assignment]
        found.append(number)
    return tuple(reversed(found))


def explain(
    history: Sequence[Done],
    initial: dict[str, bytes],
    *,
    configurations_max: int = CONFIGURATIONS_MAX,
) -> tuple[list[Broken], list[str]]:
    """Judge a history, key by key.

    Args:
        history: The operations; one that raised counts as one that may or may not have happened.
        initial: What the store held before.
        configurations_max: For each search.

    Returns:
        For each key whose history is not linearizable, the first operation that nothing explains;
        and the keys for which the search gave up.
    """
    broken, unknown = [], []
    for key in keys_of(history, initial):
        acts, start = acts_of(history, key), initial.get(key, MISSING)
        found = linearize(acts, start, configurations_max=configurations_max)
        if found.verdict == "inconclusive":
            unknown.append(key)
        elif not found.holds:
            first = _first_broken(key, acts, start, configurations_max)
            if first is None:
                unknown.append(key)
            else:
                broken.append(first)
    return broken, unknown


def _first_broken(
    key: str, acts: list[Act], initial: bytes | Missing, configurations_max: int
) -> Broken | None:
    """Cut the history off after each return in turn; the first that breaks it is the one."""
    for last in sorted((act for act in acts if act.returned is not None), key=_returned):
        part = _until(acts, _returned(last))
        if linearize(part, initial, configurations_max=configurations_max).holds:
            continue
        if last.sees is None:
            # A write that returned orders others' reads: no answer of its own is wrong.
            allowed: tuple[Seen, ...] = ()
        else:
            allowed = tuple(
                seen
                for seen in _conceivable(last, acts, initial)
                if linearize(
                    [replace(act, sees=seen) if act is last else act for act in part],
                    initial,
                    configurations_max=configurations_max,
                ).holds
            )
        return Broken(key, last.number, last.sees or MISSING, allowed)
    return None


def _returned(act: Act) -> int:
    assert act.returned is not None
    return act.returned


def _until(acts: Iterable[Act], end: int) -> list[Act]:
    """Cut a history off: what has not returned yet is pending, and reads of that kind say nothing.

    A write that returns later may have taken effect already.
    """
    part = []
    for act in acts:
        if act.invoked > end:
            continue
        if act.returned is None or act.returned <= end:
            part.append(act)
        elif act.sets is not None:
            part.append(replace(act, returned=None))
    return part


def _conceivable(last: Act, acts: Iterable[Act], initial: bytes | Missing) -> list[Seen]:
    """Every other answer of this kind that anybody could give."""
    values: dict[Seen, None] = {}
    if last.listed:
        values = {PRESENT: None, MISSING: None}
    else:
        values[initial] = None
        values.update((act.sets, None) for act in acts if act.sets is not None)
    values.pop(last.sees or MISSING, None)
    return list(values)


def final_values(
    history: Iterable[Done],
    key: str,
    initial: bytes | Missing,
    now: int,
    *,
    configurations_max: int = CONFIGURATIONS_MAX,
) -> tuple[Outcome, ...] | None:
    """Give every value that a key may have for one who reads it after a crash.

    Args:
        history: What had been called by then.
        key: The key.
        initial: What it was before all.
        now: When the crash struck: later returns never came.
        configurations_max: For each search.

    Returns:
        The values; None where a search gave up, so that nobody knows.
    """
    part = _until(acts_of(history, key), now)
    found: list[Outcome] = []
    values = dict.fromkeys([initial, *(act.sets for act in part if act.sets is not None)])
    for value in values:
        read = Act(-1, now + 1, now + 2, sees=value)
        answer = linearize([*part, read], initial, configurations_max=configurations_max)
        if answer.verdict == "inconclusive":
            return None
        if answer.holds:
            found.append(value)
    return tuple(found)
