"""The plan of a check: which workloads, models and guarantees, how deep; the same for equal seeds.

A plan is data: its hash is equal for plans that do the same work, wherever they are carried out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import msgspec

from harness import __version__
from harness.errors import UsageError
from harness.fingerprint import fingerprint
from harness.given import give
from harness.guarantees import GUARANTEES, RACED
from harness.isolation.races import Race, compose_race, standing_races, with_operations
from harness.ops import SYNCED, Operation, Workload, write
from harness.partial import Header
from harness.persistence import PROFILES, Model, profile
from harness.shards import cost_of, divided
from harness.subjects import Subject, load
from harness.unit import Depth
from harness.workloads import SeededChooser, drawn, standing

__all__ = ["REFERENCE", "Effort", "Plan", "drawn_from", "switches"]

REFERENCE: Final = "harness.reference.subjects:hardened"
"""The subject that is checked where none is given."""

Effort: TypeAlias = Literal["quick", "default", "thorough"]


@dataclass(frozen=True, slots=True)
class _EffortTable:
    drawn: int
    depth: Depth
    races: int = 0


_EFFORTS: Final[dict[str, _EffortTable]] = {
    "quick": _EffortTable(
        drawn=0,
        depth=Depth(budget=400, mixed=False, faults=100, preemptions=1, cut=0, struck=None),
    ),
    "default": _EffortTable(
        drawn=12, depth=Depth(budget=1500, mixed=True, faults=300, compound=300)
    ),
    "thorough": _EffortTable(
        drawn=32,
        depth=Depth(
            budget=20_000, mixed=True, faults=5000, compound=5000, cut=2, struck=2, samples=50
        ),
        races=12,
    ),
}


_COMPOUND_ONLY: Final = 1500
"""Crash states looked at with each fault at least, where only a few are asked for."""


@dataclass(frozen=True)
class Plan:
    """What to check.

    Attributes:
        subject: The store, as ``module:attribute`` or ``path.py:attribute``.
        profiles: Names of persistence models; none means all.
        guarantees: Names of guarantees; None means those the subject claims.
        effort: How much.
        seed: Of every draw.
        workers: Processes to share the units out to.
        budget_seconds: Stop cleanly after this much wall time, in the middle of a unit too; what
            was not reached makes its verdicts inconclusive. What was found by then is replayed,
            and shrunk as far as a tenth of that time more allows.
        custom: Persistence models of the user's own, by name.
        shard: Which part of the units to do, from 1, and of how many; None for all.
        faults: Faults to inject, as text, and no others; none means all.
    """

    subject: str = REFERENCE
    profiles: tuple[str, ...] = ()
    guarantees: tuple[str, ...] | None = None
    effort: Effort = "default"
    seed: int = 0
    workers: int = 1
    budget_seconds: float | None = None
    custom: dict[str, Model] = field(default_factory=dict)
    shard: tuple[int, int] | None = None
    faults: tuple[str, ...] = ()

    @cached_property
    def loaded(self) -> Subject:
        """The subject itself."""
        return load(self.subject)

    @cached_property
    def models(self) -> tuple[Model, ...]:
        """The persistence models asked for."""
        names = dict.fromkeys(self.profiles) if self.profiles else [*PROFILES, *self.custom]
        return tuple(self.custom[n] if n in self.custom else profile(n) for n in names)

    @cached_property
    def judged(self) -> tuple[str, ...]:
        """The guarantees to judge, in the contract's order."""
        known = tuple(GUARANTEES)
        if self.guarantees:
            asked: Iterable[str] = self.guarantees
        elif self.loaded.guarantees is not None:
            asked = self.loaded.guarantees
        else:
            asked = GUARANTEES
        asked = list(asked)
        if not asked:
            raise UsageError(
                f"subject {self.subject}: it claims no guarantee that this version judges; "
                "name some with --guarantee"
            )
        for name in asked:
            if name not in known:
                raise UsageError(
                    f"unknown guarantee {name!r}; there are {', '.join(known)} "
                    "(`harness list guarantees`)"
                )
        return self._concerned(tuple(name for name in known if name in set(asked)))

    def _concerned(self, judged: tuple[str, ...]) -> tuple[str, ...]:
        """Keep to the guarantees that are judged by the faults asked for, if any are."""
        if not self.faults:
            return judged
        concerned = {text: give(text).guarantee for text in self.faults}
        for text, guarantee in concerned.items():
            if guarantee not in judged:
                raise UsageError(
                    f"fault {text!r}: {guarantee} is judged by it, which is not asked for, or not "
                    f"claimed by the subject; add --guarantee {guarantee}"
                )
        return tuple(name for name in judged if name in concerned.values())

    @cached_property
    def depth(self) -> Depth:
        """How deep each unit looks."""
        depth = _EFFORTS[self.effort].depth
        if not self.faults:
            return depth
        return replace(depth, only=self.faults, compound=max(depth.compound, _COMPOUND_ONLY))

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """The units of work, in order."""
        subject = self.loaded
        keys = drawn_from(subject, "keys", _KEYS, self.seed)
        values = drawn_from(subject, "values", _VALUES, self.seed)
        syncs = subject.sync is not None
        stand = standing(keys) if keys else standing()
        if syncs:
            stand = [*stand, *(_synced(workload) for workload in stand)]
        count = _EFFORTS[self.effort].drawn
        everything = (*stand, *drawn(self.seed, count, keys, syncs=syncs), *self._races(keys))
        return tuple(_with_values(w, values) for w in everything) if values else everything

    def _races(self, keys: Sequence[str]) -> list[Race]:
        """What several writers do at once, where that is judged and the store is meant for it."""
        if RACED not in self.judged or self.loaded.single_writer or self.faults:
            return []
        lists = self.loaded.claims("listing")
        races = standing_races(keys, lists=lists) if keys else standing_races(lists=lists)
        for number in range(_EFFORTS[self.effort].races):
            chooser = SeededChooser(f"{self.seed}/race/{number}")
            races.append(compose_race(chooser, f"drawn {number}", keys, lists=lists))
        return races

    @cached_property
    def waived(self) -> list[str]:
        """Guarantees that nobody asked for and that the store says it is not meant for."""
        return [RACED] if self.loaded.single_writer and not self.guarantees else []

    @cached_property
    def units(self) -> list[int]:
        """Numbers of the workloads to run: all, or those of the shard."""
        if self.shard is None:
            return list(range(len(self.workloads)))
        number, count = self.shard
        return divided([cost_of(workload) for workload in self.workloads], count)[number - 1]

    @cached_property
    def header(self) -> Header:
        """What has to be equal in reports that are to be joined."""
        return Header(
            version=__version__,
            subject=self.subject,
            seed=self.seed,
            plan_hash=self.hash,
            fingerprint=fingerprint(self.loaded),
            profiles=[model.name for model in self.models],
            judged=list(self.judged),
            waived=self.waived,
            units=len(self.units),
            shard=None if self.shard is None else f"{self.shard[0]}/{self.shard[1]}",
        )

    @cached_property
    def hash(self) -> str:
        """Equal for plans that do the same work."""
        document = [
            __version__,
            self.subject,
            self.seed,
            self.effort,
            [switches(model) for model in self.models],
            list(self.judged),
            [
                [w.name, [[o.kind, o.key, o.value] for o in (*w.setup, *w.operations)]]
                for w in self.workloads
            ],
            *self.faults,
        ]
        return hashlib.sha256(msgspec.json.encode(document)).hexdigest()[:16]


