"""The shortest schedule of a finding: fewest switches, then fewest operations, then fewest steps.

Schedules are tried in the order of their preemptions already, so what is left to do is to make the
race itself smaller: fewer operations, a smaller store before, shorter values, and to find the cause
again in what remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.errors import HarnessError
from harness.finding import Candidate
from harness.isolation.again import race_in
from harness.isolation.races import Race, race_of
from harness.isolation.racing import Bounds, judge_race
from harness.ops import Operation, write
from harness.persistence import Model
from harness.subjects import Subject
from harness.workloads import value_of

__all__ = ["shorten"]

_TRIES_MAX: Final = 16
_SCHEDULES_MAX: Final = 400
_SIZES: Final = (1, 5, 600)


def shorten(subject: Subject, found: Candidate, models: dict[str, Model]) -> Candidate:
    """Look for a simpler case of the same cause.

    Args:
        subject: The store.
        found: The cause, with its case.
        models: The persistence models, by name.
    """
    best, tries = found, 0
    improved = True
    while improved and tries < _TRIES_MAX:
        improved = False
        for race in _simpler(race_in(best.reproduction)):
            if tries >= _TRIES_MAX:
                break
            tries += 1
            smaller = _try(subject, race, best, models)
            if smaller is not None and smaller.weight < best.weight:
                best, improved = smaller, True
                break
    best.workload, best.workloads, best.profiles = found.workload, found.workloads, found.profiles
    return best


def _try(
    subject: Subject, race: Race, wanted: Candidate, models: dict[str, Model]
) -> Candidate | None:
    reproduction = wanted.reproduction
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
    try:
        result = judge_race(
            subject,
            race,
            (models[reproduction.profile],),
            bounds,
            seed=reproduction.seed,
            claims=subject.guarantees if raced.cut or struck else (),
        )
    except HarnessError:
        return None
    return next((one for one in result.candidates if one.identity == wanted.identity), None)


def _simpler(race: Race) -> Iterator[Race]:
    """Propose simpler races, the simplest first."""
    writers = [list(operations) for operations in race.writers]
    setup = list(race.setup)

    def made(writers: list[list[Operation]], setup: list[Operation]) -> Race:
        return race_of("shrunk", race.mode, writers, setup, lists=race.lists)

    for number, operations in enumerate(writers):
        for place in range(len(operations)):
            less = operations[:place] + operations[place + 1 :]
            yield made([*writers[:number], less, *writers[number + 1 :]], setup)
    for place in range(len(setup)):
        yield made(writers, setup[:place] + setup[place + 1 :])
    sized = [operation for operation in (*setup, *race.operations) if operation.kind == "write"]
    for count in _SIZES:
        if any(len(operation.value or b"") > count for operation in sized):
            numbers = {operation: value_of(n + 1, count) for n, operation in enumerate(sized)}

            def small(operation: Operation, numbers: dict[Operation, bytes] = numbers) -> Operation:
                value = numbers.get(operation)
                return operation if value is None else write(operation.key or "", value)

            yield made(
                [[small(one) for one in each] for each in writers], [small(o) for o in setup]
            )
