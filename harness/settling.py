"""Settling causes: each is shrunk, replayed, given its proven fix, and written up once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from harness.accepting import accepting
from harness.chainshrink import shrink_chain
from harness.finding import Candidate
from harness.fix import mended_by, prove
from harness.guarantees import GUARANTEES, SEVERITIES
from harness.isolation.shortest import shorten
from harness.meter import Meter
from harness.partial import Settled
from harness.plan import Plan
from harness.replay import replay_times
from harness.report import (
    FindingRecord,
)
from harness.shrink import shrink
from harness.story import CONTENT, finding_record

__all__ = ["finish", "mended_together", "ranked", "settle", "write_up"]

_REPLAYS: Final = 10


def finish(
    plan: Plan, candidates: list[Candidate]
) -> tuple[list[FindingRecord], dict[str, bytes], list[str]]:
    """Shrink, replay and write up each cause.

    Args:
        plan: What they were found by.
        candidates: The causes.

    Returns:
        As `write_up`.
    """
    names = [model.name for model in plan.models]
    settled = [settle(plan, one) for one in ranked(candidates)]
    return write_up(names, mended_together(plan, settled, None))


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Order causes as they are reported: the worst first."""
    order = list(GUARANTEES)
    return sorted(
        candidates,
        key=lambda c: (SEVERITIES.index(c.severity), order.index(c.guarantee), c.identity),
    )


def settle(plan: Plan, one: Candidate, until: float | None = None) -> Settled:
    """Shrink a cause, replay it, and look for what would mend it.

    Args:
        plan: What it was found by.
        one: The cause.
        until: When to stop making it smaller and looking for what would mend it; it is replayed
            in any case.
    """
    models = {model.name: model for model in plan.models}
    meter = Meter(until=until)
    if one.reproduction.race is not None:
        small = shorten(plan.loaded, one, models, meter)
    elif one.reproduction.chain is None:
        small = shrink(plan.loaded, one, models, plan.depth, meter)
    else:
        small = shrink_chain(plan.loaded, one, models, meter)
    replayed = replay_times(plan.loaded, small.reproduction, models, _REPLAYS)
    fix = None
    if replayed == _REPLAYS and one.reproduction.race is None and not meter.over():
        fix = prove(plan.loaded, small, models, plan.depth.budget, meter)
        halves = small.unmended is not None and small.unmended.halves
        if halves and small.guarantee != "recovery":
            small.accepted = accepting(plan.loaded, small, models)
    return Settled(small, replayed, fix)


def mended_together(plan: Plan, settled: list[Settled], until: float | None) -> list[Settled]:
    """Try, on each finding for which no change was proven, those that mend the others.

    Args:
        plan: What they were found by.
        settled: The causes.
        until: When to stop looking.

    Returns:
        The same, some of them with a fix.
    """
    models = {model.name: model for model in plan.models}
    proven = [(one.candidate, one.fix) for one in settled if one.fix is not None]
    result = []
    for one in settled:
        meter, fix = Meter(until=until), one.fix
        if fix is None and proven and one.replayed == _REPLAYS and not meter.over():
            found = one.candidate
            mine = [other for other in proven if other[0].guarantee == found.guarantee]
            others = [*mine, *(other for other in proven if other not in mine)]
            fix = mended_by(plan.loaded, found, others, models, plan.depth.budget, meter)
        if fix is not one.fix:
            # No check is missing, where what is read is always whole.
            one = Settled(replace(one.candidate, accepted=None), one.replayed, fix)  # noqa: PLW2901 - the same, mended
        result.append(one)
    return result


def of_one_cause(settled: Iterable[Settled]) -> list[Settled]:
    """Join what one change mends: of one guarantee, that is one cause, seen from several lines.

    Changes are compared by what they do, and where (`harness.edits.Change.identity`). The cause is
    shown by the worst of them, and of those by the one that most crash states blame.
    """
    groups: list[list[Settled]] = []
    for one in settled:
        group = next(
            (group for group in groups if any(_same_cause(known, one) for known in group)), None
        )
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return [_joined(group) for group in groups]


def _joined(group: list[Settled]) -> Settled:
    if len(group) == 1:
        return group[0]
    profiles: dict[str, int] = {}
    workloads: dict[str, None] = {}
    for one in group:
        for name, count in one.candidate.profiles.items():
            profiles[name] = profiles.get(name, 0) + count
        workloads |= dict.fromkeys(one.candidate.workloads)

    def shown(one: Settled) -> tuple[int, int]:
        found = one.candidate
        return SEVERITIES.index(found.severity), -sum(found.profiles.values())

    kept = min(group, key=shown)
    fix = kept.fix or next((one.fix for one in group if one.fix is not None), None)
    if kept.fix is None and fix is not None:
        # The same change, proven on this case too.
        fix = msgspec.structs.replace(fix, violations_before=kept.candidate.whole_before)
    candidate = replace(kept.candidate, profiles=profiles, workloads=list(workloads))
    if fix is not None:
        candidate.accepted = None  # no check is missing where what is read is always whole
    return Settled(candidate, kept.replayed, fix)


def _same_cause(known: Settled, other: Settled) -> bool:
    one, two = known.candidate, other.candidate
    if one.guarantee != two.guarantee or min(known.replayed, other.replayed) < _REPLAYS:
        return False
    if one.edit and one.edit == two.edit:
        return True
    if _unsynced_bytes(one, two) or _unsynced_bytes(two, one):
        return True
    # Where a checksum would do as well the protocol is not called its fix, but it does mend it.
    mended = known.fix is not None or other.fix is not None
    return mended and one.whole is not None and one.whole == two.whole


def _unsynced_bytes(one: Candidate, two: Candidate) -> bool:
    """Tell whether the bytes of one line are lost in both: behind a rename, and after a kill.

    A file that is never synced shows as a rename that comes before its bytes and, where another
    process wrote what it replaced, as bytes that never come: it lacks one sync.
    """
    early, late = one.missing, two.culprit
    return (
        (one.cause, two.cause) == ("reordered", "lost")
        and two.reproduction.kill_at is not None
        and early is not None
        and late is not None
        and (early.file, early.line) == (late.file, late.line)
        and all(part.startswith(CONTENT) for found in (one, two) for _, part in found.lost[:1])
    )


def write_up(
    profiles: Sequence[str], settled: Iterable[Settled]
) -> tuple[list[FindingRecord], dict[str, bytes], list[str]]:
    """Write settled causes up.

    Args:
        profiles: Names of all persistence models, in order.
        settled: The causes, in the order to report them.

    Returns:
        The findings, the reproduction file of each by its id, and a line for each cause that did
        not replay.
    """
    findings, repros, unsteady = [], {}, []
    for one in of_one_cause(settled):
        small = one.candidate
        if one.replayed < _REPLAYS:
            unsteady.append(
                f"{small.guarantee}: a violation ({small.kind}, {small.observed}) was seen but "
                f"replayed only {one.replayed} of {_REPLAYS} times: the subject is not "
                "deterministic"
            )
            continue
        findings.append(
            finding_record(small, list(profiles), f"{one.replayed}/{_REPLAYS}", one.fix)
        )
        repros[small.id] = msgspec.json.format(msgspec.json.encode(small.reproduction), indent=2)
    return findings, repros, unsteady
