"""Several writers in a round: the race that a plan describes, put on in random orders."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.isolation.races import Race, race_of
from harness.isolation.sampling import Sampled, sample_race
from harness.persistence import Model
from harness.stress.plans import RacePlan, RoundPlan, operations_in
from harness.subjects import Subject

__all__ = ["put_on", "race_in"]


def race_in(plan: RoundPlan, values: list[bytes], *, lists: bool) -> Race:
    """Make the race of a plan.

    Args:
        plan: The plan; it has several writers.
        values: The subject's own, where it accepts only some.
        lists: Whether whoever looks at the end may list.
    """
    race = plan.race
    assert isinstance(race, RacePlan)
    return race_of(
        f"round-{plan.round}",
        race.mode,
        [operations_in(steps, values) for steps in race.writers],
        operations_in(plan.setup, values),
        lists=lists,
    )


def put_on(
    subject: Subject,
    plan: RoundPlan,
    models: Sequence[Model],
    *,
    values: list[bytes],
    claims: Collection[str] | None,
    profiles: Sequence[str],
) -> Sampled:
    """Run the race of a plan in its orders.

    Args:
        subject: The store.
        plan: The plan.
        models: Persistence models to cut the power under.
        values: The subject's own, where it accepts only some.
        claims: What the store promises; None for all.
        profiles: All persistence models of the run.

    Raises:
        BaselineError: The store misbehaves with one writer after the other.
        SimulationError: It does what the simulated machine cannot represent.
    """
    assert isinstance(plan.race, RacePlan)
    return sample_race(
        subject,
        race_in(plan, values, lists=claims is None or "listing" in claims),
        models,
        plan.race.drawn_orders,
        draw=f"stress/{plan.seed}/{plan.round}",
        seed=plan.seed,
        budget=plan.budget,
        claims=claims,
        profiles=profiles,
    )
