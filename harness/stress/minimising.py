"""Making the plans of a corpus smaller, several at once, by the workers of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from harness.pool import Death, Event, Pool
from harness.stress.corpus import Choice, cover
from harness.stress.keeping import Kept
from harness.stress.plans import RoundPlan, honest
from harness.stress.records import Stress, Tried
from harness.stress.signs import broke_sign, found_sign, hashed
from harness.stress.smaller import Shrinking, smaller

__all__ = ["minimise"]

_UNTRIED: Final = ("hang", "killed")
"""Ways to end that are no business of a plan, or take minutes to show."""


def minimise(
    stress: Stress,
    pool: Pool,
    choices: Iterable[Choice],
    told: Callable[[Event | None], None],
) -> dict[str, RoundPlan]:
    """Make plans smaller, each until nothing can go without losing what it is kept for.

    What is done is on disk: a run that is killed meanwhile begins with the next plan.

    Args:
        stress: The run.
        pool: Its workers.
        choices: The rounds, and what each is kept for.
        told: Called after each event.

    Returns:
        The smaller plans, by the keys of the rounds.
    """
    kept = Kept(stress.directory)
    done: dict[str, RoundPlan] = {}
    running: dict[str, _One] = {}
    for choice in choices:
        known = kept.smaller(choice.key)
        if known is None:
            running[choice.key] = _One(choice, stress.drawn(choice.key))
        else:
            done[choice.key] = known
    waiting = [(key, one.begin()) for key, one in running.items()]

    def feed() -> object | None:
        while waiting:
            key, plan = waiting.pop(0)
            if plan is not None:
                return "try", (key, plan)
            done[key] = kept.small(key, running[key].result)
        return None

    for event in pool.run(feed, lambda: told(None)):
        if event.kind in ("done", "died"):
            key, plan = event.task[1]
            waiting.append((key, running[key].next(plan, event.value)))
        told(event)
    feed()
    return dict(sorted(done.items()))


class _One:
    """One plan on its way."""

    def __init__(self, choice: Choice, plan: RoundPlan) -> None:
        self.result = honest(plan)
        self._wanted = choice.wanted
        self._found: list[str] = []
        self._plan = plan
        hopeless = self._wanted & {hashed(broke_sign(kind)) for kind in _UNTRIED}
        self._hopeless = bool(hopeless)
        self._steps: Shrinking | None = None

    def begin(self) -> RoundPlan | None:
        """Give the plan as it is: that it sees all it has to is a thing to see, too."""
        return None if self._hopeless else self._plan

    def next(self, plan: RoundPlan, outcome: Tried | Death) -> RoundPlan | None:
        """Take what came of a try; give the next, or None."""
        if isinstance(outcome, Death):
            signs, names = {hashed(broke_sign(outcome.kind))}, []
        else:
            signs, names = set(outcome.signs), outcome.found
        well = self._wanted <= signs
        if well:
            self._found = sorted(one for one in names if hashed(found_sign(one)) in self._wanted)
        try:
            if self._steps is not None:
                return self._steps.send(well)
            if not well:
                return None  # it does not see again what it saw: kept as it is
            if isinstance(outcome, Death):
                self._steps = smaller(plan)
            else:
                self._steps = smaller(
                    plan,
                    self._few(outcome.chains, {*outcome.plain, *_all(outcome.orders)}),
                    self._few(outcome.orders, {*outcome.plain, *_all(outcome.chains)}),
                )
            return next(self._steps)
        except StopIteration as end:
            found = self._found or msgspec.UNSET
            self.result = msgspec.structs.replace(end.value, found=found)
            return None

    def _few(self, seen: dict[int, list[int]], elsewhere: set[int]) -> list[int]:
        """Choose few chains, or orders, that together saw what the plan is kept for."""
        left = [
            (str(number), sorted(self._wanted.intersection(signs)), 1)
            for number, signs in seen.items()
        ]
        return sorted(int(one.key) for one in cover(left, elsewhere))


def _all(seen: dict[int, list[int]]) -> set[int]:
    return {sign for signs in seen.values() for sign in signs}
