"""A report as Markdown: the summary of a CI job's page, and what a repository can publish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from harness.render.words import (
    conclusion,
    coverage,
    fault_words,
    fix_words,
    guarantees_of,
    lost_words,
    needs_words,
    operations,
    place_of,
    profiles_of,
    reasons,
    seen_words,
)
from harness.report import FindingRecord, Report

__all__ = ["as_markdown"]

_CELLS: Final = {
    "held": "held",
    "violated": "**violated**",
    "not-exercised": "not exercised",
    "inconclusive": "inconclusive",
    "error": "error",
}
_ACTIVE: Final = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def as_markdown(report: Report, *, heading: int = 2) -> str:
    """Render a report as GitHub-flavoured Markdown.

    Args:
        report: The report.
        heading: Level of its heading.
    """
    return "\n".join(_lines(report, "#" * heading)) + "\n"


def _lines(report: Report, level: str) -> Iterator[str]:
    yield f"{level} {_code(report.subject)}"
    yield ""
    yield f"{_plain(conclusion(report)[1])}."
    yield ""
    profiles = profiles_of(report)
    cells = {(one.guarantee, one.profile): one.verdict for one in report.verdicts}
    yield f"| guarantee | {' | '.join(map(_plain, profiles))} |"
    yield f"|---|{'---|' * len(profiles)}"
    for guarantee in guarantees_of(report):
        words = [
            _CELLS[cells[guarantee, profile]] if (guarantee, profile) in cells else ""
            for profile in profiles
        ]
        yield f"| {guarantee} | {' | '.join(words)} |"
    notes = reasons(report.verdicts)
    if notes:
        yield ""
        for word, names, note in notes:
            yield f"- {word}: {_plain(names)}: {_plain(note)}"
    for number, finding in enumerate(report.findings, 1):
        yield ""
        yield from _finding(number, finding, level)
    yield ""
    yield "<details><summary>How much was looked at</summary>"
    yield ""
    yield "| | workloads | faults | states | coverage | judged on them |"
    yield "|---|--:|--:|--:|---|---|"
    for (label, workloads, faults, states, much), judged in coverage(report.verdicts).items():
        row = f"{workloads:,} | {faults:,} | {states:,} | {much} | {', '.join(judged)}"
        yield f"| {_plain(label)} | {row} |"
    yield ""
    stats = report.stats
    yield (
        f"{stats.crash_states:,} crash states judged, {stats.executed:,} recoveries run, "
        f"{stats.reused:,} known already; seed {report.seed}, plan `{report.plan_hash}`, "
        f"harness {report.version}."
    )
    yield ""
    yield "</details>"


def _finding(number: int, finding: FindingRecord, level: str) -> Iterator[str]:
    yield f"{level}# {number}. {finding.guarantee}: {finding.severity}"
    yield ""
    culprit = finding.culprit
    if culprit is not None:
        yield f"{_code(place_of(finding) or '')} in {_code(culprit.function)}"
        if culprit.source:
            yield ""
            yield f"    {' '.join(culprit.source.splitlines())}"
        yield ""
    yield _plain(finding.summary)
    yield ""
    rows = [
        ("workload", _code("; ".join(operations(finding.workload)))),
        ("fault", _plain(fault_words(finding))),
        ("lost", _plain(lost_words(finding) or "")),
        ("observed", _code(finding.observed)),
        ("allowed", _code(" or ".join(finding.allowed) or "none of this")),
        ("fix", _plain(fix_words(finding) or "")),
        ("why", _plain(needs_words(finding) or "")),
        ("seen", _plain(seen_words(finding))),
        ("repeat", _code(f"harness replay {finding.repro}") if finding.repro else ""),
    ]
    for head, text in rows:
        if text:
            yield f"- {head}: {text}"
        if head == "fault":
            # Several writers: who did what, in order.
            yield from (f"  - {_code(line)}" for line in finding.fault.get("timeline", ()))


def _plain(text: str) -> str:
    """Escape what Markdown or HTML would read as markup."""
    return _ACTIVE.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Set a text as code, whatever backticks it holds."""
    text = " ".join(text.split()).replace("|", "\\|")
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text[:1] == "`" or text[-1:] == "`" or not text else ""
    return f"{fence}{pad}{text}{pad}{fence}"
