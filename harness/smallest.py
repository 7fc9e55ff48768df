"""The smallest case of a cause: everything a case is made of shrinks together, in one loop.

A case is a workload with its values and keys, the faults and the crash that strike it, what that
loses, the filesystem, and of a race the schedule. A round proposes every single simplification of
the best case so far, the boldest first. Each is searched anew for the same cause: all its crashes,
losses, faults and schedules, of which the simplest is taken. The first that is simpler than the
best becomes the best, and the next round begins. The loop ends with a round in which no proposal
still shows the cause: nothing in the case can be left out, shortened or weakened by itself.

What is simpler is one order for all kinds of cases, `harness.finding.Candidate.weight`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from harness.errors import HarnessError
from harness.finding import Candidate
from harness.ops import Operation, Workload, write
from harness.workloads import value_of

__all__ = ["Search", "fewer", "renamed", "shorter", "simpler_workloads", "smallest"]

_TRIES_MAX: Final = 120
"""Proposals searched for one cause; findings of small workloads take a third of that."""

_SIZES: Final = (1, 5, 600, 5000)
"""Bytes of a shorter value: one; many in one sector; more than a sector; more than a page."""

_KEYS: Final = "abcdefghij"

Step = TypeVar("Step")
T = TypeVar("T")


class Search(Protocol[Step]):
    """How one kind of case is made simpler."""

    def simpler(self, best: Candidate) -> Iterable[Step]:
        """Propose every single simplification of a case, the boldest first."""

    def key(self, step: Step) -> Hashable:
        """Give what is equal for equal proposals."""

    def attempt(self, step: Step, best: Candidate) -> Candidate | None:
        """Give the simplest case of the same cause that a proposal shows, if it shows any."""


def smallest(
    found: Candidate,
    search: Search[Step],
    over: Callable[[], bool] = lambda: False,
    tries: int = _TRIES_MAX,
) -> Candidate:
    """Look for the simplest case of a cause.

    Args:
        found: The cause, with its case.
        search: How its kind of case is made simpler.
        over: Says when to stop early.
        tries: How many proposals are searched at most.

    Returns:
        The simplest case, with the profiles, counts and workloads of the original. A case that was
        seen to show the cause, never one that only should.
    """
    best = found
    tried = set[Hashable]()
    while True:
        for step in search.simpler(best):
            key = search.key(step)
            if key in tried:
                continue  # equal proposals come to equal cases, and the best got only simpler
            if len(tried) >= tries or over():
                return _as_found(best, found)
            tried.add(key)
            try:
                smaller = search.attempt(step, best)
            except HarnessError:
                continue  # what is left of the workload is not one that the store can do
            if smaller is None or smaller.identity != found.identity:
                continue
            if smaller.weight < best.weight:
                best = smaller
                break
        else:
            return _as_found(best, found)


def _as_found(best: Candidate, found: Candidate) -> Candidate:
    best.workload, best.workloads, best.profiles = found.workload, found.workloads, found.profiles
    return best


# -- proposals -------------------------------------------------------------------------------------


def simpler_workloads(workload: Workload) -> Iterator[Workload]:
    """Propose simpler workloads: fewer operations, then shorter values, then plainer keys."""
    setup, operations = workload.setup, workload.operations
    for kept in fewer(operations):
        if kept:
            yield Workload(_NAME, kept, setup)
    for kept in fewer(setup):
        yield Workload(_NAME, operations, kept)
    count = len(operations)
    for change in (shorter, renamed):
        for made in change((*operations, *setup)):
            yield Workload(_NAME, made[:count], made[count:])


_NAME: Final = "shrunk"


def fewer(things: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Propose shorter sequences: without all, without half, without each one, the last first."""
    size = len(things)
    while size:
        for start in reversed(range(0, len(things), size)):
            yield (*things[:start], *things[start + size :])
        size //= 2


def shorter(operations: Sequence[Operation]) -> Iterator[tuple[Operation, ...]]:
    """Propose shorter values: in all writes at once, then in each one, the shortest first.

    A value keeps its number, so that values of different writes go on being different.
    """
    writes = [n for n, one in enumerate(operations) if one.kind == "write"]
    for chosen in (writes, *([number] for number in writes)):
        for size in _SIZES:
            made = list(operations)
            for number in chosen:
                one = made[number]
                if size < len(one.value or b""):
                    made[number] = write(one.key or "", value_of(number + 1, size))
            if made != list(operations):
                yield tuple(made)


def renamed(operations: Sequence[Operation]) -> Iterator[tuple[Operation, ...]]:
    """Propose plainer keys: one key where there are several, then names of one letter."""
    keys = list(dict.fromkeys(one.key for one in operations if one.key is not None))
    free = [key for key in _KEYS if key not in keys]
    pairs = [(keys[0], other) for other in keys[1:]]
    pairs += [(free[0], key) for key in keys if free and len(key) > 1]
    for new, old in pairs:
        yield tuple(
            Operation(one.kind, new, one.value) if one.key == old else one for one in operations
        )
