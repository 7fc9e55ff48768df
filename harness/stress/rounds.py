"""One round: a plan carried out, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

from harness.coverage import Coverage
from harness.errors import BaselineError, SimulationError
from harness.finding import Candidate
from harness.guarantees import INJECTED, RACED
from harness.history import Recording, record
from harness.intercept import rerouted
from harness.persistence import Model
from harness.quiet import quiet
from harness.stress.chains import draw_chains
from harness.stress.plans import RacePlan, RoundPlan, plan_id, workload_of
from harness.stress.records import Breakdown, RoundRecord, Stress, Tried
from harness.stress.signs import broke_sign, found_sign, hashed
from harness.stress.writers import put_on
from harness.unit import Depth, run_unit
from harness.verdicts import exercised

__all__ = ["run_plan", "run_round", "try_plan"]

_FAULTS: dict[str, tuple[str, int]] = {
    # Guarantee, and how many faults: see `harness.injecting.inject`.
    "faults": ("clean-failure", 1000),
    "rot": ("integrity", 300),
    "repetition": ("hygiene", 1000),
}

_COMPOUND_FAULTS = 300
_COMPOUND_STATES = 20


def run_round(stress: Stress, key: str, keep: Callable[[int, Candidate], None]) -> RoundRecord:
    """Carry out a round.

    Args:
        stress: The run.
        key: Of the round.
        keep: Told each cause the moment it is found, with the round's place among all.

    Returns:
        What came of it; the journal's line.
    """
    order = stress.order(key)
    return run_plan(stress, key, stress.drawn(key), lambda one: keep(order, one))


def run_plan(
    stress: Stress, key: str, plan: RoundPlan, keep: Callable[[Candidate], None]
) -> RoundRecord:
    """Carry out a plan, whether it is one of the run's rounds or not.

    Args:
        stress: The run.
        key: What the result calls it.
        plan: The plan.
        keep: Told each cause the moment it is found.
    """
    started = time.process_time()
    result = RoundRecord(key=key, plan=plan_id(plan), features=list(plan.features))
    _carried_out(stress, plan, result, keep)
    result.seconds = round(time.process_time() - started, 3)
    return result


def try_plan(stress: Stress, plan: RoundPlan) -> Tried:
    """Carry out a plan to see whether it sees what another one did."""
    result = RoundRecord(key="", plan="", features=[])
    round_ = _carried_out(stress, plan, result, lambda _: None)
    return Tried(
        result.signs,
        sorted(result.found),
        sorted(map(hashed, round_.signs)),
        _each(round_.chains),
        _each(round_.orders),
    )


def _each(seen: dict[int, set[str]]) -> dict[int, list[int]]:
    return {number: sorted(map(hashed, signs)) for number, signs in sorted(seen.items())}


def _carried_out(
    stress: Stress, plan: RoundPlan, result: RoundRecord, keep: Callable[[Candidate], None]
) -> _Round:
    round_ = _Round(stress, plan, result, keep)
    try:
        with rerouted():
            round_.run()
    except BaselineError as error:
        result.broke = Breakdown(_kind(error), str(error), "1/1")
        round_.signs.add(broke_sign(result.broke.kind))
    seen = round_.signs.union(*round_.chains.values(), *round_.orders.values())
    result.signs = sorted(map(hashed, seen))
    return round_


def _kind(error: BaselineError) -> str:
    """Tell, of a store that failed without any fault, how."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return "memory"
        cause = cause.__cause__
    text = str(error)
    if "it never returned" in text:
        return "hang"
    return "exit" if "os._exit" in text or "SystemExit" in text else "baseline"


