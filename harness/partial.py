"""Part of a check: what some of its units came to, in a form that can be joined with others.

A shard and a whole check keep the same thing, so that joining all shards gives what one run of all
units gives, whoever did which. Where several units show one cause, the simplest case of the lowest
unit stands for it, in whatever order they arrive.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from harness.coverage import Coverage
from harness.finding import Candidate
from harness.report import Fix
from harness.unit import UnitResult

__all__ = ["Found", "Header", "Partial", "Settled", "Stopped", "joined"]


_NAMED_MAX: Final = 6
"""Workloads named in a line; the others are counted."""


class Header(msgspec.Struct, kw_only=True):
    """What a report is about: equal, but for the shard and its units, where parts may be joined.

    Attributes:
        version: Of the harness.
        subject: As given.
        seed: Of every draw.
        plan_hash: Equal for plans that do the same work.
        fingerprint: Equal where the subject's source is.
        profiles: Names of the persistence models, in order.
        judged: Guarantees, in order.
        waived: Guarantees that nobody asked for and the store is not meant for.
        units: How many there are to do, in this shard.
        shard: ``K/N``; None for all.
    """

    version: str
    subject: str
    seed: int
    plan_hash: str
    fingerprint: str
    profiles: list[str]
    judged: list[str]
    units: int
    shard: str | None = None
    waived: list[str] = []


class Settled(msgspec.Struct):
    """A cause that was shrunk and replayed.

    Attributes:
        candidate: Its simplest case.
        replayed: How many of ten replays showed it again.
        fix: What was proven to mend it.
    """

    candidate: Candidate
    replayed: int
    fix: Fix | None = None


class Found(msgspec.Struct):
    """A cause, and the place in the plan that its case is from: a unit's, or a round's."""

    order: int
    candidate: Candidate

    @property
    def rank(self) -> tuple[tuple[int, ...], int]:
        """The lowest is shown."""
        return self.candidate.weight, self.order


class Stopped(msgspec.Struct):
    """A unit that the time budget did not let come to its end.

    Attributes:
        workload: Its name.
        where: Where it was then, in words; None if it had not begun.
        unfinished: Profiles, and guarantees about other faults than crashes, that it was not
            judged for to the end; None for all.
    """

    workload: str
    where: str | None = None
    unfinished: list[str] | None = None


class Partial(msgspec.Struct):
    """What some units came to.

    Attributes:
        units: Their numbers.
        coverage: For each profile, and guarantee about other faults than crashes.
        found: Causes, each once.
        executed: Recoveries run.
        reused: Recoveries that an earlier one stood for.
        judged: Crash states judged.
        notes: What a reader of the report should know.
        errors: For each profile or guarantee that could not be judged, the unit and why.
        lost: For each unit whose worker died, its workload and how.
        stopped: For each unit that the time budget ended, or did not reach, how far it got.
    """

    units: list[int] = []
    coverage: dict[str, Coverage] = {}
    found: dict[str, Found] = {}
    executed: int = 0
    reused: int = 0
    judged: int = 0
    notes: list[str] = []
    errors: dict[str, tuple[int, str]] = {}
    lost: dict[int, str] = {}
    stopped: dict[int, Stopped] = {}

    def add(self, unit: int, result: UnitResult) -> None:
        """Add what one unit came to."""
        self.join(
            Partial(
                units=[unit],
                coverage={**result.coverage, **result.injected},
                found={one.id: Found(unit, one) for one in result.candidates},
                executed=result.executed,
                reused=result.reused,
                judged=result.judged,
                notes=sorted(result.notes),
                errors={name: (unit, why) for name, why in result.errors.items()},
            )
        )

    def stop(self, unit: int, stopped: Stopped) -> None:
        """Note a unit that the time budget ended or did not reach."""
        self.stopped[unit] = stopped

    def lose(self, unit: int, why: str) -> None:
        """Note a unit that came to nothing."""
        self.units.append(unit)
        self.lost[unit] = why

    def join(self, other: Partial) -> None:
        """Add what other units came to; no unit may be in both."""
        self.units = sorted([*self.units, *other.units])
        for name, part in other.coverage.items():
            self.coverage.setdefault(name, Coverage()).add(part)
        for name, found in other.found.items():
            known = self.found.get(name)
            if known is None:
                self.found[name] = Found(found.order, found.candidate)
                continue
            kept, spare = (found, known) if found.rank < known.rank else (known, found)
            counts = dict(kept.candidate.profiles)
            for profile, count in spare.candidate.profiles.items():
                counts[profile] = counts.get(profile, 0) + count
            kept.candidate.profiles = counts
            self.found[name] = kept
        self.executed += other.executed
        self.reused += other.reused
        self.judged += other.judged
        self.notes = sorted({*self.notes, *other.notes})
        for name, (unit, why) in other.errors.items():
            known_error = self.errors.get(name)
            if known_error is None or unit >= known_error[0]:
                self.errors[name] = unit, why
        self.lost |= other.lost
        self.stopped |= other.stopped

    def unfinished(self, name: str) -> bool:
        """Tell whether the time budget ended before a profile or guarantee was done with."""
        return any(
            one.unfinished is None or name in one.unfinished for one in self.stopped.values()
        )

    def how_far(self) -> str:
        """Say how far the units got that the time budget ended."""
        begun = [one for _, one in sorted(self.stopped.items()) if one.where is not None]
        never = [one.workload for _, one in sorted(self.stopped.items()) if one.where is None]
        done, total = len(self.units) - len(begun), len(self.units) + len(never)
        parts = [f"the time budget ended first: {done} of {total} workloads judged"]
        parts += [f"{one.workload} stopped {one.where}" for one in begun]
        if never:
            shown = ", ".join(never[:_NAMED_MAX])
            more = len(never) - _NAMED_MAX
            parts.append(f"not reached: {shown}" + (f" and {more} more" if more > 0 else ""))
        return "; ".join(parts)

    def candidates(self) -> list[Candidate]:
        """Give the causes."""
        return [found.candidate for found in self.found.values()]

    def why(self) -> dict[str, str]:
        """Give, for each profile or guarantee that could not be judged, why."""
        return {name: why for name, (_, why) in self.errors.items()}


def joined(parts: Iterable[Partial]) -> Partial:
    """Join any number of parts."""
    total = Partial()
    for part in parts:
        total.join(part)
    return total
