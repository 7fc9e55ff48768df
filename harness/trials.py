"""Trying a change of the calls: it is made in every process's trace, and all crash states judged.

What is judged depends on what it takes to show the violation: a crash of the run; a power cut after
a kill, where the successor's calls change as well; or a crash in the recovery from a crash, where
the recovery's do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from harness.aftermath import NESTED_BUDGET
from harness.coverage import Coverage
from harness.cut_after_kill import after_kill, budget_of_kill
from harness.diagnose import Site
from harness.edits import Change, edited
from harness.examination import Examination
from harness.examine import examine, walk
from harness.explore import CrashState, Explorer
from harness.guarantees import GUARANTEES
from harness.halves import HalfSeen
from harness.history import Event, Recording
from harness.meter import Meter
from harness.ops import Operation
from harness.persistence import Model, constrain, derive
from harness.recovery import Prober
from harness.sightings import Sighting, Sightings
from harness.together import Judged
from harness.trace import is_call

__all__ = ["CrashTrial", "KillTrial", "NestedTrial", "Trial", "after_kills"]

_STATES_MAX: Final = 400
"""Crash states of a run whose recovery a change is tried in; beyond, it is a sample."""


class Trial(Protocol):
    """Counts what a change leaves.

    Attributes:
        sampled: Whether not every crash state was judged.
        meter: Says when to stop.
    """

    sampled: bool
    meter: Meter

    def traces(self) -> Iterable[Recording]:
        """Give the traces that show the calls there are to change, the run's first."""

    def broken(self, change: Change | None, *, at_once: bool = False) -> int | None:
        """Count the violations with a change; None where it cannot be made.

        Args:
            change: The change; None for none.
            at_once: Whether the first is enough.
        """


@dataclass
class CrashTrial:
    """A change of the run.

    Attributes:
        recording: The run.
        models: The persistence models.
        prober: Recovers images.
        guarantee: What is counted.
        budget: Sets of effects visited for one trace under one model.
        meter: Says when to stop.
        sampled: See `Trial`.
        site: The line to blame, whose half-done writes are counted.
        tried: Changed runs judged so far.
    """

    recording: Recording
    models: list[Model]
    prober: Prober
    guarantee: str
    budget: int
    meter: Meter
    sampled: bool = False
    site: Site | None = None
    tried: int = 0

    def traces(self) -> Iterable[Recording]:
        """The run."""
        return [self.recording]

    def broken(self, change: Change | None, *, at_once: bool = False) -> int | None:
        """Judge every crash state of the changed run."""
        run = self.recording if change is None else edited(self.recording, change)
        return None if run is None else self.count(run, at_once=at_once)

    def count(self, run: Recording, *, at_once: bool) -> int:
        """Count the violations of a run."""
        judged = self.judged(run, at_once=at_once)
        self.sampled = self.sampled or judged.sampled
        return judged.broken

    def judged(self, run: Recording, *, at_once: bool = False) -> Judged:
        """Judge every crash state of a run."""
        self.tried += run is not self.recording
        broken, halves, sampled = 0, 0, False
        simplest: list[Sighting] = []
        others = frozenset[str]()
        claimed = frozenset(filter(run.subject.claims, GUARANTEES)) - {self.guarantee}
        for model in self.models:
            kept = Sightings() if self.site is None else HalfSeen(self.site, self.guarantee)
            coverage, sightings = examine(
                run,
                model,
                self.prober,
                budget=self.budget,
                mixed=False,
                meter=self.meter,
                sightings=kept,
            )
            sampled = sampled or not coverage.exhaustive
            broken += sightings.count(self.guarantee)
            halves += kept.halves if isinstance(kept, HalfSeen) else 0
            others |= sightings.guarantees() & claimed
            simplest += [group[0] for _, group in sightings.sorts({self.guarantee})]
            if broken and at_once:
                break
        return Judged(broken, simplest, sampled, halves, others)


@dataclass
class KillTrial(CrashTrial):
    """A change of the run and of the process that follows after a kill."""

    def traces(self) -> Iterable[Recording]:
        """The run, joined with what followed after each kill."""
        yield self.recording
        for _, joined in _joined(self.recording, self.models[0], self.prober):
            yield joined

    def broken(self, change: Change | None, *, at_once: bool = False) -> int | None:
        """Judge every power cut after every kill, and those of the run alone."""
        made = change is None
        run: Recording | None = self.recording
        if change is not None and change(self.recording) is not None:
            run, made = edited(self.recording, change), True
        if run is None:
            return None
        count = self.count(run, at_once=at_once)
        for model in self.models:
            if model.order == "returned":
                continue
            for done, part in after_kills(self.recording, model, self.prober, change, self.budget):
                made = made or done
                self.sampled = self.sampled or not part.exhaustive
                count += part.sightings.count(self.guarantee)
                if (count and at_once) or self.meter.over():
                    return count
        return count if made else None