class _Round:
    def __init__(
        self,
        stress: Stress,
        plan: RoundPlan,
        result: RoundRecord,
        keep: Callable[[Candidate], None],
    ) -> None:
        self.signs: set[str] = set()
        self.chains: dict[int, set[str]] = {}
        self.orders: dict[int, set[str]] = {}
        self._stress = stress
        self._plan = plan
        self._result = result
        self._keep = keep
        self._judged = frozenset(stress.judged)
        by_name = {model.name: model for model in stress.plan.models}
        self._models = tuple(by_name[name] for name in plan.profiles if name in by_name)

    def run(self) -> None:
        plan, subject = self._plan, self._stress.plan.loaded
        workload = workload_of(plan, self._stress.values)
        features = frozenset(plan.features)
        with quiet():
            recording = record(subject, workload, seed=plan.seed)
        self._calls(recording)
        if "crash" in features:
            depth = Depth(
                budget=plan.budget,
                mixed="mixed" in features,
                faults=_COMPOUND_FAULTS,
                compound=_COMPOUND_STATES if "compound" in features else 0,
            )
            self._unit(recording, self._judged - set(INJECTED) - {RACED}, depth)
        for feature, (guarantee, faults) in _FAULTS.items():
            if feature in features and guarantee in self._judged:
                compound = _COMPOUND_STATES if "compound" in features else 0
                depth = Depth(budget=plan.budget, mixed=False, faults=faults, compound=compound)
                self._unit(recording, frozenset({guarantee}), depth)
        if plan.drawn_chains:
            self._chains(recording, features)
        if isinstance(plan.race, RacePlan) and RACED in self._judged:
            self._race()

    def _calls(self, recording: Recording) -> None:
        kinds = [type(one).__name__ for one in recording.records if type(one).__name__ != "Mark"]
        self.signs |= {f"calls:{first}>{then}" for first, then in pairwise(kinds)}

    def _unit(self, recording: Recording, guarantees: frozenset[str], depth: Depth) -> None:
        models: tuple[Model, ...] = self._models
        if not guarantees or not models:
            return
        found = run_unit(
            recording.subject,
            recording.workload,
            models,
            guarantees,
            depth,
            seed=self._plan.seed,
        )
        self._found(found.candidates)
        result = self._result
        total = Coverage()
        for part in found.coverage.values():
            total.add(part)
        for guarantee in sorted(guarantees):
            coverage = found.injected.get(guarantee, Coverage() if guarantee in INJECTED else total)
            if exercised(guarantee, coverage):
                self._exercised(guarantee, coverage.faults)
        result.states += found.judged + sum(part.states for part in found.injected.values())
        result.executed += found.executed
        result.reused += found.reused
        result.errors |= found.errors

    def _chains(self, recording: Recording, features: frozenset[str]) -> None:
        plan = self._plan
        try:
            with quiet():
                chained = draw_chains(
                    recording,
                    self._models,
                    self._judged,
                    features,
                    plan.drawn_chains,
                    seed=f"{plan.seed}/{plan.round}",
                    profiles=tuple(model.name for model in self._stress.plan.models),
                    values=self._stress.values,
                )
        except SimulationError as error:
            self._result.errors["chain"] = " ".join(str(error).split())
            return
        self._found(chained.candidates, elsewhere=True)
        self.chains = chained.signs
        if chained.nested and "recovery" in self._judged:
            self._exercised("recovery", chained.faults)
        if chained.other and "clean-failure" in self._judged:
            self._exercised("clean-failure", chained.other)
        self._result.states += chained.judged
        self._result.executed += chained.executed
        self._result.reused += chained.reused

    def _race(self) -> None:
        """Let several writers at the store."""
        stress = self._stress
        claims = stress.plan.loaded.guarantees
        try:
            with quiet():
                sampled = put_on(
                    stress.plan.loaded,
                    self._plan,
                    self._models,
                    values=stress.values,
                    claims=claims,
                    profiles=[model.name for model in stress.plan.models],
                )
        except SimulationError as error:
            self._result.errors["several writers"] = " ".join(str(error).split())
            return
        self._found(sampled.candidates, elsewhere=True)
        self.orders = {
            number: signs | {found_sign(name) for name in sampled.found.get(number, ())}
            for number, signs in sampled.signs.items()
        }
        alone = {one.id for one in sampled.candidates}.difference(*sampled.found.values())
        self.signs |= set(map(found_sign, alone))
        if sampled.orders and not sampled.unknown:
            self._exercised(RACED, sampled.orders + sampled.kills + sampled.cuts)
        self._result.states += sampled.judged
        self._result.executed += sampled.executed
        self._result.reused += sampled.reused

    def _exercised(self, guarantee: str, faults: int) -> None:
        known = self._result.exercised
        known[guarantee] = known.get(guarantee, 0) + faults

    def _found(self, candidates: list[Candidate], *, elsewhere: bool = False) -> None:
        for one in candidates:
            self._keep(one)
            counts = self._result.found.setdefault(one.id, {})
            for profile, count in one.profiles.items():
                counts[profile] = counts.get(profile, 0) + count
            if not elsewhere:
                self.signs.add(found_sign(one.id))