def switches(model: Model) -> dict[str, object]:
    """A model's switches, without its rule table."""
    return {
        name: getattr(model, name)
        for name in model.__dataclass_fields__
        if name not in ("rules", "title")
    }


_KEYS: Final = 2
_VALUES: Final = 8


def drawn_from(subject: Subject, attribute: str, count: int, seed: int) -> list[Any]:
    """Draw from a subject's own strategy, where it declares one."""
    strategy = getattr(subject, attribute)
    if strategy is None:
        return []
    from harness.strategies import draw_distinct  # noqa: PLC0415 - Hypothesis is optional

    return draw_distinct(subject, strategy, attribute, count, seed)


def _with_values(workload: Workload, values: list[bytes]) -> Workload:
    """The same workload with the subject's own values, equal ones for equal ones."""
    chosen: dict[bytes, bytes] = {}

    def replaced(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
        return tuple(
            op
            if op.value is None
            else write(op.key or "", chosen.setdefault(op.value, values[len(chosen) % len(values)]))
            for op in operations
        )

    if isinstance(workload, Race):
        return with_operations(workload, lambda operation: replaced((operation,))[0])
    return Workload(workload.name, replaced(workload.operations), replaced(workload.setup))


def _synced(workload: Workload) -> Workload:
    """The same workload with a sync after each change."""
    operations: list[Operation] = []
    for operation in workload.operations:
        operations.append(operation)
        if operation.kind in ("write", "delete"):
            operations.append(Operation("sync"))
    return Workload(workload.name + SYNCED, tuple(operations), workload.setup)
