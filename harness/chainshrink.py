"""Shrinking a chain of faults: fewer lives, fewer operations, shorter values, the same cause.

Leaving something out shifts the calls that come after it, so each life's kill and power cut are
looked for again: where they were, as far from the life's end as they were, then anywhere. The
search is cut short by a budget of lives, so its cost is bounded; what it gives is a case that was
run and seen to break, never one that only should.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from harness.chain import Chain, chain_of
from harness.chainblame import blamed
from harness.errors import HarnessError
from harness.finding import Candidate, Life, crash_of, state_of
from harness.intercept import rerouted
from harness.ops import Operation, Workload, write
from harness.oracle import Violation
from harness.persistence import Model
from harness.quiet import quiet
from harness.subjects import Subject
from harness.workloads import value_of

__all__ = ["shrink_chain"]

_TRIES_MAX: Final = 40
_LIVES_MAX: Final = 160
"""Lives lived for one try."""

_CUTS_MAX: Final = 8
_SIZES: Final = (1, 600, 5000)


def shrink_chain(subject: Subject, found: Candidate, models: dict[str, Model]) -> Candidate:
    """Look for a simpler chain of the same cause.

    Args:
        subject: The store.
        found: The cause; its reproduction has a chain.
        models: The persistence models, by name.

    Returns:
        The simplest case found, with the counts of the original.
    """
    model = models[found.reproduction.profile]
    best = found
    tries, improved = 0, True
    with rerouted(), quiet():
        while improved and tries < _TRIES_MAX:
            improved = False
            lives = best.reproduction.chain or []
            for workload, fewer in _simpler(best.reproduction.workload(), lives):
                if tries >= _TRIES_MAX:
                    break
                tries += 1
                try:
                    smaller = _try(subject, workload, fewer, model, best)
                except HarnessError:
                    continue
                if smaller is not None:
                    smaller.workload = best.workload
                    best, improved = smaller, True
                    break
    best.profiles = found.profiles
    return best


def _simpler(workload: Workload, lives: Sequence[Life]) -> Iterator[tuple[Workload, list[Life]]]:
    setup, operations = workload.setup, workload.operations
    for number in range(len(lives) - 1, 0, -1):
        yield workload, [*lives[:number], *lives[number + 1 :]]
    # Halves first: histories are long.
    for size in (len(operations) // 2, 1):
        for start in range(0, len(operations), size or 1):
            kept = (*operations[:start], *operations[start + size :])
            if size and kept:
                yield Workload("shrunk", kept, setup), list(lives)
        if size <= 1:
            break
    for size in (len(setup), 1):
        for start in range(0, len(setup), size or 1):
            yield (
                Workload("shrunk", operations, (*setup[:start], *setup[start + size :])),
                list(lives),
            )
        if size <= 1:
            break
    for number, life in enumerate(lives):
        for change in _easier(life):
            yield workload, [*lives[:number], change, *lives[number + 1 :]]
    for number, operation in enumerate(operations):
        for smaller in _smaller(operation, number):
            kept = (*operations[:number], smaller, *operations[number + 1 :])
            yield Workload("shrunk", kept, setup), list(lives)


def _easier(life: Life) -> Iterator[Life]:
    if life.operations:
        yield structs.replace(life, operations=[])
    if life.fault is not None:
        yield structs.replace(life, fault=None)
    if life.room is not None:
        yield structs.replace(life, room=None)
    if life.cut is not None:
        yield structs.replace(life, cut=None)


def _smaller(operation: Operation, number: int) -> Iterator[Operation]:
    if operation.kind == "write" and operation.key is not None and operation.value is not None:
        for size in _SIZES:
            if size < len(operation.value):
                yield write(operation.key, value_of(number + 1, size))


@dataclass(slots=True)
class _Search:
    subject: Subject
    workload: Workload
    model: Model
    seed: int
    wanted: Candidate
    left: int = _LIVES_MAX

    def find(self, done: list[Life], rest: Sequence[Life]) -> tuple[list[Life], Violation] | None:
        """Choose the next life's end, depth first."""
        if not rest or self.left <= 0:
            return None
        life = rest[0]
        for kill in self._kills(done, life):
            for cut in (False, True) if life.cut is not None else (False,):
                chain = self._lived(done)
                if chain is None:
                    return None
                self.left -= 1
                lived = structs.replace(life, kill=kill, cut=None)
                chain.live(lived)
                for ended in self._cuts(chain, lived, life) if cut else [lived]:
                    if self.left <= 0:
                        return None
                    found = self._judged([*done, ended], last=len(rest) == 1)
                    if found is not None:
                        return [*done, ended], found
                    if len(rest) > 1:
                        deeper = self.find([*done, ended], rest[1:])
                        if deeper is not None:
                            return deeper
        return None

    def _lived(self, lives: Sequence[Life]) -> Chain | None:
        chain = chain_of(self.subject, self.workload, self.model, seed=self.seed)
        for life in lives:
            self.left -= 1
            chain.live(life)
            if life.cut is not None:
                explorer = chain.explorer()
                state = state_of(explorer, life.cut)
                if state is None:
                    return None
                chain.cut(explorer, state)
        return chain

    def _kills(self, done: Sequence[Life], life: Life) -> list[int | None]:
        chain = self._lived(done)
        if chain is None:
            return []
        trial = chain.trial(structs.replace(life, kill=None))
        found: dict[int | None, None] = {life.kill: None}
        if life.kill is not None:
            found |= dict.fromkeys(reversed(trial.changes))
        return list(found)

    def _cuts(self, chain: Chain, lived: Life, life: Life) -> list[Life]:
        del life
        explorer, states = chain.states()
        position = 2 * len(chain.joined)
        return [
            structs.replace(lived, cut=crash_of(explorer, state, position))
            for state in states[:_CUTS_MAX]
        ]

    def _judged(self, lives: list[Life], *, last: bool) -> Violation | None:
        if not last:
            return None
        chain = self._lived(lives)
        if chain is None:
            return None
        for violation in chain.broken(chain.look()):
            if (violation.guarantee, violation.kind) == (self.wanted.guarantee, self.wanted.kind):
                return violation
        return None


def _try(
    subject: Subject,
    workload: Workload,
    lives: Sequence[Life],
    model: Model,
    wanted: Candidate,
) -> Candidate | None:
    if not any(life.kill is not None or life.cut is not None for life in lives):
        return None
    search = _Search(subject, workload, model, wanted.reproduction.seed, wanted)
    found = search.find([], lives)
    if found is None:
        return None
    one = blamed(subject, workload, found[0], model, found[1], seed=wanted.reproduction.seed)
    if one.identity != wanted.identity or one.weight >= wanted.weight:
        return None
    return one
