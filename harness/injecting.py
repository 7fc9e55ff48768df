"""Every other fault of a unit of work: failing calls, full disks, rot, repetition.

One recorded workload is run again with each fault (`harness.live`, `harness.hygiene`) or its disk
is damaged (`harness.rot`), and what was seen becomes causes like those that crashes show. What does
not depend on the filesystem is done once and stands for every profile.

What one operation does wrong about errors is one cause, shown by the most telling call: a store
that swallows the errors of a save swallows those of each of its calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from harness import __version__
from harness.diagnose import Site, site_at, site_of
from harness.errors import SimulationError
from harness.examine import Coverage
from harness.failing import Broken, FailureJudge
from harness.faults import AnyFault, Full, faults_of, parse
from harness.finding import (
    Candidate,
    Crash,
    Reproduction,
    crash_of,
    merge,
    operations_of,
    trace_hash,
)
from harness.history import Recording
from harness.hygiene import judge_repeated, parse_repeated, repetitions
from harness.image import Image
from harness.live import Faulted, images_of, run_faulted, seen_in
from harness.oracle import INJECTED, Violation
from harness.persistence import Model
from harness.rot import damages, judge_damage, parse_damage, reader_of, stored

__all__ = ["Injected", "inject", "inject_again"]

_CALLS_ALL: Final = 30
"""Calls of a run up to which each error and length is tried at each; beyond, the telling ones."""

_STORED_MAX: Final = 2600
"""Bytes a workload leaves, up to which they are damaged at default effort."""

_BLOCK: Final = 4096

_TELLING: Final = ("write", "pwrite", "writev", "fsync", "fdatasync", "close", "rename", "open")
"""Calls by which an operation's mistake is shown, best first."""


@dataclass(slots=True)
class Injected:
    """What came of the faults.

    Attributes:
        coverage: For each guarantee.
        candidates: Causes, each once.
        executed: Recoveries run.
        errors: For each guarantee that could not be judged, why.
    """

    coverage: dict[str, Coverage] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    executed: int = 0
    errors: dict[str, str] = field(default_factory=dict)


def inject(
    recording: Recording, models: tuple[Model, ...], guarantees: frozenset[str], faults: int
) -> Injected:
    """Inject every fault into one workload.

    Args:
        recording: Its run without any.
        models: The persistence models.
        guarantees: Which promises to judge.
        faults: How much: damages of a kind to a file at most, and below 500 only a few of the
            workloads and of the failing calls.
    """
    result = Injected()
    parts: dict[str, Callable[[Coverage], list[Candidate]]] = {
        "clean-failure": lambda coverage: _failing(recording, models, faults, coverage, result),
        "integrity": lambda coverage: _rot(recording, models, faults, coverage, result),
        "hygiene": lambda coverage: _repeated(recording, models, faults, coverage, result),
    }
    assert tuple(parts) == INJECTED
    for guarantee, part in parts.items():
        if guarantee not in guarantees:
            continue
        coverage = result.coverage[guarantee] = Coverage()
        try:
            result.candidates += part(coverage)
        except SimulationError as error:
            result.errors[guarantee] = " ".join(str(error).split())
    return result


def inject_again(
    recording: Recording, reproduction: Reproduction, model: Model
) -> list[Violation] | None:
    """Inject the one fault of a finding; None where the store makes other calls than then."""
    if reproduction.rot is not None:
        left = stored(recording)
        damage = parse_damage(reproduction.rot)
        if trace_hash(recording.records) != reproduction.trace:
            return None
        return list(judge_damage(recording, left, damage))
    text = reproduction.fault or ""
    if reproduction.guarantee == "hygiene":
        if trace_hash(recording.records) != reproduction.trace:
            return None
        return [leak.violation for leak in judge_repeated(recording, parse_repeated(text))]
    run = run_faulted(recording, parse(text), reverts=model.failed_fsync == "revert")
    if not run.fired or trace_hash(run.records) != reproduction.trace:
        return None
    return [one.violation for one in FailureJudge(recording, (model,)).judge(run, (model,))]


# -- failing calls and full disks -------------------------------------------------------------


