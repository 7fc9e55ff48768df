"""Baselines: findings that are known and accepted for now; a list that may only shrink.

A finding is known by its subject and its id, and that is made of the function and the text of the
line to blame: edits elsewhere in the file leave it alone. One that is new fails the check, and one
that is listed and no longer found does too, so that the list shrinks with every mended bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

from harness.errors import UsageError
from harness.report import FindingRecord, Report, write_atomically

__all__ = ["SCHEMA", "Baseline", "Known", "Standing", "load", "save", "weigh"]

SCHEMA: Final = "checkpoint-harness/baseline/1"


class Known(msgspec.Struct, kw_only=True):
    """One accepted finding.

    Attributes:
        subject: The store.
        id: The finding's.
        guarantee: What is broken.
        profiles: Persistence models that showed it.
        summary: What it said when it was accepted, for a reader.
    """

    subject: str
    id: str
    guarantee: str
    profiles: list[str]
    summary: str = ""


class Baseline(msgspec.Struct, kw_only=True):
    """The file."""

    schema: Literal["checkpoint-harness/baseline/1"] = SCHEMA
    findings: list[Known] = []


@dataclass
class Standing:
    """How a run compares with a baseline.

    Attributes:
        accepted: Findings that are listed.
        new: Findings that are not.
        fixed: Listed ones that were judged and are no more.
    """

    accepted: list[FindingRecord] = field(default_factory=list)
    new: list[FindingRecord] = field(default_factory=list)
    fixed: list[Known] = field(default_factory=list)


def load(path: Path, *, missing_ok: bool = False) -> Baseline:
    """Read a baseline.

    Args:
        path: The file.
        missing_ok: Whether one that is not there is an empty one.

    Raises:
        UsageError: It cannot be read, or is no baseline.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline)
    except FileNotFoundError:
        if missing_ok:
            return Baseline()
        raise UsageError(
            f"baseline {str(path)!r}: no such file; make one with --update-baseline"
        ) from None
    except OSError as error:
        raise UsageError(f"baseline {str(path)!r}: cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UsageError(
            f"baseline {str(path)!r}: not a baseline: {error}; make one with --update-baseline"
        ) from None


def weigh(baseline: Baseline, report: Report) -> Standing:
    """Hold the findings of a run against a baseline.

    A listed one counts as fixed only where this run judged its guarantee under a profile that
    showed it, to the end.
    """
    listed = {one.id: one for one in baseline.findings if one.subject == report.subject}
    standing = Standing()
    for finding in report.findings:
        (standing.accepted if finding.id in listed else standing.new).append(finding)
    found = {finding.id for finding in report.findings}
    judged = {
        (verdict.guarantee, verdict.profile)
        for verdict in report.verdicts
        if verdict.verdict in ("held", "violated")
    }
    standing.fixed = [
        one
        for one in listed.values()
        if one.id not in found and any((one.guarantee, name) in judged for name in one.profiles)
    ]
    return standing


def save(path: Path, baseline: Baseline, reports: Sequence[Report]) -> None:
    """Accept what was found: write the baseline anew, with what these runs did not judge as it was.

    Raises:
        UsageError: It cannot be written.
    """
    kept = list(baseline.findings)
    for report in reports:
        standing = weigh(baseline, report)
        gone = {(one.subject, one.id) for one in standing.fixed}
        gone |= {(report.subject, finding.id) for finding in report.findings}
        kept = [one for one in kept if (one.subject, one.id) not in gone]
        kept += [
            Known(
                subject=report.subject,
                id=finding.id,
                guarantee=finding.guarantee,
                profiles=finding.profiles,
                summary=finding.summary,
            )
            for finding in report.findings
        ]
    kept.sort(key=lambda one: (one.subject, one.id))
    data = msgspec.json.format(msgspec.json.encode(Baseline(findings=kept)), indent=2)
    write_atomically(path, data + b"\n")
