"""What there is to show of a chain of faults: an act for each life, with how it ended."""

from __future__ import annotations

from harness.chain import Chain, chain_of
from harness.chainlife import Lived
from harness.diagnose import Sites
from harness.explore import CrashState, Explorer
from harness.fates import fates_of, step_of
from harness.finding import Crash, Life, Reproduction, state_of
from harness.persistence import Model
from harness.report import FindingRecord
from harness.scene import Act, Exhibit, Fate, Span, disk_rows, excerpts_of
from harness.subjects import Subject
from harness.trace import Record

__all__ = ["chained"]

_Fates = dict[int, tuple[Fate, tuple[str, ...]]]


def chained(
    subject: Subject, reproduction: Reproduction, model: Model, finding: FindingRecord
) -> Exhibit | None:
    """Live a chain again, and write each life down.

    Args:
        subject: The store.
        reproduction: The finding's.
        model: The persistence model.
        finding: The finding itself: its culprit is marked.

    Returns:
        None where a power cut of it is not possible any more.
    """
    lives = reproduction.chain or []
    workload = reproduction.workload()
    chain = chain_of(subject, workload, model, seed=reproduction.seed, lines=True)
    before, running = chain.image, chain.image
    lived: list[Lived] = []
    fates: _Fates = {}
    for number, life in enumerate(lives):
        if number == len(lives) - 1:
            before = chain.image
        lived.append(chain.live(life))
        running = chain.image
        if life.cut is not None:
            explorer = chain.explorer()
            state = state_of(explorer, life.cut)
            if state is None:
                return None
            fates |= _cut(chain, explorer, state, life.cut)
            chain.cut(explorer, state)
    records = [record for one in lived for record in one.records]
    sites = Sites(records)
    acts = [
        _act(number, life, one, fates, finding, sites, model.name)
        for number, (life, one) in enumerate(zip(lives, lived, strict=True), 1)
    ]
    return Exhibit(
        tuple(acts),
        disk_rows(before, running, chain.image),
        (
            "before the last process",
            "as it saw the disk",
            "after the power cut" if lives and lives[-1].cut is not None else "when it ended",
        ),
        excerpts_of(acts[-1:], finding.culprit),
    )


def _cut(chain: Chain, explorer: Explorer, state: CrashState, cut: Crash) -> _Fates:
    """Tell, by the identity of each record, what the power cut left of it."""
    numbered = fates_of(explorer, state, cut)
    return {id(one): numbered[number] for number, one in enumerate(chain.joined, 1)}


def _act(
    number: int,
    life: Life,
    lived: Lived,
    fates: _Fates,
    finding: FindingRecord,
    sites: Sites,
    profile: str,
) -> Act:
    def fate(record: Record) -> tuple[Fate, tuple[str, ...]]:
        if record.error is not None:
            return "failed", ()
        return fates.get(id(record), ("ran", ()))

    steps = tuple(
        step_of(place, one, *fate(one), finding.culprit, sites)
        for place, one in enumerate(lived.records, 1)
    )
    spans = tuple(
        Span(str(operation), begun + 1, ended, "returned" if returned else "in flight")
        for operation, begun, ended, returned in lived.did
        if ended > begun or operation.kind not in ("open", "close")
    )
    given = [one for one in (life.room, life.fault) if one is not None]
    title = f"Process {number}" + (f", with {' and '.join(given)}" if given else "")
    ending = "process killed" if lived.killed else "process ends"
    if life.cut is not None:
        ending += f", and the power goes ({profile})"
    return Act(
        title=title,
        spans=spans,
        steps=steps,
        crash_after=len(steps) if lived.killed or life.cut is not None else None,
        in_call=False,
        killed_after=None,
        ending=ending,
    )
