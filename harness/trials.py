"""Trying a change of the calls: it is made in every process's trace, and all crash states judged.

What is judged depends on what it takes to show the violation: a crash of the run; a power cut after
a kill, where the successor's calls change as well; or a crash in the recovery from a crash, where
the recovery's do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from harness.aftermath import NESTED_BUDGET
from harness.coverage import Coverage
from harness.cut_after_kill import after_kill, budget_of_kill
from harness.diagnose import Site
from harness.edits import Change, Changed, edited
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

__all__ = ["CrashTrial", "KillTrial", "NestedTrial", "after_kills"]

_STATES_MAX: Final = 400
"""Crash states of a run whose recovery a change is tried in; beyond, it is a sample."""


def _changed(recording: Recording, changes: Iterable[Change]) -> tuple[Recording | None, bool]:
    """Carry changes out where their lines act.

    Returns:
        The changed run, None where it comes to another disk; and whether anything was changed.
    """
    run, made = recording, False
    for change in changes:
        if change(run) is None:
            continue
        other, made = edited(run, change), True
        if other is None:
            return None, made
        run = other
    return run, made


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
        sampled: Whether not every crash state was judged.
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
        """Give the traces that show the calls there are to change, the run's first."""
        return [self.recording]

    def broken(self, *changes: Change, at_once: bool = False) -> int | None:
        """Count the violations that some changes leave; None where they cannot be made.

        Args:
            changes: Carried out one after the other, each where its line acts.
            at_once: Whether the first is enough.
        """
        run, made = _changed(self.recording, changes)
        if run is None or not (made or not changes):
            return None
        return self.count(run, at_once=at_once)

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

    def broken(self, *changes: Change, at_once: bool = False) -> int | None:
        """Judge every power cut after every kill, and those of the run alone."""
        run, made = _changed(self.recording, changes)
        if run is None:
            return None
        made = made or not changes
        count = self.count(run, at_once=at_once)
        for model in self.models:
            if model.order == "returned":
                continue
            for done, part in after_kills(run, model, self.prober, changes, self.budget):
                if part is None:
                    return None
                made = made or done
                self.sampled = self.sampled or not part.exhaustive
                count += part.sightings.count(self.guarantee)
                if (count and at_once) or self.meter.over():
                    return count
        return count if made else None

    def joined(self, killed: int) -> Recording | None:
        """Give the run up to a kill, joined with what followed."""
        for after, run in _joined(self.recording, self.models[0], self.prober, (killed,)):
            assert after == killed
            return run
        return None

    def judged_after_kill(self, run: Recording) -> Judged:
        """Judge every power cut after the kill in a joined run."""
        broken, sampled = 0, False
        simplest: list[Sighting] = []
        for model in self.models:
            if model.order == "returned":
                continue
            part = _after_kill(run, model, self.prober, self.budget)
            sampled = sampled or not part.exhaustive
            broken += part.sightings.count(self.guarantee)
            simplest += [group[0] for _, group in part.sightings.sorts({self.guarantee})]
        return Judged(broken, simplest, sampled)


@dataclass
class AfterKill:
    """What power cuts after one kill showed.

    Attributes:
        sightings: The violations.
        exhaustive: Whether every crash state was judged.
    """

    sightings: Sightings
    exhaustive: bool


def _joined(
    recording: Recording, model: Model, prober: Prober, kills: Iterable[int] | None = None
) -> Iterator[tuple[int, Recording]]:
    whole = Examination(recording, model, recording.records, recording.events, prober)
    for killed in kills or range(1, whole.constraints.effects.calls + 1):
        later = after_kill(whole, killed)
        if later is not None:
            given = dict(later.given or {})
            run = replace(recording, records=later.records, events=later.events, given=given)
            yield killed, run


def after_kills(
    run: Recording, model: Model, prober: Prober, changes: Sequence[Change], budget: int
) -> Iterator[tuple[bool, AfterKill | None]]:
    """Judge power cuts after each kill, with changes made in the successor's calls, too.

    Args:
        run: The run, with the changes made in it: the kill strikes before a sync that was put in,
            or after it.
        model: The persistence model.
        prober: Recovers images.
        changes: The changes. Where the line of one does not act, nothing changes.
        budget: As for the run; an eighth of it goes to each kill.

    Yields:
        Whether a change was made in the successor's calls, and what was seen; None where the
        changed successor comes to another disk.
    """
    for killed, joined in _joined(run, model, prober):
        later, made = _changed(joined, [_following(killed, change) for change in changes])
        yield made, None if later is None else _after_kill(later, model, prober, budget)


def _following(killed: int, change: Change) -> Change:
    """Make a change in what follows a kill; what came before it has happened."""

    def carry(joined: Recording) -> Changed | None:
        made = change(joined)
        if made is None:
            return None
        calls = [(one, number) for number, one in enumerate(filter(is_call, joined.records), 1)]
        followed = [one for one in made if one[1] > killed]
        if [id(one) for one, _ in followed] == [id(one) for one, _ in calls[killed:]]:
            return None
        return calls[:killed] + followed

    return Change(change.identity, carry)


def _after_kill(run: Recording, model: Model, prober: Prober, budget: int) -> AfterKill:
    """Judge the power cuts of a joined run, from where the successor begins."""
    start = run.events[-2].invoked  # where the successor opens the store
    sightings, coverage = Sightings(), Coverage()
    examination = Examination(
        run,
        model,
        run.records,
        run.events,
        prober,
        from_position=2 * start + 1,
        budget=budget_of_kill(budget, 1),
        kill_at=start,
    )
    walk(examination, examination.explorer.states(), coverage, sightings, nested=False)
    return AfterKill(sightings, coverage.exhaustive)


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

    def broken(self, *changes: Change, at_once: bool = False) -> int | None:
        """Judge every crash in the recovery from every crash, and those of the run alone."""
        run, made = _changed(self.recording, changes)
        if run is None:
            return None
        count = self.count(run, at_once=at_once) if made else 0
        made = made or not changes
        for model in self.models:
            examination = self._examination(run, model)
            for state, recovery in self._recoveries(examination):
                after, acted = _changed(recovery, changes)
                if after is None:
                    return None
                made = made or acted
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