@dataclass
class AfterKill:
    """What power cuts after one kill showed.

    Attributes:
        sightings: The violations.
        exhaustive: Whether every crash state was judged.
    """

    sightings: Sightings
    exhaustive: bool


def _joined(recording: Recording, model: Model, prober: Prober) -> Iterator[tuple[int, Recording]]:
    whole = Examination(recording, model, recording.records, recording.events, prober)
    for killed in range(1, whole.constraints.effects.calls + 1):
        later = after_kill(whole, killed)
        if later is not None:
            yield killed, replace(recording, records=later.records, events=later.events)


def after_kills(
    recording: Recording, model: Model, prober: Prober, change: Change | None, budget: int
) -> Iterator[tuple[bool, AfterKill]]:
    """Judge power cuts after each kill, with a change made in the successor's calls, too.

    Args:
        recording: The run.
        model: The persistence model.
        prober: Recovers images.
        change: The change; None for none. Where its line does not act, nothing changes.
        budget: As for the run; an eighth of it goes to each kill.

    Yields:
        Whether the change was made, and what was seen.
    """
    for _, joined in _joined(recording, model, prober):
        run: Recording | None = joined
        made = change is not None and change(joined) is not None
        if made and change is not None:
            run = edited(joined, change)
        if run is None:
            continue
        start = run.events[-2].invoked if len(run.events) > 1 else 0
        sightings, coverage = Sightings(), Coverage()
        examination = Examination(
            recording,
            model,
            run.records,
            run.events,
            prober,
            from_position=2 * start + 1,
            budget=budget_of_kill(budget, 1),
            kill_at=start,
        )
        walk(examination, examination.explorer.states(), coverage, sightings, nested=False)
        yield made, AfterKill(sightings, coverage.exhaustive)


@dataclass
class NestedTrial(CrashTrial):
    """A change of the recovery, and of the run where its line acts there, too."""

    _known: dict[object, Recording] = field(default_factory=dict)

    def traces(self) -> Iterable[Recording]:
        """Every recovery from a crash of the run, and the run."""
        examination = self._examination(self.recording, self.models[0])
        for _, recovery in self._recoveries(examination):
            yield recovery
        yield self.recording

    def broken(self, change: Change | None, *, at_once: bool = False) -> int | None:
        """Judge every crash in the recovery from every crash, and those of the run alone."""
        run: Recording | None = self.recording
        made = change is None
        if change is not None and change(self.recording) is not None:
            run, made = edited(self.recording, change), True
        if run is None:
            return None
        count = self.count(run, at_once=at_once) if made and change is not None else 0
        for model in self.models:
            examination = self._examination(run, model)
            for state, recovery in self._recoveries(examination):
                after: Recording | None = recovery
                if change is not None and change(recovery) is not None:
                    after, made = edited(recovery, change), True
                if after is None:
                    return None
                count += self._nested(examination, state, after)
                if (count and at_once) or self.meter.over():
                    return count
        return count if made else None

    def _examination(self, run: Recording, model: Model) -> Examination:
        return Examination(run, model, run.records, run.events, self.prober, budget=self.budget)

    def _recoveries(self, examination: Examination) -> Iterator[tuple[CrashState, Recording]]:
        """Recover from each distinct crash state that the store opens on, lines named."""
        seen = 0
        for state in examination.explorer.states():
            if seen >= _STATES_MAX:
                self.sampled = True
                return
            image = examination.explorer.image(state)
            key = examination.model.name, state.first, image.files().__repr__()
            if key in self._known:
                recovery = self._known[key]
            else:
                seen += 1
                records = self.prober.records(image)
                calls = sum(map(is_call, records))
                events = [Event(0, Operation("open"), 0, calls)]
                recovery = self._known[key] = replace(
                    self.recording, base=image, records=records, events=events, given={}
                )
            if recovery.records:
                yield state, recovery
        self.sampled = self.sampled or not examination.explorer.exhaustive

    def _nested(self, examination: Examination, state: CrashState, recovery: Recording) -> int:
        explorer = Explorer(
            constrain(derive(recovery.records, recovery.base), examination.model),
            budget=NESTED_BUDGET,
            seed=self.recording.seed,
            from_position=1,
        )
        count = 0
        for inner in explorer.states():
            found = examination.nested_violations(state, explorer.image(inner))
            count += sum(one.guarantee == self.guarantee for one in found)
        self.sampled = self.sampled or not explorer.exhaustive
        return count
