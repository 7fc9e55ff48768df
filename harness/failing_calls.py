"""Failing calls and full disks, injected into one workload: the guarantee `clean-failure`.

Each call of the run fails with each error that it can really give, or is cut short, and the disk is
shrunk to every size at which the run would be a block or an inode short; each of those is followed
by another failure in each call that the store makes because of it; then power cuts come
(`harness.failing` judges). What one operation does wrong about errors is one cause, shown by the
most telling call: a store that swallows the errors of a save swallows those of each of its calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, TypeAlias

from harness.coverage import Coverage
from harness.diagnose import site_at, site_of
from harness.failing import FailureJudge
from harness.fault_after_kill import AfterKill
from harness.faults import AnyFault, Full, Seen, faults_of
from harness.finding import Candidate, Crash, crash_of, trace_hash
from harness.given import Given, cut_text, give, killed_text
from harness.history import Recording
from harness.image import Image
from harness.injected import Amount, injected_candidate
from harness.live import Faulted, images_of, run_faulted, seen_in
from harness.meter import Meter
from harness.persistence import Model
from harness.power_cuts import Broken
from harness.violation import Violation

__all__ = ["TELLING", "fail_calls", "fail_calls_again"]

_CALLS_ALL: Final = 30
"""Calls of a run up to which each error and length is tried at each; beyond, the telling ones."""

_BLOCK: Final = 4096

TELLING: Final = ("write", "pwrite", "writev", "fsync", "fdatasync", "close", "rename", "open")
"""Calls by which an operation's mistake is shown, best first."""

_AGAIN: Final = 1 << 20
"""Crash states at one moment among which that of a finding is looked for."""


def fail_calls(
    recording: Recording,
    models: tuple[Model, ...],
    amount: Amount,
    coverage: Coverage,
    meter: Meter,
) -> tuple[list[Candidate], int]:
    """Inject failing calls and full disks into one workload.

    Args:
        recording: Its run without faults.
        models: The persistence models.
        amount: How many faults.
        coverage: Filled in.
        meter: Says when to stop.

    Returns:
        The causes found, and how many recoveries were run.
    """
    if amount.leaves_out(recording.workload, drawn=True):
        coverage.left_out = 1
        return [], 0
    coverage.workloads = 1
    given = amount.given("clean-failure")
    coverage.possible = None
    chosen = list(given) or _every(recording, models, amount, coverage)
    after: AfterKill | None = None
    judge = FailureJudge(recording, models, amount.cuts(recording.workload))
    groups: dict[tuple[str, str, str], list[_Case]] = {}
    behind: dict[AnyFault, list[Seen]] = {}

    def strike(one: Given) -> None:
        nonlocal after
        fault = one.call
        assert fault is not None
        for reverts, concerned in _variants(fault, models):
            if one.killed is None:
                run = run_faulted(recording, fault, reverts=reverts)
                broken_by = judge.judge(run, concerned, one.at) if run.fired else iter(())
            else:
                after = after or AfterKill(recording, models, judge.cuts)
                run, shown = after.judge(one.killed, fault, concerned, reverts=reverts)
                broken_by = iter(shown)
            if not run.fired:
                continue
            coverage.faults += 1
            if one.text in coverage.fired:
                coverage.fired[one.text] += 1
            behind.setdefault(fault, run.behind)
            for broken in broken_by:
                entry = run.at[-1] if run.at else ("", 0, "")
                key = broken.violation.kind, entry[0], entry[2]
                groups.setdefault(key, []).append((run, broken, one))

    for one in meter.each(chosen):
        strike(one)
    if not given and amount.pairs(recording.workload):
        pairs = _pairs(behind)
        if coverage.possible is not None:
            coverage.possible += _ways((one.call for one in pairs), models)
        for one in meter.each(pairs):
            strike(one)
    if not given and amount.kills(recording.workload):
        after = AfterKill(recording, models, judge.cuts)
        lives = [
            Given(f"{killed_text(killed)}{fault}", "clean-failure", fault, killed=killed)
            for killed, fault in after.every()
        ]
        if coverage.possible is not None:
            coverage.possible += _ways((one.call for one in lives), models)
        for one in meter.each(lives):
            strike(one)
    coverage.states = coverage.judged = judge.crashes
    coverage.exhaustive = coverage.exhaustive and judge.exhaustive and meter.where is None
    coverage.sampled = int(not coverage.exhaustive)
    return [_failure(recording, group) for group in groups.values()], judge.executed


