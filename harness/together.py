"""Changes that only help together: a store that lacks several syncs has a finding for each.

Any one of them leaves the store broken by the others, so none can be proven alone. Here the others
are found by judging the changed trace again: what is still broken is diagnosed, its sync is put in
too, until nothing is. A change is proven if it is needed beside the others: without it crash states
break the guarantee, with it none does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from harness.diagnose import Diagnosis, Site, diagnose
from harness.edits import Change, edited
from harness.errors import HarnessError
from harness.examine import Sighting
from harness.history import Recording
from harness.proposals import About, syncs

__all__ = ["Company", "in_company"]

_OTHERS_MAX: Final = 4
"""Changes put in beside the one to prove: a directory made, a file, its name, its old name."""

Proposal = tuple[str, Change]
Seen = Callable[[Recording], tuple[int, list[Sighting]]]
"""Judges a trace: how many crash states break the guarantee, and the simplest of them."""


class Company(NamedTuple):
    """A change and those it needs.

    Attributes:
        change: In words.
        others: The same of each of the others.
        before: Crash states that break the guarantee with the others alone.
    """

    change: str
    others: tuple[str, ...]
    before: int


def in_company(about: About, culprit: Site, recording: Recording, seen: Seen) -> Company | None:
    """Look for a sync that mends a finding once the other syncs that lack are there.

    Args:
        about: What is known of the finding.
        culprit: Its line.
        recording: The run that shows it.
        seen: Judges a run.

    Returns:
        The change with its company; None where none was found.
    """
    for own in syncs(about, culprit, recording):
        run = _applied(recording, [own])
        if run is None:
            continue
        others = _others(own, run, seen)
        if not others:
            continue
        others = _needed(own, others, recording, seen)
        without = _applied(recording, others)
        if without is None:
            continue
        count, _ = seen(without)
        if count:
            return Company(own[0], tuple(text for text, _ in others), count)
    return None


def _others(own: Proposal, run: Recording, seen: Seen) -> list[Proposal]:
    """Put in what else lacks, one by one; none where that comes to no end."""
    chosen: list[Proposal] = []
    broken, sightings = seen(run)
    while broken and len(chosen) < _OTHERS_MAX:
        for proposal in _proposals(sightings, run):
            if proposal[0] in (own[0], *(text for text, _ in chosen)):
                continue
            changed = _applied(run, [proposal])
            if changed is None:
                continue
            left, rest = seen(changed)
            if left < broken:
                chosen.append(proposal)
                run, broken, sightings = changed, left, rest
                break
        else:
            return []
    return [] if broken else chosen


def _proposals(sightings: Iterable[Sighting], run: Recording) -> Iterable[Proposal]:
    for sighting in sightings:
        found: Diagnosis = diagnose(sighting)
        if found.culprit is not None:
            yield from syncs(found, found.culprit, run)


def _needed(
    own: Proposal, others: list[Proposal], recording: Recording, seen: Seen
) -> list[Proposal]:
    """Leave out what the rest does without."""
    for one in list(others):
        fewer = [other for other in others if other is not one]
        run = _applied(recording, [own, *fewer])
        if run is not None and seen(run)[0] == 0:
            others = fewer
    return others


def _applied(recording: Recording, proposals: Iterable[Proposal]) -> Recording | None:
    """Carry changes out, one after the other; None where one cannot be."""
    run: Recording | None = recording
    for _, change in proposals:
        try:
            run = None if run is None else edited(run, change)
        except HarnessError:
            return None
    return run
