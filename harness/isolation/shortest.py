"""The shortest schedule of a race: fewest switches, then fewest operations, then fewest steps.

Schedules are tried in the order of their preemptions, so what a simpler race shows first is the
shortest; the race itself shrinks in the same loop as every other case (`harness.smallest`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final

from harness.finding import Candidate
from harness.intercept import rerouted
from harness.isolation.again import race_in
from harness.isolation.races import Race, race_of
from harness.isolation.racing import Bounds, judge_race
from harness.meter import Meter
from harness.ops import Operation
from harness.persistence import Model
from harness.quiet import quiet
from harness.smallest import fewer, renamed, shorter, smallest
from harness.subjects import Subject

__all__ = ["Shortening", "shorten"]

_TRIES_MAX: Final = 40
_SCHEDULES_MAX: Final = 400


@dataclass(frozen=True)
class Shortening:
    """How a race is made simpler.

    Attributes:
        subject: The store.
        models: The persistence models, by name.
        meter: Says when to stop.
    """

    subject: Subject
    models: dict[str, Model]
    meter: Meter

    def simpler(self, best: Candidate) -> Iterator[Race]:
        """Propose simpler races: fewer operations, then shorter values, then plainer keys."""
        race = race_in(best.reproduction)
        writers, setup = [tuple(one) for one in race.writers], race.setup
        for number, operations in enumerate(writers):
            for kept in fewer(operations):
                yield _made(race, [*writers[:number], kept, *writers[number + 1 :]], setup)
        for kept in fewer(setup):
            yield _made(race, writers, kept)
        everything = (*setup, *(one for each in writers for one in each))
        for change in (shorter, renamed):
            for made in change(everything):
                rest = list(made[len(setup) :])
                each = [tuple(rest.pop(0) for _ in one) for one in writers]
                yield _made(race, each, made[: len(setup)])

    def key(self, step: Race) -> Hashable:
        """Equal races are equal."""
        return step

    def attempt(self, step: Race, best: Candidate) -> Candidate | None:
        """Try the schedules of a race for the same cause."""
        reproduction = best.reproduction
        raced = reproduction.race
        assert raced is not None
        struck = "!" in raced.schedule or raced.failing is not None
        most = max(len(raced.schedule.split()) - 2, 1)
        bounds = Bounds(
            preemptions=min(most, 2),
            cut=min(most, 2) if raced.cut else 0,
            struck=min(most, 1) if struck else None,
            budget=1500,
            schedules=_SCHEDULES_MAX,
        )
        with rerouted(), quiet():
            result = judge_race(
                self.subject,
                step,
                (self.models[reproduction.profile],),
                bounds,
                seed=reproduction.seed,
                claims=self.subject.guarantees if raced.cut or struck else (),
                over=self.meter.over,
                judged=(best.guarantee,),
            )
        same = [one for one in result.candidates if one.identity == best.identity]
        return min(same, key=lambda one: one.weight, default=None)


def _made(race: Race, writers: list[tuple[Operation, ...]], setup: tuple[Operation, ...]) -> Race:
    return race_of("shrunk", race.mode, writers, setup, lists=race.lists)


def shorten(
    subject: Subject, found: Candidate, models: dict[str, Model], meter: Meter | None = None
) -> Candidate:
    """Look for the simplest case of the same cause.

    Args:
        subject: The store.
        found: The cause, with its case.
        models: The persistence models, by name.
        meter: Says when to stop.
    """
    meter = meter or Meter()
    return smallest(found, Shortening(subject, models, meter), meter.over, _TRIES_MAX)
