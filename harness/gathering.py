"""Gathering the verdicts of many pytest items into the one report."""

from __future__ import annotations

from typing import Any

import msgspec

from harness import __version__
from harness.guarantees import SEVERITIES
from harness.plan import Plan
from harness.report import SCHEMA, FindingRecord, Report, Stats, Verdict

__all__ = ["gather"]


def gather(
    plan: Plan, packed: list[dict[str, Any]], seconds: float
) -> tuple[Report, dict[str, bytes]]:
    """Join results; the same finding under several profiles becomes one.

    Args:
        plan: What was checked.
        packed: Results as the pytest plugin sends them.
        seconds: Time they took together.

    Returns:
        The report, and the reproduction file of each finding by its id.
    """
    verdicts: dict[tuple[str, str], Verdict] = {}
    findings: dict[str, FindingRecord] = {}
    repros: dict[str, bytes] = {}
    for one in packed:
        verdict = msgspec.convert(one["verdict"], Verdict)
        verdicts[verdict.guarantee, verdict.profile] = verdict
        for raw in one["findings"]:
            finding = msgspec.convert(raw, FindingRecord)
            known = findings.get(finding.id)
            if known is None:
                findings[finding.id] = finding
            else:
                known.profiles = [*known.profiles, *finding.profiles]
                known.states += finding.states
                known.workloads = list(dict.fromkeys([*known.workloads, *finding.workloads]))
        for name, text in one["repros"].items():
            repros.setdefault(name, text.encode())
    order = [model.name for model in plan.models]
    for finding in findings.values():
        finding.profiles = [name for name in order if name in finding.profiles]
    judged = [
        verdicts[guarantee, name]
        for guarantee in plan.judged
        for name in order
        if (guarantee, name) in verdicts
    ]
    # Every guarantee of a profile is judged on the same images: count them once.
    distinct = sum({verdict.profile: verdict.crash_states for verdict in judged}.values())
    states = sum(one["spent"][0] for one in packed)
    executed = sum(one["spent"][1] for one in packed)
    reused = sum(one["spent"][2] for one in packed)
    return (
        Report(
            schema=SCHEMA,
            version=__version__,
            subject=plan.subject,
            seed=plan.seed,
            plan_hash=plan.hash,
            fingerprint=plan.header.fingerprint,
            verdicts=judged,
            findings=sorted(findings.values(), key=lambda f: (SEVERITIES.index(f.severity), f.id)),
            stats=Stats(
                crash_states=states,
                distinct=distinct,
                executed=executed,
                reused=reused,
                seconds=round(seconds, 3),
                states_per_second=round(states / seconds, 1) if seconds else 0.0,
            ),
        ),
        repros,
    )