def _every(
    recording: Recording, models: tuple[Model, ...], amount: Amount, coverage: Coverage
) -> list[Given]:
    seen = seen_in(recording)
    short = amount.few or (not amount.everything and len(seen) > _CALLS_ALL)
    full, whole = _full(recording)
    faults: list[AnyFault] = [fault for one in seen for fault in faults_of(one, short=short)]
    coverage.exhaustive = whole and not short and amount.everything
    coverage.possible = len(full) + _ways((x for one in seen for x in faults_of(one)), models)
    return [Given(str(fault), "clean-failure", fault) for fault in (*faults, *full)]


def _pairs(behind: dict[AnyFault, list[Seen]]) -> list[Given]:
    """Follow each fault by another, in each call that the store makes because of it."""
    return [
        Given(str(pair), "clean-failure", pair)
        for first, calls in behind.items()
        for one in calls
        for then in faults_of(one, short=True)
        for pair in [replace(first, then=then)]
    ]


def fail_calls_again(
    recording: Recording, text: str, model: Model, trace: str
) -> list[Violation] | None:
    """Inject one fault again; None where the store makes other calls than then."""
    given = give(text)
    if given.call is None:
        return None
    judge = FailureJudge(recording, (model,), 0 if given.at is None else _AGAIN)
    reverts = model.failed_fsync == "revert"
    if given.killed is not None:
        after = AfterKill(recording, (model,), judge.cuts)
        run, shown = after.judge(given.killed, given.call, (model,), reverts=reverts)
        if not run.fired or trace_hash(run.records) != trace:
            return None
        return [one.violation for one in shown]
    run = run_faulted(recording, given.call, reverts=reverts)
    if not run.fired or trace_hash(run.records) != trace:
        return None
    return [one.violation for one in judge.judge(run, (model,), given.at)]


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


def _ways(faults: Iterable[AnyFault | None], models: tuple[Model, ...]) -> int:
    """Count faults, a failed sync for each thing that filesystems make of it."""
    return sum(len(list(_variants(fault, models))) for fault in faults if fault is not None)


def _full(recording: Recording) -> tuple[list[AnyFault], bool]:
    """Give the sizes of disk at which the run would be a block, or an inode, short.

    Returns:
        They, and whether they are all: of more than 16 blocks some are left out.
    """
    used = [_usage(image) for image in images_of(recording)]
    # While an operation runs, the old value and the new are both there: twice is enough.
    blocks, inodes = max(one[0] for one in used), max(one[1] for one in used)
    sizes = _ends(used[0][0], 2 * blocks)
    found: list[AnyFault] = [Full(number * _BLOCK, "bytes") for number in sizes]
    found += [Full(number, "inodes") for number in range(used[0][1], inodes + 2)]
    return found, len(sizes) == max(2 * blocks - used[0][0], 0)


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


_Case: TypeAlias = tuple[Faulted, Broken, Given]


def _failure(recording: Recording, group: list[_Case]) -> Candidate:
    """Make one cause of what an operation did wrong, by its most telling case."""

    def telling(case: _Case) -> tuple[int, bool, int]:
        call = case[0].call.split("(")[0]
        place = TELLING.index(call) if call in TELLING else len(TELLING)
        return place, isinstance(case[0].fault, Full), len(case[2].text)

    run, broken, given = min(group, key=telling)
    profiles: dict[str, int] = {}
    for _, one, _ in group:
        for name in one.profiles:
            profiles[name] = profiles.get(name, 0) + 1
    culprit = site_of(broken.blame) if broken.blame is not None else site_at(run.at, run.call)
    crash, lost = Crash(position=2 * run.ended, lost=[]), []
    if broken.explorer is not None and broken.state is not None:
        crash = crash_of(broken.explorer, broken.state, broken.violation.position)
        lost = broken.explorer.lost(broken.state)
    return injected_candidate(
        recording,
        broken.violation,
        culprit,
        profiles,
        broken.profiles[0],
        fault=f"{run.fault}; {cut_text(broken.violation.position)}"
        if broken.during
        else given.text,
        trace=trace_hash(run.records),
        crash=crash,
        lost=lost,
        operation=str(run.events[run.struck].operation),
    )
