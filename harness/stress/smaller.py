"""Making a plan smaller: what is left still sees all that the plan was kept for.

A plan of the corpus is run at the start of every later run, and read by people; forty operations
and sixty chains of which one matters serve neither. So parts are left out, half of them first, then
one by one, as long as what is left sees what it has to (Zeller and Hildebrandt, Simplifying and
Isolating Failure-Inducing Input, TSE 2002; greedily, so that the number of tries is bounded).

Nothing here runs a plan: a plan to try is yielded, and the answer sent back. Several plans can be
made smaller at once then, on any number of workers.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

from msgspec import UNSET, structs

from harness.stress.plans import CHAINED, RacePlan, RoundPlan, Step, honest, plan_id

__all__ = ["TRIES_MAX", "Shrinking", "smaller"]

TRIES_MAX: Final = 24
"""Tries for one plan. Each costs at most what the plan did, and most cost far less."""

_BUDGET_LEAST: Final = 100
_SIZE_SMALL: Final = 1
_WRITERS_LEAST: Final = 2
_HARMLESS: Final = ("long-history", "many-keys", "big-values", "deletes", "restarts", *CHAINED)

Shrinking: TypeAlias = Generator[RoundPlan, bool, RoundPlan]
"""Yields plans to try, is sent whether each saw all it has to, returns the smallest that did."""

T = TypeVar("T")


def smaller(
    plan: RoundPlan,
    few: Sequence[int] | None = None,
    orders: Sequence[int] | None = None,
    tries: int = TRIES_MAX,
) -> Shrinking:
    """Make a plan smaller.

    Args:
        plan: The plan, which sees what it has to.
        few: Numbers of the chains that may do; None if that is not known.
        orders: Numbers of the orders of several writers that may do; the same.
        tries: Plans to try at most.
    """
    best, tried = plan, {plan_id(plan)}
    fewer = plan
    if few is not None and plan.chains:
        fewer = _with_chains(fewer, few)
    if orders is not None and isinstance(plan.race, RacePlan):
        fewer = _with_orders(fewer, orders)
    if fewer != plan:
        if (yield fewer):
            best = fewer
        tries -= 1
        tried.add(plan_id(fewer))
    for way in (_without_features, _without_steps, _without_writers, _without_chains, _plainer):
        attempts: Iterator[RoundPlan] | None = way(best)
        while attempts is not None:
            found = None
            for one in attempts:
                if plan_id(one) in tried:
                    continue
                tried.add(plan_id(one))
                if not tries:
                    return honest(best)
                tries -= 1
                if (yield one):
                    found = one
                    break
            if found is None:
                break
            best = found
            attempts = way(best)
    return honest(best)


def _without_features(plan: RoundPlan) -> Iterator[RoundPlan]:
    """Leave one thing out that the round does."""
    for name in plan.features:
        if name in _HARMLESS:
            continue
        gone = {"crash", "mixed"} if name == "crash" else {name}
        less = structs.replace(plan, features=[one for one in plan.features if one not in gone])
        if name == "several-writers":
            yield _with_orders(less, [])
        else:
            yield _with_chains(less, []) if name == "chain" else less
    if len(plan.profiles) > 1:
        for name in plan.profiles:
            yield structs.replace(plan, profiles=[name])


def _without_chains(plan: RoundPlan) -> Iterator[RoundPlan]:
    """Leave chains out, half of them first."""
    if plan.chains:
        for kept in _halves(plan.drawn_chains):
            if kept:
                yield _with_chains(plan, kept)


def _with_chains(plan: RoundPlan, numbers: Sequence[int]) -> RoundPlan:
    """Keep some chains only; none takes everything out that is about them.

    Chains are drawn from the round's number, and nothing else is: without them it is any.
    """
    if numbers:
        return structs.replace(plan, only=list(numbers), chains=max(numbers) + 1)
    features = [name for name in plan.features if name not in ("chain", *CHAINED)]
    return structs.replace(plan, features=features, chains=0, only=UNSET, round=0)


def _without_steps(plan: RoundPlan) -> Iterator[RoundPlan]:
    """Leave operations out, those of the setup first."""
    if plan.setup:
        for kept in ([], *_halves(plan.setup)):
            yield structs.replace(plan, setup=kept)
    for kept in _halves(plan.operations):
        if kept:
            yield structs.replace(plan, operations=kept)


def _with_orders(plan: RoundPlan, numbers: Sequence[int]) -> RoundPlan:
    """Keep some orders of several writers only, or none and no writers."""
    if numbers and isinstance(plan.race, RacePlan):
        race = structs.replace(plan.race, only=list(numbers), orders=max(numbers) + 1)
        return structs.replace(plan, race=race)
    features = [name for name in plan.features if name != "several-writers"]
    return structs.replace(plan, features=features, race=UNSET)


def _without_writers(plan: RoundPlan) -> Iterator[RoundPlan]:
    """Leave writers out, then what they do, then orders."""
    race = plan.race
    if not isinstance(race, RacePlan):
        return
    writers = race.writers
    for number in range(len(writers)):
        if len(writers) > _WRITERS_LEAST:
            kept = [*writers[:number], *writers[number + 1 :]]
            yield structs.replace(plan, race=structs.replace(race, writers=kept))
    for number, steps in enumerate(writers):
        for fewer in _halves(steps):
            if fewer:
                kept = [*writers[:number], fewer, *writers[number + 1 :]]
                yield structs.replace(plan, race=structs.replace(race, writers=kept))
    for numbers in _halves(race.drawn_orders):
        if numbers:
            yield _with_orders(plan, numbers)


def _plainer(plan: RoundPlan) -> Iterator[RoundPlan]:
    """Write less, and look at less."""
    if any(step.size > _SIZE_SMALL for step in (*plan.setup, *plan.operations)):
        yield structs.replace(
            plan, setup=_shorter(plan.setup), operations=_shorter(plan.operations)
        )
        for name in ("setup", "operations"):
            steps: list[Step] = getattr(plan, name)
            for place, step in enumerate(steps):
                if step.size > _SIZE_SMALL:
                    kept = [*steps[:place], *_shorter([step]), *steps[place + 1 :]]
                    yield structs.replace(plan, **{name: kept})
    if plan.budget > _BUDGET_LEAST:
        yield structs.replace(plan, budget=_BUDGET_LEAST)


def _shorter(steps: Sequence[Step]) -> list[Step]:
    return [structs.replace(step, size=min(step.size, _SIZE_SMALL)) for step in steps]


def _halves(items: Sequence[T]) -> Iterator[list[T]]:
    """Yield what is left without each half, each quarter and so on, down to each single one."""
    size = len(items) // 2
    while size:
        for start in range(0, len(items), size):
            yield [*items[:start], *items[start + size :]]
        size //= 2
    if len(items) == 1:
        yield []
