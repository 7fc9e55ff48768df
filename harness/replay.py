"""Replaying a finding exactly: the same operations, the same crash, the same losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from harness.chain import chain_again
from harness.chainshrink import chain_near
from harness.cut_after_kill import after_kill
from harness.errors import BaselineError, HarnessError, UsageError
from harness.examination import Examination
from harness.finding import Candidate, Reproduction, image_hash, state_of, trace_hash
from harness.history import record
from harness.injecting import inject_again
from harness.intercept import rerouted
from harness.isolation.again import race_again, race_in
from harness.persistence import Model
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.schedule.fresh import fresh
from harness.subjects import Subject
from harness.unit import Depth, run_unit
from harness.violation import Violation

__all__ = ["ReplayResult", "replay", "replay_times"]

_CHANGED: Final = "the subject has changed"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay came to.

    Attributes:
        outcome: ``reproduced``; ``no longer``: the same workload breaks the promise in this way
            in no crash state any more; ``cannot``: the workload no longer runs on the subject.
        detail: In a sentence.
        exact: Whether the trace was the recorded one, so that the very same state was rebuilt.
    """

    outcome: Literal["reproduced", "no longer", "cannot"]
    detail: str
    exact: bool

    @property
    def exit_code(self) -> int:
        """1 reproduced, 0 no longer, 2 cannot."""
        return {"reproduced": 1, "no longer": 0, "cannot": 2}[self.outcome]


def replay(subject: Subject, reproduction: Reproduction, models: dict[str, Model]) -> ReplayResult:
    """Run one finding again.

    Where the subject makes the same calls as then, exactly the recorded crash state is rebuilt.
    Where it does not, it has changed, and where that state reads well now, so has its recovery: all
    crash states of the same workload are judged then, for a mistake that was only moved.

    Args:
        subject: The store.
        reproduction: The finding.
        models: The persistence models, by name.

    Raises:
        UsageError: The reproduction names a profile there is not.
    """
    model = models.get(reproduction.profile)
    if model is None:
        raise UsageError(f"the reproduction names an unknown profile {reproduction.profile!r}")
    try:
        with rerouted(), quiet(), fresh(subject):
            exact = _exactly(subject, reproduction, model)
            if exact is not None and exact.outcome == "reproduced":
                return exact
            if reproduction.chain is not None and exact is not None:
                near = chain_near(subject, reproduction, model)
                return exact if near is None else _elsewhere(exact, near.observed)
        return _near(subject, reproduction, model, exact)
    except BaselineError as error:
        return ReplayResult("cannot", str(error), exact=False)


def _near(
    subject: Subject, reproduction: Reproduction, model: Model, exact: ReplayResult | None
) -> ReplayResult:
    """Judge all crash states, faults or schedules of the same workload.

    The very state may read well, and the next one to it as badly as ever: what was changed has
    then moved the mistake and not mended it.
    """
    workload = reproduction.workload() if reproduction.race is None else race_in(reproduction)
    result = run_unit(
        subject,
        workload,
        (model,),
        frozenset({reproduction.guarantee}),
        Depth(budget=20_000, mixed=reproduction.kill_at is not None),
        seed=reproduction.seed,
    )
    same = [one for one in result.candidates if _is_same(one, reproduction)]
    if same:
        return _elsewhere(exact, same[0].observed)
    detail = f"{_CHANGED}, and no crash state of this workload breaks it any more"
    if exact is not None:
        detail = f"{exact.detail}, and so is every other of this workload"
    if result.candidates:
        other = result.candidates[0]
        at = "" if other.culprit is None else f" at {other.culprit.file}:{other.culprit.line}"
        detail = (
            f"not as it was; but this workload breaks {other.guarantee} in another way{at}: "
            f"{other.observed}"
        )
    return ReplayResult("no longer", detail, exact=exact is not None)


def _is_same(one: Candidate, reproduction: Reproduction) -> bool:
    """Tell whether a violation is that of a finding: whatever a torn value reads as now."""
    torn = one.identity[2] == "torn" and reproduction.kind != "lost"
    return (one.guarantee, one.key) == (reproduction.guarantee, reproduction.key) and (
        one.kind == reproduction.kind or torn
    )


def _elsewhere(exact: ReplayResult | None, observed: str) -> ReplayResult:
    if exact is None:
        return ReplayResult("reproduced", f"{_CHANGED}, and still: {observed}", exact=False)
    return ReplayResult(
        "reproduced", f"not in the very same state, but in one close by: {observed}", exact=False
    )


def replay_times(
    subject: Subject, reproduction: Reproduction, models: dict[str, Model], times: int
) -> int:
    """Count how many of several exact replays show the finding again."""
    model = models[reproduction.profile]
    count = 0
    with rerouted(), quiet(), fresh(subject):
        for _ in range(times):
            try:
                result = _exactly(subject, reproduction, model)
            except HarnessError:
                continue
            count += result is not None and result.exact and result.outcome == "reproduced"
    return count


def _exactly(subject: Subject, reproduction: Reproduction, model: Model) -> ReplayResult | None:
    """Rebuild the very state; None if the subject makes other calls than it did."""
    workload = reproduction.workload()
    if reproduction.chain is not None:
        found, same = chain_again(subject, reproduction, model)
        result = _compare(reproduction, found)
        # A chain that other calls make another one is a weaker proof, but the only one there is.
        return (
            result
            if same
            else ReplayResult(result.outcome, f"{_CHANGED}: {result.detail}", exact=False)
        )
    if reproduction.race is not None:
        durable = subject.sync is None and subject.claims("durability")
        raced = race_again(subject, reproduction, model, durable=durable)
        return None if raced is None else _compare(reproduction, raced)
    recording = record(subject, workload, seed=reproduction.seed)
    if reproduction.fault is not None or reproduction.rot is not None:
        injected = inject_again(recording, reproduction, model)
        return None if injected is None else _compare(reproduction, injected)
    prober = Prober(
        subject,
        workload.keys,
        seed=reproduction.seed,
        follow=reproduction.guarantee == "recovery",
        writes=follow_values(subject, workload),
    )
    examination: Examination | None = Examination(
        recording, model, recording.records, recording.events, prober
    )
    assert examination is not None
    if reproduction.kill_at is not None:
        examination = after_kill(examination, reproduction.kill_at)
    if examination is None or trace_hash(examination.records) != reproduction.trace:
        return None
    crash = reproduction.crash
    state = state_of(examination.explorer, crash)
    if state is None:
        return None
    explorer, final = examination.explorer, state
    observation = examination.observe(state)
    violations = list(examination.violations(state, observation))
    if reproduction.second is not None:
        explorer = examination.nested_explorer(state)
        inner = state_of(explorer, reproduction.second)
        if inner is None:
            return None
        final = inner
        violations = list(examination.nested_violations(state, explorer.image(inner)))
    image = explorer.image(final)
    if image_hash(image.files(), image.dirs(), image.symlinks()) != reproduction.image:
        return None
    return _compare(reproduction, violations)


def _compare(reproduction: Reproduction, violations: list[Violation]) -> ReplayResult:
    same = [
        one.observed
        for one in violations
        if (one.guarantee, one.kind, one.key)
        == (reproduction.guarantee, reproduction.kind, reproduction.key)
    ]
    if same:
        # Several writers may each see something go wrong in the same way.
        known = reproduction.observed in same
        return ReplayResult("reproduced", reproduction.observed if known else same[0], exact=True)
    return ReplayResult("no longer", "the same crash state is read well now", exact=True)
