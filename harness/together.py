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
from harness.history import Recording
from harness.proposals import About, syncs
from harness.sightings import Sighting

__all__ = ["Company", "Judged", "in_company"]

_OTHERS_MAX: Final = 4
"""Changes put in beside the one to prove: a directory made, a file, its name, its old name."""

Proposal = tuple[str, Change]


class Judged(NamedTuple):
    """What the crash states of a trace came to.

    Attributes:
        broken: How many break the guarantee.
        simplest: The simplest of those.
        sampled: Whether not every crash state was judged.
        halves: How many of ``broken`` hold half of what the line to blame writes.
        others: Other guarantees that the store claims and a crash state breaks.
    """

    broken: int
    simplest: list[Sighting]
    sampled: bool
    halves: int = 0
    others: frozenset[str] = frozenset()


Seen = Callable[[Recording], Judged]
"""Judges a trace."""


class Company(NamedTuple):
    """A change and those it needs.

    Attributes:
        change: The change, in words and to be made.
        others: The others, likewise.
        before: Crash states that break the guarantee with the others alone.
        sampled: Whether not every crash state was judged with all of them.
    """

    change: Proposal
    others: tuple[Proposal, ...]
    before: int
    sampled: bool


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
        others, proof = _others(own, run, seen)
        if not others:
            continue
        others, proof = _needed(own, others, proof, recording, seen)
        without = _applied(recording, others)
        if without is None:
            continue
        count = seen(without).broken
        if count:
            return Company(own, tuple(others), count, proof.sampled)
    return None


def _others(own: Proposal, run: Recording, seen: Seen) -> tuple[list[Proposal], Judged]:
    """Put in what else lacks, one by one; none where that comes to no end.

    Returns:
        What was put in, and what the trace came to with it.
    """
    chosen: list[Proposal] = []
    now = seen(run)
    while now.broken and len(chosen) < _OTHERS_MAX:
        for proposal in _proposals(now.simplest, run):
            _, change = proposal
            if change.identity in (own[1].identity, *(one.identity for _, one in chosen)):
                continue
            changed = _applied(run, [proposal])
            if changed is None:
                continue
            left = seen(changed)
            if left.broken < now.broken:
                chosen.append(proposal)
                run, now = changed, left
                break
        else:
            return [], now
    return ([] if now.broken else chosen), now


def _proposals(sightings: Iterable[Sighting], run: Recording) -> Iterable[Proposal]:
    for sighting in sightings:
        found: Diagnosis = diagnose(sighting)
        if found.culprit is not None:
            yield from syncs(found, found.culprit, run)


def _needed(
    own: Proposal, others: list[Proposal], proof: Judged, recording: Recording, seen: Seen
) -> tuple[list[Proposal], Judged]:
    """Leave out what the rest does without.

    Returns:
        What is left, and what the trace came to with that and nothing else.
    """
    for one in list(others):
        fewer = [other for other in others if other is not one]
        run = _applied(recording, [own, *fewer])
        fewest = None if run is None else seen(run)
        if fewest is not None and not fewest.broken:
            others, proof = fewer, fewest
    return others, proof


def _applied(recording: Recording, proposals: Iterable[Proposal]) -> Recording | None:
    """Carry changes out, one after the other; None where one cannot be."""
    run: Recording | None = recording
    for _, change in proposals:
        try:
            run = None if run is None else edited(run, change)
        except HarnessError:
            return None
    return run
