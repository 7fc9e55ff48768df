"""Chains of faults as a stress run draws them, without the run."""

from harness.guarantees import GUARANTEES
from harness.history import record
from harness.intercept import rerouted
from harness.persistence import PROFILES, profile
from harness.quiet import quiet
from harness.stress.chains import draw_chains
from harness.stress.plans import Traits, draw_round, workload_of
from harness.subjects import load

MODELS = {name: profile(name) for name in PROFILES}


def chained(name, rounds, *, needed=frozenset()):
    """What the chains of some rounds find."""
    subject = load(name)
    judged = tuple(g for g in GUARANTEES if subject.guarantees is None or g in subject.guarantees)
    traits = Traits(
        subject=name,
        keys=(),
        syncs=subject.sync is not None,
        sized=True,
        judged=judged,
        profiles=tuple(PROFILES),
    )
    with rerouted(), quiet():
        for number in rounds:
            plan = draw_round(traits, 0, number)
            if not plan.chains or not needed <= set(plan.features):
                continue
            recording = record(subject, workload_of(plan, []), seed=0)
            yield from draw_chains(
                recording,
                tuple(MODELS[name] for name in plan.profiles),
                frozenset(judged),
                frozenset(plan.features),
                plan.drawn_chains,
                seed=f"0/{number}",
                profiles=tuple(PROFILES),
                values=[],
            ).candidates
