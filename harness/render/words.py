"""What several renderings of a report say in the same words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from harness.guarantees import INJECTED, RACED
from harness.ops import Operation
from harness.report import SINGLE_WRITER, FindingRecord, OperationRecord, Report, Verdict

__all__ = [
    "VERDICTS",
    "bounds",
    "calls",
    "conclusion",
    "coverage",
    "extent",
    "fault_words",
    "fix_words",
    "guarantees_of",
    "lost_words",
    "needs_words",
    "operations",
    "place_of",
    "profiles_of",
    "reasons",
    "seen_words",
    "short",
]

VERDICTS: Final = {
    "held": "held",
    "violated": "VIOLATED",
    "not-exercised": "n/e",
    "inconclusive": "inconcl.",
    "error": "error",
}
"""A verdict in a cell."""


def guarantees_of(report: Report) -> list[str]:
    """Give the rows of the matrix."""
    return list(dict.fromkeys(verdict.guarantee for verdict in report.verdicts))


def profiles_of(report: Report) -> list[str]:
    """Give its columns."""
    return list(dict.fromkeys(verdict.profile for verdict in report.verdicts))


def conclusion(report: Report) -> tuple[str, str]:
    """Say in a line what a report comes to.

    Returns:
        ``violated``, ``conforms`` or ``inconclusive``, and the line.
    """
    if report.findings:
        count = len(report.findings)
        worst = report.findings[0].severity
        return "violated", f"violated: {count} finding{'s' * (count != 1)}, worst {worst}"
    counted = [verdict for verdict in report.verdicts if verdict.note != SINGLE_WRITER]
    if {verdict.verdict for verdict in counted} == {"held"}:
        return "conforms", "conforms: every verdict held"
    return "inconclusive", "inconclusive: nothing found, but see above what was not judged"


def reasons(verdicts: list[Verdict]) -> list[tuple[str, str, str]]:
    """Say once for each reason why verdicts are neither held nor violated.

    Returns:
        The verdict, the guarantees (with profiles, where not all) and the reason.
    """
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for one in verdicts:
        if one.verdict in ("held", "violated"):
            continue
        where = found.setdefault((one.verdict, one.note or "no reason given"), {})
        where.setdefault(one.guarantee, []).append(one.profile)
    every = len({one.profile for one in verdicts})
    return [
        (
            verdict,
            ", ".join(
                guarantee if len(profiles) == every else f"{guarantee} ({', '.join(profiles)})"
                for guarantee, profiles in where.items()
            ),
            note,
        )
        for (verdict, note), where in found.items()
    ]


def bounds(verdicts: list[Verdict]) -> list[tuple[str, str]]:
    """Say once for each bound of what held, for what.

    Returns:
        Profiles, or a guarantee where it alone is bounded so, and the bound.
    """
    found: dict[str, list[Verdict]] = {}
    for one in verdicts:
        if one.verdict == "held" and one.note is not None:
            # Of races it is one: the later parts speak of the schedules in the first.
            for bound in [one.note] if one.guarantee == RACED else one.note.split("; "):
                found.setdefault(bound, []).append(one)
    said = []
    every = len({one.profile for one in verdicts})
    crashed = {one.guarantee for one in verdicts} - {*INJECTED, RACED}
    for bound, ones in found.items():
        guarantees = list(dict.fromkeys(one.guarantee for one in ones))
        profiles = ", ".join(dict.fromkeys(one.profile for one in ones))
        alone = len(guarantees) == 1 < len(crashed)
        if set(guarantees) <= {*INJECTED, RACED} or (alone and len(ones) == every):
            said.append((", ".join(guarantees), bound))
        else:
            said.append((f"{guarantees[0]} ({profiles})" if alone else profiles, bound))
    return said


def coverage(verdicts: list[Verdict]) -> dict[tuple[str, int, int, int, str], list[str]]:
    """Say how much was looked at; guarantees judged on the same states share a row.

    Returns:
        Label, workloads, faults, crash states and extent, to the guarantees.
    """
    rows: dict[tuple[str, int, int, int, str], list[str]] = {}
    for one in _joined(verdicts):
        # What other faults than crashes show is the same under every profile, so it stands once.
        label = one.guarantee if one.guarantee in (*INJECTED, RACED) else one.profile
        key = (label, one.workloads, one.faults, one.crash_states, extent(one))
        guarantees = rows.setdefault(key, [])
        if one.guarantee not in guarantees:
            guarantees.append(one.guarantee)
    return rows


def _joined(verdicts: list[Verdict]) -> Iterator[Verdict]:
    """Make one of the verdicts on races: the schedules are the same, the crash states add up."""
    raced = [one for one in verdicts if one.guarantee == RACED]
    for one in verdicts:
        if one.guarantee != RACED:
            yield one
        elif one is raced[0]:
            yield msgspec.structs.replace(
                one,
                faults=max(verdict.faults for verdict in raced),
                crash_states=sum(verdict.crash_states for verdict in raced),
                exhaustive=all(verdict.exhaustive for verdict in raced),
            )


_DIGITS_MAX: Final = 15


def extent(verdict: Verdict) -> str:
    """Say how much of what is possible was looked at."""
    if verdict.exhaustive:
        return "exhaustive"
    if verdict.stopped:
        return "stopped by the time budget"
    possible = verdict.crash_states_possible
    if verdict.guarantee in INJECTED and possible is not None:
        return f"{verdict.faults:,} of {short(possible)} faults"
    if possible is None:
        return "sampled; too many to count"
    return f"sampled, of at most {short(possible)}"


def short(count: int) -> str:
    """Write a count, a very large one by its first digits."""
    digits = str(count)
    if len(digits) <= _DIGITS_MAX:
        return f"{count:,}"
    # Not a float's format: counts grow past the largest float.
    return f"{digits[0]}.{digits[1]}e{len(digits) - 1}"


def operations(workload: list[OperationRecord]) -> list[str]:
    """Write operations as calls."""
    return [
        f"{'before it, ' * op.setup}{Operation(op.op, op.key, op.value)}"  # type: ignore[arg-type]
        for op in workload
    ]


def fault_words(finding: FindingRecord) -> str:
    """Say what was injected, and when."""
    fault = finding.fault
    if "schedule" in fault:
        return f"{fault['kind']} ({fault['mode']}): {fault['schedule']}"
    if "fault" in fault:
        during = f", in {fault['operation']}" if fault.get("operation") else ""
        return f"{fault['kind']}: {fault['fault']}{during}"
    text = f"{fault.get('kind', 'fault')} ({fault.get('profile', 'any profile')})"
    if "killed_after" in fault:
        text += f", killed after {calls(fault['killed_after'])}"
    if "after" in fault:
        text += f", after {calls(fault['after'])}"
    if fault.get("operation"):
        state = "in flight" if fault.get("in_flight") else "returned"
        text += f", {fault['operation']} {state}"
    return text


def calls(count: object) -> str:
    """Count calls."""
    return f"{count} call{'s' * (count != 1)}"


def lost_words(finding: FindingRecord) -> str | None:
    """Say what a crash lost; None where no crash was injected."""
    lost = [f"{part} (trace #{i})" for i, part in finding.lost]
    if not lost and ("fault" in finding.fault or "schedule" in finding.fault):
        return None
    return ", ".join(lost) or "nothing: all that was done is on disk"


def fix_words(finding: FindingRecord) -> str | None:
    """Say what would mend it, and how far that was tried."""
    fix = finding.fix
    if fix is None:
        return None
    if fix.verified is None:
        return f"{fix.change} (not proven)"
    many = "s" * (fix.violations_before != 1)
    counts = f"{fix.violations_before} violation{many} before, {fix.violations_after} after"
    if fix.sampled:
        counts += ", on a sample of crash states"
    if not fix.together:
        return f"{fix.change} (proven by {fix.verified}: {counts})"
    others = "; ".join(fix.together)
    return f"{fix.change} (proven by {fix.verified} together with: {others}. {counts})"


def needs_words(finding: FindingRecord) -> str | None:
    """Say what is known of what mends it, where no change of syncs and order does."""
    return finding.fix.needs or None if finding.fix is not None else None


def seen_words(finding: FindingRecord) -> str:
    """Say how often it was seen, and where."""
    what = "crash state"
    if "schedule" in finding.fault or "fault" in finding.fault:
        what = "damaged disk" if finding.fault["kind"] == "rot" else "run"
    states = f"{finding.states:,} {what}{'s' * (finding.states != 1)}"
    return f"in {states}, under {', '.join(finding.profiles)}; replayed {finding.replays}"


def place_of(finding: FindingRecord) -> str | None:
    """Give the culprit as ``file:line``."""
    culprit = finding.culprit
    return None if culprit is None else f"{culprit.file}:{culprit.line}"
