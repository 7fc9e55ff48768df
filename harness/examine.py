"""Examining one workload: every crash state of its trace, recovered once, judged by its history.

Three kinds of crash are judged here, all computed from recorded traces:

- a crash anywhere in the workload;
- a crash while the store recovers from one of those (it must leave what was allowed before);
- a power cut after a process died, and its successor recovered on what the page cache still held,
  and wrote (DESIGN.md section 7, mixed failures).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.aftermath import Aftermath
from harness.coverage import Coverage
from harness.cut_after_kill import after_kill, budget_of_kill, kills_of
from harness.examination import Examination
from harness.explore import CrashState
from harness.history import Recording
from harness.meter import Meter
from harness.persistence import Model
from harness.recovery import Prober
from harness.sightings import Sighting, Sightings

__all__ = ["examine", "walk"]

_SEEN_MAX: Final = 1 << 18
"""Images told apart in one walk; one that comes back after as many others counts again."""

_CLEAN_MAX: Final = 1 << 14
"""Pairs of an outcome and a span of the history remembered as fine."""


def examine(
    recording: Recording,
    model: Model,
    prober: Prober,
    *,
    budget: int,
    mixed: bool,
    meter: Meter | None = None,
    sightings: Sightings | None = None,
) -> tuple[Coverage, Sightings]:
    """Judge every crash state of a recorded workload under one model.

    Args:
        recording: The workload's run.
        model: The persistence model.
        prober: Recovers images.
        budget: Sets of effects visited before sampling.
        mixed: Whether to judge power cuts after a kill as well.
        meter: Says when to stop; what was covered by then is not exhaustive.
        sightings: Takes the violations, where they are to be kept in a way of their own.

    Returns:
        What was covered, and the violations seen.
    """
    meter = meter or Meter()
    examination = Examination(
        recording, model, recording.records, recording.events, prober, budget=budget
    )
    coverage = Coverage(workloads=1)
    sightings = Sightings() if sightings is None else sightings
    mixed = mixed and model.order != "returned"
    half = 0.5 if mixed else 1.0
    states = meter.watch(examination.explorer, 0.0, half)
    walk(examination, states, coverage, sightings, nested=True)
    if mixed:
        calls = examination.constraints.effects.calls
        chosen = kills_of(calls)
        # Recovering from a long trace takes as long as it is.
        share = 1 if len(chosen) < calls else 4
        each = budget_of_kill(budget, len(chosen), share=share) if chosen else 0
        if len(chosen) < calls:
            # Nobody has counted what the kills that are left out would lead to.
            coverage.exhaustive, coverage.possible = False, None
        for number, calls_done in enumerate(chosen):
            done = half + half * number / len(chosen)
            if meter.over(done):
                coverage.exhaustive, coverage.possible = False, None
                break
            successor = after_kill(examination, calls_done, each)
            if successor is not None:
                states = meter.watch(successor.explorer, done, done + half / len(chosen))
                walk(successor, states, coverage, sightings, nested=False)
    coverage.sampled = int(not coverage.exhaustive)
    return coverage, sightings


def walk(
    examination: Examination,
    states: Iterator[CrashState],
    coverage: Coverage,
    sightings: Sightings,
    *,
    nested: bool,
) -> None:
    """Judge states of one examination.

    Args:
        examination: What they are states of.
        states: The states, as its explorer gives them.
        coverage: Counts what was looked at.
        sightings: Takes the violations.
        nested: Whether to judge crashes in the recovery from each of them, too.
    """
    explorer, judge = examination.explorer, examination.judge
    seen, positions = set[int](), set[int]()
    distinct = 0
    # Spans of the history in which an observation broke nothing: nothing will, the next time.
    clean: dict[tuple[int, int, int], Aftermath] = {}
    first = last = -1
    for state in states:
        coverage.judged += 1
        key = hash(state.key)
        if key not in seen:
            if len(seen) >= _SEEN_MAX:
                seen.clear()
            seen.add(key)
            distinct += 1
        if state.first != first or state.last != last:
            first, last = state.first, state.last
            positions.add(first)
            span = judge.span(first, last)
            begun = judge.segments[span[0]]
            acknowledged, in_flight = begun.acknowledged > 1, begun.in_flight is not None
        coverage.acknowledged += acknowledged
        coverage.interrupted += in_flight
        found = examination.aftermath(state, nested=nested)
        observation = found.observation
        coverage.opened += observation.first.opened is None
        known = (id(found), *span)
        if known in clean:
            continue
        examination.looked_back = False
        broken = [
            Sighting(v, examination, state) for v in examination.violations(state, observation)
        ]
        broken += [
            Sighting(v, examination, state, inner) for v, inner in examination.nested(state, found)
        ]
        for sighting in broken:
            sightings.add(sighting)
        # Where nothing is reused, no outcome comes back, and to keep them all would fill memory.
        if not broken and not examination.looked_back and examination.prober.reusing:
            if len(clean) >= _CLEAN_MAX:
                clean.clear()
            clean[known] = found  # kept, so that no other object gets its identity
    coverage.states += distinct
    coverage.faults += len(positions)
    coverage.exhaustive = coverage.exhaustive and explorer.exhaustive
    if explorer.exhaustive and coverage.possible is not None:
        coverage.possible += distinct
    elif explorer.possible is None:
        coverage.possible = None
    elif coverage.possible is not None:
        coverage.possible += explorer.possible