def _failing(
    recording: Recording,
    models: tuple[Model, ...],
    faults: int,
    coverage: Coverage,
    result: Injected,
) -> list[Candidate]:
    seen = seen_in(recording)
    few = faults < _FEW
    if (few and recording.workload.name not in _FEW_WORKLOADS) or (
        faults < _MANY and recording.workload.name.startswith("drawn-")
    ):
        return []
    short = few or (faults < _MANY and len(seen) > _CALLS_ALL)
    chosen: list[AnyFault] = [fault for one in seen for fault in faults_of(one, short=short)]
    full = _full(recording)
    chosen += full
    judge = FailureJudge(recording, models)
    groups: dict[tuple[str, str, str], list[tuple[Faulted, Broken]]] = {}
    coverage.workloads = 1
    coverage.exhaustive = not short
    coverage.sampled = int(short)
    coverage.possible = len(full) + sum(len(faults_of(one)) for one in seen)
    for fault in chosen:
        for reverts, concerned in _variants(fault, models):
            run = run_faulted(recording, fault, reverts=reverts)
            if not run.fired:
                continue
            coverage.faults += 1
            for broken in judge.judge(run, concerned):
                entry = run.at[-1] if run.at else ("", 0, "")
                key = broken.violation.kind, entry[0], entry[2]
                groups.setdefault(key, []).append((run, broken))
    coverage.states = coverage.judged = judge.crashes
    result.executed += judge.executed
    return [_failure(recording, group) for group in groups.values()]


_FEW: Final = 200
_MANY: Final = 2000
_FEW_WORKLOADS: Final = ("overwrite", "delete", "replay", "shrunk")


def _variants(
    fault: AnyFault, models: tuple[Model, ...]
) -> Iterator[tuple[bool, tuple[Model, ...]]]:
    """A failed fsync leaves the memory as it is, or takes it back: by the filesystem."""
    if isinstance(fault, Full) or fault.call not in ("fsync", "fdatasync"):
        yield False, models
        return
    for reverts in (False, True):
        concerned = tuple(model for model in models if (model.failed_fsync == "revert") is reverts)
        if concerned:
            yield reverts, concerned


def _full(recording: Recording) -> list[AnyFault]:
    """Every size of disk at which the run would be a block, or an inode, short."""
    used = [_usage(image) for image in images_of(recording)]
    # While an operation runs, the old value and the new are both there: twice is enough.
    blocks, inodes = max(one[0] for one in used), max(one[1] for one in used)
    found: list[AnyFault] = [
        Full(number * _BLOCK, "bytes") for number in _ends(used[0][0], 2 * blocks)
    ]
    found += [Full(number, "inodes") for number in range(used[0][1], inodes + 2)]
    return found


_ENDS: Final = 4


def _ends(first: int, last: int) -> list[int]:
    """Every number from first to last, or, where they are many, those near both ends and a few."""
    if last - first <= 4 * _ENDS:
        return list(range(first, last))
    step = (last - first) // _ENDS
    return sorted({*range(first, first + _ENDS), *range(first, last, step), last - 1})


