"""Shrinking a finding: fewer operations, then shorter values, while the cause stays the same.

In this order of simplicity: the worst severity, no mixed failure, fewer operations, no second
crash, fewer bytes, fewer losses (`Candidate.weight`). The losses themselves are minimal already:
diagnosis puts back what need not be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from harness.errors import HarnessError
from harness.finding import Candidate
from harness.meter import Meter
from harness.ops import Operation, Workload, write
from harness.oracle import INJECTED
from harness.persistence import Model
from harness.subjects import Subject
from harness.unit import Depth, run_unit
from harness.workloads import value_of

__all__ = ["shrink"]

_TRIES_MAX: Final = 24
_SIZES: Final = (1, 5, 600, 5000)


def shrink(
    subject: Subject,
    found: Candidate,
    models: dict[str, Model],
    guarantees: frozenset[str],
    depth: Depth,
    meter: Meter | None = None,
) -> Candidate:
    """Look for a simpler case of the same cause.

    Args:
        subject: The store.
        found: The cause, with its case.
        models: The persistence models, by name.
        guarantees: Which promises are judged.
        depth: How deep to look in each try.
        meter: Says when to stop.

    Returns:
        The simplest case found, with the counts of the original.
    """
    best, tries, meter = found, 0, meter or Meter()
    improved = True
    while improved and tries < _TRIES_MAX:
        improved = False
        for workload in _simpler(best.reproduction.workload()):
            if tries >= _TRIES_MAX or meter.over():
                break
            tries += 1
            smaller = _try(subject, workload, best, models, guarantees, depth, meter)
            if smaller is not None and smaller.weight < best.weight:
                smaller.workload, best, improved = best.workload, smaller, True
                break
    best.profiles, best.workloads = found.profiles, found.workloads
    return best


def _try(
    subject: Subject,
    workload: Workload,
    wanted: Candidate,
    models: dict[str, Model],
    guarantees: frozenset[str],
    depth: Depth,
    meter: Meter,
) -> Candidate | None:
    crash = wanted.reproduction
    shallow = replace(depth, mixed=crash.kill_at is not None)
    # What one kind of fault shows, the other kind need not be tried for.
    injected = guarantees & set(INJECTED)
    only = injected if wanted.guarantee in INJECTED else guarantees - injected
    try:
        result = run_unit(
            subject,
            workload,
            (models[crash.profile],),
            only,
            shallow,
            seed=crash.seed,
            meter=Meter(until=meter.until),
        )
    except HarnessError:
        return None
    return next((one for one in result.candidates if one.identity == wanted.identity), None)


def _simpler(workload: Workload) -> Iterator[Workload]:
    """Propose simpler workloads, the simplest first."""
    setup, operations = workload.setup, workload.operations
    for number in range(len(operations) - 1, -1, -1):
        if len(operations) > 1:
            yield Workload("shrunk", _without(operations, number), setup)
    for number in range(len(setup) - 1, -1, -1):
        yield Workload("shrunk", operations, _without(setup, number))
    for number, operation in enumerate(operations):
        for smaller in _smaller(operation, number):
            yield Workload("shrunk", _with(operations, number, smaller), setup)
    for number, operation in enumerate(setup):
        for smaller in _smaller(operation, number + len(operations)):
            yield Workload("shrunk", operations, _with(setup, number, smaller))


def _without(operations: tuple[Operation, ...], number: int) -> tuple[Operation, ...]:
    return operations[:number] + operations[number + 1 :]


def _with(
    operations: tuple[Operation, ...], number: int, operation: Operation
) -> tuple[Operation, ...]:
    return (*operations[:number], operation, *operations[number + 1 :])


def _smaller(operation: Operation, number: int) -> Iterator[Operation]:
    if operation.kind == "write" and operation.key is not None and operation.value is not None:
        for size in _SIZES:
            if size < len(operation.value):
                yield write(operation.key, value_of(number + 1, size))
