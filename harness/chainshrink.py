"""Shrinking a chain of faults: fewer lives, fewer operations, shorter values, fewer losses.

The loop is that of every case (`harness.smallest`). Leaving something out shifts the calls that
come after it, so each life's kill and power cut are looked for again: where they were, then
anywhere; the search of one proposal is cut short by a budget of lives, so its cost is bounded.
What a power cut lost is put back, one effect at a time, in the very chain.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import structs

from harness.chain import Chain, chain_of
from harness.chainblame import blamed
from harness.diagnose import with_needs
from harness.explore import Explorer
from harness.finding import Candidate, Crash, Life, Reproduction, crash_of, state_of
from harness.intercept import rerouted
from harness.meter import Meter
from harness.ops import Workload
from harness.persistence import Model
from harness.quiet import quiet
from harness.schedule.fresh import fresh
from harness.smallest import fewer, simpler_workloads, smallest
from harness.subjects import Subject
from harness.violation import Violation

__all__ = ["ChainShrinking", "chain_near", "shrink_chain"]

_LIVES_MAX: Final = 160
"""Lives lived for one try."""

_CUTS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A simpler chain to look for.

    Attributes:
        workload: The first life's.
        lives: The lives.
        restored: The life whose power cut loses one effect less, and which of them, from 0; -1 for
            the torn page. No kill or cut is looked for then.
    """

    workload: Workload
    lives: tuple[Life, ...]
    restored: tuple[int, int] | None = None


@dataclass(frozen=True)
class ChainShrinking:
    """How a chain is made simpler.

    Attributes:
        subject: The store.
        model: What its power cuts may lose.
    """

    subject: Subject
    model: Model

    def simpler(self, best: Candidate) -> Iterator[Step]:
        """Propose chains with fewer lives, simpler workloads, simpler lives and fewer losses."""
        lives = tuple(best.reproduction.chain or ())
        workload = best.reproduction.workload()
        for kept in fewer(lives[1:]):
            yield Step(workload, (lives[0], *kept))
        for one in simpler_workloads(workload):
            yield Step(one, lives)
        for number, life in enumerate(lives):
            for change in _easier(life):
                yield Step(workload, (*lives[:number], change, *lives[number + 1 :]))
        for number, life in enumerate(lives):
            if life.cut is not None:
                torn = life.cut.torn is not None
                for effect in reversed(range(-int(torn), len(life.cut.lost))):
                    yield Step(workload, lives, (number, effect))

    def key(self, step: Step) -> Hashable:
        """Lives hold lists: their text tells them apart."""
        return step.workload, msgspec.json.encode(step.lives), step.restored

    def attempt(self, step: Step, best: Candidate) -> Candidate | None:
        """Live a chain for the same cause."""
        if not any(life.kill is not None or life.cut is not None for life in step.lives):
            return None
        seed = best.reproduction.seed
        with rerouted(), quiet(), fresh(self.subject):
            search = _Search(self.subject, step.workload, self.model, seed, best)
            if step.restored is None:
                found = search.find([], step.lives)
            else:
                found = search.restored(step.lives, *step.restored)
            if found is None:
                return None
            lives, violation = found
            return blamed(self.subject, step.workload, lives, self.model, violation, seed=seed)


def shrink_chain(
    subject: Subject, found: Candidate, models: dict[str, Model], meter: Meter | None = None
) -> Candidate:
    """Look for the simplest chain of the same cause.

    Args:
        subject: The store.
        found: The cause; its reproduction has a chain.
        models: The persistence models, by name.
        meter: Says when to stop.

    Returns:
        The simplest case found, with the counts of the original.
    """
    meter = meter or Meter()
    return smallest(found, ChainShrinking(subject, models[found.reproduction.profile]), meter.over)


def chain_near(subject: Subject, reproduction: Reproduction, model: Model) -> Violation | None:
    """Look for what a chain broke in chains close by: killed elsewhere, with other losses.

    Args:
        subject: The store.
        reproduction: The finding's.
        model: What its power cuts may lose.

    Returns:
        What one of them breaks in the same way, if one of those looked at does.
    """
    seed = reproduction.seed
    search = _Search(subject, reproduction.workload(), model, seed, reproduction)
    found = search.find([], reproduction.chain or [])
    return None if found is None else found[1]


def _easier(life: Life) -> Iterator[Life]:
    for kept in fewer(life.operations):
        yield structs.replace(life, operations=list(kept))
    for name in ("fault", "room", "cut", "kill"):
        if getattr(life, name) is not None:
            yield structs.replace(life, **{name: None})


def _fuller(explorer: Explorer, cut: Crash, which: int) -> Crash | None:
    """Put one lost effect back, with all that has to be on disk before it."""
    state = state_of(explorer, cut)
    if state is None:
        return None
    taken, torn = state.taken, state.torn
    if which < 0:
        torn = None
    else:
        lost = tuple(cut.lost[which])
        for number, node in enumerate(explorer.constraints.nodes[: state.issued]):
            if lost in {(effect.i, effect.part) for effect in node.effects}:
                taken |= with_needs(explorer, number, cut.position)
        if torn is not None and taken >> torn.node & 1:
            torn = None
    fuller = explorer.free_standing(state.issued, taken, torn, cut.position)
    return crash_of(explorer, fuller, cut.position)


@dataclass(slots=True)
class _Search:
    subject: Subject
    workload: Workload
    model: Model
    seed: int
    wanted: Candidate | Reproduction
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

    def restored(
        self, lives: Sequence[Life], number: int, effect: int
    ) -> tuple[list[Life], Violation] | None:
        """Live this chain, with one effect less lost in one of its power cuts."""
        chain = self._lived(lives[:number])
        cut = lives[number].cut
        if chain is None or cut is None:
            return None
        chain.live(lives[number])
        fuller = _fuller(chain.explorer(), cut, effect)
        if fuller is None:
            return None
        made = [*lives[:number], structs.replace(lives[number], cut=fuller), *lives[number + 1 :]]
        violation = self._judged(made, last=True)
        return None if violation is None else (made, violation)

    def _judged(self, lives: list[Life], *, last: bool) -> Violation | None:
        if not last:
            return None
        chain = self._lived(lives)
        return None if chain is None else self._wanted(chain.broken(chain.look()))

    def _wanted(self, violations: Iterable[Violation]) -> Violation | None:
        for violation in violations:
            if (violation.guarantee, violation.kind) == (self.wanted.guarantee, self.wanted.kind):
                return violation
        return None