def _usage(image: Image) -> tuple[int, int]:
    blocks = sum(-(-len(content) // _BLOCK) for content in image.contents.values())
    inodes = len(image.contents) + len(image.directories) + len(image.targets)
    return blocks, inodes


def _failure(recording: Recording, group: list[tuple[Faulted, Broken]]) -> Candidate:
    """Make one cause of what an operation did wrong, by its most telling case."""

    def telling(case: tuple[Faulted, Broken]) -> tuple[int, bool, int]:
        call = case[0].call.split("(")[0]
        place = _TELLING.index(call) if call in _TELLING else len(_TELLING)
        return place, isinstance(case[0].fault, Full), len(str(case[0].fault))

    run, broken = min(group, key=telling)
    profiles: dict[str, int] = {}
    for _, one in group:
        for name in one.profiles:
            profiles[name] = profiles.get(name, 0) + 1
    culprit = site_of(broken.blame) if broken.blame is not None else site_at(run.at, run.call)
    crash, lost = Crash(position=2 * run.ended, lost=[]), []
    if broken.explorer is not None and broken.state is not None:
        crash = crash_of(broken.explorer, broken.state, broken.violation.position)
        lost = broken.explorer.lost(broken.state)
    return _candidate(
        recording,
        broken.violation,
        culprit,
        profiles,
        broken.profiles[0],
        fault=str(run.fault),
        trace=trace_hash(run.records),
        crash=crash,
        lost=lost,
        operation=str(run.events[run.struck].operation),
    )


# -- rot and repetition -----------------------------------------------------------------------


def _rot(
    recording: Recording,
    models: tuple[Model, ...],
    faults: int,
    coverage: Coverage,
    result: Injected,
) -> list[Candidate]:
    if faults < _FEW and recording.workload.name not in _FEW_WORKLOADS:
        return []
    left = stored(recording)
    size = sum(map(len, left.files.values()))
    if faults < _MANY and (size > _STORED_MAX or recording.workload.name.startswith("drawn-")):
        return []
    chosen, coverage.possible = damages(left, faults)
    coverage.workloads = 1
    coverage.exhaustive = len(chosen) == coverage.possible
    coverage.sampled = int(not coverage.exhaustive)
    names = dict.fromkeys((model.name for model in models), 1)
    found: list[Candidate] = []
    counts: dict[str, Candidate] = {}
    for damage in chosen:
        coverage.faults += 1
        for violation in judge_damage(recording, left, damage):
            known = counts.get(violation.kind)
            if known is not None:
                known.profiles = {name: count + 1 for name, count in known.profiles.items()}
                continue
            at, call = reader_of(recording, left, damage, violation.key)
            one = _candidate(
                recording,
                violation,
                site_at(at, call),
                dict(names),
                models[0].name,
                rot=str(damage),
                trace=trace_hash(recording.records),
            )
            counts[violation.kind] = one
            found.append(one)
    coverage.states = coverage.judged = coverage.faults
    result.executed += coverage.faults
    return found


def _repeated(
    recording: Recording,
    models: tuple[Model, ...],
    faults: int,
    coverage: Coverage,
    result: Injected,
) -> list[Candidate]:
    if faults < _FEW and recording.workload.name not in _FEW_WORKLOADS:
        return []
    found: list[Candidate] = []
    coverage.workloads = 1
    for repeated in repetitions(recording, short=faults < _MANY):
        coverage.faults += 1
        for leak in judge_repeated(recording, repeated):
            one = _candidate(
                recording,
                leak.violation,
                site_at(leak.at, leak.call),
                dict.fromkeys((model.name for model in models), 1),
                models[0].name,
                fault=str(repeated),
                trace=trace_hash(recording.records),
                operation=str(recording.workload.operations[repeated.operation]),
            )
            found = merge(found, [one])
    coverage.states = coverage.possible = coverage.judged = coverage.faults
    result.executed += coverage.faults
    return found


def _candidate(
    recording: Recording,
    violation: Violation,
    culprit: Site | None,
    profiles: dict[str, int],
    profile: str,
    *,
    trace: str,
    fault: str | None = None,
    rot: str | None = None,
    crash: Crash | None = None,
    lost: list[tuple[int, str]] | None = None,
    operation: str = "",
) -> Candidate:
    return Candidate(
        guarantee=violation.guarantee,
        kind=violation.kind,
        severity=violation.severity,
        culprit=culprit,
        missing=None,
        cause="failed" if rot is None else "rotten",
        reproduction=Reproduction(
            version=__version__,
            subject=recording.subject.name,
            seed=recording.seed,
            guarantee=violation.guarantee,
            kind=violation.kind,
            key=violation.key,
            profile=profile,
            operations=operations_of(recording.workload),
            kill_at=None,
            crash=crash or Crash(position=0, lost=[]),
            second=None,
            trace=trace,
            image="",
            observed=violation.observed,
            fault=fault,
            rot=rot,
        ),
        observed=violation.observed,
        allowed=violation.allowed,
        key=violation.key,
        operation=operation,
        in_flight=False,
        lost=lost or [],
        after=violation.position // 2,
        workload=recording.workload.name,
        profiles=profiles,
        workloads=[recording.workload.name],
    )
