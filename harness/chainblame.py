"""From a broken chain of faults to a cause: the line to blame, and plain data that replays.

The last life is lived again and again, killed one change later each time, until a copy of the disk
reads wrong: that change is the culprit. Where it takes a power cut, the first lost effect is.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness import __version__
from harness.chain import chain_of, is_effective, trace_of, walk
from harness.chainlife import Lived
from harness.diagnose import Site, site_of
from harness.finding import Candidate, Crash, Life, Reproduction, operations_of, trace_hash
from harness.ops import Workload
from harness.persistence import Model
from harness.subjects import Subject
from harness.violation import Violation

__all__ = ["blamed"]


def blamed(
    subject: Subject,
    workload: Workload,
    lives: Sequence[Life],
    model: Model,
    violation: Violation,
    *,
    seed: int,
    profiles: Sequence[str] = (),
) -> Candidate:
    """Make a cause of a chain that ended broken.

    Args:
        subject: The store.
        workload: Of the first life.
        lives: The chain, every choice in it made.
        model: What its power cuts lose.
        violation: How it ended.
        seed: Of the simulated machines.
        profiles: All persistence models asked for: without a power cut, each shows it.
    """
    culprit = _culprit(subject, workload, lives, model, violation, seed)
    chain = chain_of(subject, workload, model, seed=seed)
    walk(chain, lives)
    last = lives[-1]
    cut = any(life.cut is not None for life in lives)
    names = [model.name] if cut or not profiles else list(profiles)
    return Candidate(
        guarantee=violation.guarantee,
        kind=violation.kind,
        severity=violation.severity,
        culprit=culprit,
        missing=None,
        cause="exposed",
        reproduction=Reproduction(
            version=__version__,
            subject=subject.name,
            seed=seed,
            guarantee=violation.guarantee,
            kind=violation.kind,
            key=violation.key,
            profile=model.name,
            operations=operations_of(workload),
            kill_at=None,
            crash=Crash(position=0, lost=[]),
            second=None,
            trace=trace_hash(trace_of(chain)),
            image="",
            observed=violation.observed,
            chain=list(lives),
        ),
        observed=violation.observed,
        allowed=violation.allowed,
        key=violation.key,
        operation="",
        in_flight=False,
        lost=[] if last.cut is None else list(last.cut.lost),
        after=len(chain.lived[-1].records),
        workload=workload.name,
        profiles=dict.fromkeys(names, 1),
        lived=tuple(len(one.records) for one in chain.lived),
    )


def _culprit(
    subject: Subject,
    workload: Workload,
    lives: Sequence[Life],
    model: Model,
    violation: Violation,
    seed: int,
) -> Site | None:
    def again(last: Life) -> tuple[list[Violation], list[Site | None]]:
        chain = chain_of(subject, workload, model, seed=seed, lines=True)
        found = walk(chain, [*lives[:-1], last]) or []
        return found, [site_of(one) for one in trace_of(chain)]

    # Every change of the last life in turn: the first after which a copy reads wrong.
    last = lives[-1]
    probe = chain_of(subject, workload, model, seed=seed)
    walk(probe, lives)
    changes = probe.lived[-1].changes
    ends = [*changes[1:], None if last.kill is None else last.kill] if changes else [last.kill]
    for end in ends:
        kill = end if end is not None else last.kill
        found, sites = again(msgspec.structs.replace(last, kill=kill, cut=None))
        if any(one.guarantee == violation.guarantee for one in found):
            return sites[-1] if sites else None
    _, sites = again(msgspec.structs.replace(last, cut=None))
    if last.cut is not None and last.cut.lost:
        number = last.cut.lost[0][0]
        joined = _joined(lives, probe.lived)
        if 0 < number <= len(joined):
            return sites[joined[number - 1]]
    return sites[-1] if sites else None


def _joined(lives: Sequence[Life], lived: Sequence[Lived]) -> list[int]:
    """Number, in the whole trace, each record since the last power cut but one."""
    numbers: list[int] = []
    following = 0
    for position, (life, one) in enumerate(zip(lives, lived, strict=True)):
        for record in one.records:
            if is_effective(record):
                numbers.append(following)
            following += 1
        if life.cut is not None and position < len(lives) - 1:
            numbers = []
    return numbers
