"""The verdict on one guarantee under one profile, and what it says of its own extent."""

from __future__ import annotations

from harness.coverage import Coverage
from harness.guarantees import INJECTED, RACED, place_of
from harness.report import (
    FindingRecord,
    Verdict,
    VerdictName,
)

__all__ = ["exercised", "verdict_of"]


def verdict_of(
    guarantee: str,
    name: str,
    coverage: Coverage,
    findings: list[FindingRecord],
    errors: dict[str, str],
    unsteady: list[str],
    *,
    ended: str | None = None,
) -> Verdict:
    """Give the verdict on one guarantee under one profile.

    Args:
        guarantee: Its name.
        name: The profile's.
        coverage: What was looked at under that profile.
        findings: All findings.
        errors: For each profile that could not be judged, why.
        unsteady: Causes that did not replay, each beginning with its guarantee.
        ended: How far it got, where the time budget ended first.
    """
    ids = [f.id for f in findings if f.guarantee == guarantee and name in f.profiles]
    verdict: VerdictName
    note = None
    if ids:
        verdict, note = "violated", ended
    elif place_of(guarantee, name) in errors:
        verdict, note = "error", errors[place_of(guarantee, name)]
    elif any(text.startswith(f"{guarantee}:") for text in unsteady):
        verdict = "inconclusive"
        note = next(text for text in unsteady if text.startswith(f"{guarantee}:"))
    elif unfired := [text for text, count in coverage.fired.items() if not count]:
        verdict = "not-exercised"
        note = "; ".join(f"fault {text!r} fires in no workload" for text in unfired)
    elif ended is not None:
        verdict, note = "inconclusive", ended
    elif not exercised(guarantee, coverage):
        verdict, note = "not-exercised", "no fault put it to the test"
        if guarantee == RACED:
            note = "no race was run: the store declares a single writer, or other faults were given"
    elif coverage.doubt:
        verdict, note = "inconclusive", coverage.doubt
    else:
        verdict = "held"
        note = _extent(guarantee, coverage)
    return Verdict(
        guarantee=guarantee,
        profile=name,
        verdict=verdict,
        workloads=coverage.workloads,
        faults=coverage.faults,
        crash_states=coverage.states,
        # What was not reached has not been counted.
        crash_states_possible=coverage.possible if ended is None else None,
        exhaustive=coverage.exhaustive and ended is None,
        findings=ids,
        note=note,
        stopped=ended is not None,
    )


def _extent(guarantee: str, coverage: Coverage) -> str | None:
    """Say what was bounded."""
    if coverage.bound:
        return coverage.bound
    parts = []
    every = coverage.workloads - coverage.sampled
    if coverage.sampled and guarantee not in INJECTED:
        parts.append(
            f"every state of {every} of {coverage.workloads} workloads, "
            f"a sample of the other {coverage.sampled}"
        )
    if coverage.sampled and guarantee in INJECTED:
        parts.append(
            f"every fault in {every} of {coverage.workloads} workloads, "
            f"an even choice in the other {coverage.sampled}"
            if every
            else f"an even choice of the faults in each of {coverage.workloads} workloads"
        )
    if coverage.left_out and guarantee in INJECTED:
        more = f"{coverage.left_out} more workload{'s' * (coverage.left_out != 1)}"
        parts.append(f"{more} not tried, to stay within the effort")
    if guarantee == "recovery" and coverage.in_recovery:
        extent = "every one" if coverage.in_recovery_exhaustive else "a choice"
        where = f", in {coverage.workloads - coverage.left_out} workloads"
        told = f"{extent} of the faults during recovery{where if coverage.left_out else ''}"
        return "; ".join(filter(None, [", ".join(parts), told]))
    return ", ".join(parts) or None


def exercised(guarantee: str, coverage: Coverage) -> bool:
    """Tell whether some crash state could have broken a guarantee."""
    match guarantee:
        case "atomicity":
            return coverage.interrupted > 0 and coverage.opened > 0
        case "durability":
            return coverage.acknowledged > 0 and coverage.opened > 0
        case "listing":
            return coverage.opened > 0
        case "clean-failure" | "integrity" | "hygiene" | "isolation":
            return coverage.faults > 0
        case _:
            return coverage.states > 0
