"""Every other fault of a unit of work: failing calls, full disks, rot, repetition.

One recorded workload is run again with each fault (`harness.failing_calls`, `harness.hygiene`), its
disk is damaged (`harness.rot`), or a fault strikes the recovery from each of its crashes
(`harness.fault_in_recovery`), and what was seen becomes causes like those that crashes show. What
does not depend on the filesystem is done once and stands for every profile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.coverage import Coverage
from harness.diagnose import site_at
from harness.errors import SimulationError
from harness.failing_calls import fail_calls, fail_calls_again
from harness.fault_in_recovery import RecoveryFaults, Struck
from harness.finding import Candidate, Reproduction, crash_of, image_hash, merge, trace_hash
from harness.given import cut_text, give
from harness.guarantees import INJECTED
from harness.history import Recording
from harness.hygiene import judge_repeated, parse_repeated, repetitions
from harness.injected import Amount, injected_candidate
from harness.meter import Meter
from harness.persistence import Model
from harness.repeating import words_of
from harness.rot import damages, judge_damage, parse_damage, reader_of, stored
from harness.violation import Violation

__all__ = ["Injected", "inject", "inject_again", "inject_in_recovery"]


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
    recording: Recording,
    models: tuple[Model, ...],
    guarantees: frozenset[str],
    amount: Amount,
    meter: Meter | None = None,
) -> Injected:
    """Inject every fault into one workload.

    Args:
        recording: Its run without any.
        models: The persistence models.
        guarantees: Which promises to judge.
        amount: How many faults.
        meter: Says when to stop; what was found by then is in the result.
    """
    result, meter = Injected(), meter or Meter()
    parts: dict[str, Callable[[Coverage], tuple[list[Candidate], int]]] = {
        "clean-failure": lambda coverage: fail_calls(recording, models, amount, coverage, meter),
        "integrity": lambda coverage: _rot(recording, models, amount, coverage, meter),
        "hygiene": lambda coverage: _repeated(recording, models, amount, coverage, meter),
    }
    assert tuple(parts) == INJECTED
    for guarantee, part in parts.items():
        if guarantee not in guarantees:
            continue
        coverage = result.coverage[guarantee] = Coverage()
        coverage.fired = dict.fromkeys((one.text for one in amount.given(guarantee)), 0)
        try:
            found, executed = part(coverage)
        except SimulationError as error:
            result.errors[guarantee] = " ".join(str(error).split())
        else:
            result.candidates += found
            result.executed += executed
    return result


def inject_again(
    recording: Recording, reproduction: Reproduction, model: Model
) -> list[Violation] | None:
    """Inject the one fault of a finding; None where the store makes other calls than then."""
    text = reproduction.fault or ""
    if reproduction.rot is None and reproduction.guarantee not in ("hygiene", "recovery"):
        return fail_calls_again(recording, text, model, reproduction.trace)
    if trace_hash(recording.records) != reproduction.trace:
        return None
    if reproduction.rot is not None:
        return list(judge_damage(recording, stored(recording), parse_damage(reproduction.rot)))
    if reproduction.guarantee == "hygiene":
        leaks = judge_repeated(recording, parse_repeated(text), (model,))
        return [leak.violation for leak in leaks]
    return _in_recovery_again(recording, text, model, reproduction.image)


# -- rot and repetition -----------------------------------------------------------------------


def _rot(
    recording: Recording,
    models: tuple[Model, ...],
    amount: Amount,
    coverage: Coverage,
    meter: Meter,
) -> tuple[list[Candidate], int]:
    if amount.leaves_out(recording.workload):
        coverage.left_out = 1
        return [], 0
    left = stored(recording)
    size = sum(map(len, left.files.values()))
    coverage.workloads = 1
    given = [one.damage for one in amount.given("integrity") if one.damage is not None]
    if given:
        chosen = [one for one in given if one.strikes(left)]
        coverage.possible = len(chosen)
    else:
        chosen, coverage.possible = damages(left, amount.damages(recording.workload, size))
    coverage.exhaustive = len(chosen) == coverage.possible
    coverage.sampled = int(not coverage.exhaustive)
    names = dict.fromkeys((model.name for model in models), 1)
    found: list[Candidate] = []
    counts: dict[str, Candidate] = {}
    for damage in meter.each(chosen):
        coverage.faults += 1
        if str(damage) in coverage.fired:
            coverage.fired[str(damage)] += 1
        for violation in judge_damage(recording, left, damage):
            known = counts.get(violation.kind)
            if known is not None:
                known.profiles = {name: count + 1 for name, count in known.profiles.items()}
                continue
            at, call = reader_of(recording, left, damage, violation.key)
            one = injected_candidate(
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
    coverage.exhaustive = coverage.exhaustive and meter.where is None
    return found, coverage.faults


def _repeated(
    recording: Recording,
    models: tuple[Model, ...],
    amount: Amount,
    coverage: Coverage,
    meter: Meter,
) -> tuple[list[Candidate], int]:
    if amount.leaves_out(recording.workload):
        coverage.left_out = 1
        return [], 0
    found: list[Candidate] = []
    coverage.workloads = 1
    given = [one.repeated for one in amount.given("hygiene") if one.repeated is not None]
    short = amount.short_hygiene(recording.workload)
    every = repetitions(recording, short=short)
    chosen = [one for one in given if one.strikes(recording)] if given else every
    coverage.exhaustive = not short
    coverage.sampled = int(short)
    for repeated in meter.each(chosen):
        coverage.faults += 1
        if str(repeated) in coverage.fired:
            coverage.fired[str(repeated)] += 1
        for leak in judge_repeated(recording, repeated, models):
            names = leak.profiles or tuple(model.name for model in models)
            one = injected_candidate(
                recording,
                leak.violation,
                site_at(leak.at, leak.call),
                dict.fromkeys(names, 1),
                names[0],
                fault=str(repeated),
                trace=trace_hash(recording.records),
                operation=words_of(recording, repeated.operation),
            )
            found = merge(found, [one])
    coverage.states = coverage.judged = coverage.faults
    coverage.exhaustive = coverage.exhaustive and meter.where is None
    coverage.possible = coverage.faults if coverage.exhaustive else None
    return found, coverage.faults


# -- a crash, and a fault in the recovery from it ---------------------------------------------


def inject_in_recovery(
    recording: Recording,
    models: tuple[Model, ...],
    amount: Amount,
    coverage: dict[str, Coverage],
    meter: Meter | None = None,
) -> Injected:
    """Crash everywhere, and inject each fault into the recovery from that.

    Args:
        recording: The workload's run without faults.
        models: The persistence models.
        amount: How many faults, and of which crash states.
        coverage: For each model, added to.
        meter: Says when to stop; what was found by then is in the result.
    """
    result, meter = Injected(), meter or Meter()
    given = amount.given("recovery")
    budget = amount.recoveries(recording.workload)
    if not budget:
        for part in coverage.values():
            part.left_out += 1
        return result
    if not given:
        faults = RecoveryFaults(recording, short=amount.short_recovery(recording.workload))
        for model in models:
            struck = faults.judge(model, budget, coverage[model.name], meter=meter)
            result.candidates += _in_recovery(recording, faults, model, struck)
        result.executed = faults.executed
        return result
    for one in given:
        assert one.call is not None
        faults = RecoveryFaults(recording, short=False, only=(one.call,))
        for model in models:
            known = coverage[model.name]
            before = known.in_recovery
            struck = faults.judge(model, budget, known, one.at, meter=meter)
            result.candidates += _in_recovery(recording, faults, model, struck)
            known.fired[one.text] = known.fired.get(one.text, 0) + known.in_recovery - before
            known.states += known.in_recovery - before
            known.faults += known.in_recovery - before
            known.possible, known.exhaustive = None, known.in_recovery_exhaustive
        result.executed += faults.executed
    return result


def _in_recovery(
    recording: Recording, faults: RecoveryFaults, model: Model, struck: Iterator[Struck]
) -> list[Candidate]:
    """Make causes of what faults in recoveries have shown, the first case of each kind each."""
    found: dict[tuple[str, str], Candidate] = {}
    for one in struck:
        violation, run = one.violation, one.run
        key = violation.kind, run.call
        if key in found:
            found[key].profiles[model.name] += 1
            continue
        view = one.explorer.image(one.state)
        traced = faults.traced(view, run.fault)
        crash = crash_of(one.explorer, one.state, violation.position)
        found[key] = injected_candidate(
            recording,
            violation,
            site_at(traced.at, traced.call),
            {model.name: 1},
            model.name,
            fault=f"{cut_text(violation.position)}; in recovery: {run.fault}",
            trace=trace_hash(recording.records),
            crash=crash,
            lost=one.explorer.lost(one.state),
            operation="open",
            image=image_hash(view.files(), view.dirs(), view.symlinks()),
        )
    return merge([], list(found.values()))


def _in_recovery_again(
    recording: Recording, text: str, model: Model, image: str
) -> list[Violation] | None:
    given = give(text)
    if given.call is None:
        return None
    faults = RecoveryFaults(recording, short=False, only=(given.call,))
    found = []
    for one in faults.judge(model, _AGAIN, Coverage(), given.at):
        left = one.explorer.image(one.state)
        if image_hash(left.files(), left.dirs(), left.symlinks()) == image:
            found.append(one.violation)
    return found


_AGAIN = 1 << 20
"""Crash states at one moment among which that of a finding is looked for."""
