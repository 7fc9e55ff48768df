"""A report for GitHub Actions: annotations on lines.

The service shows ten errors of a step and drops the rest without a word; the rest is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.render.words import fix_words
from harness.report import Report

__all__ = ["ANNOTATIONS_MAX", "as_annotations"]

ANNOTATIONS_MAX: Final = 10
"""Annotations of one kind that a step may make."""


def as_annotations(report: Report) -> Iterator[str]:
    """Yield workflow commands: an error for each finding, worst first, at most ten.

    Args:
        report: The report.

    Yields:
        Lines, without their ends.
    """
    for finding in report.findings[:ANNOTATIONS_MAX]:
        properties = {}
        if finding.culprit is not None:
            properties["file"] = finding.culprit.file
            properties["line"] = str(finding.culprit.line)
        properties["title"] = f"{finding.guarantee}: {finding.severity} ({report.subject})"
        text = finding.summary
        fix = fix_words(finding)
        if fix is not None:
            text += f"\nFix: {fix}."
        text += f"\nUnder {', '.join(finding.profiles)}; {finding.id}."
        given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
        yield f"::error {given}::{_data(text)}"
    rest = len(report.findings) - ANNOTATIONS_MAX
    if rest > 0:
        more = f"{rest} more finding{'s' * (rest != 1)}: see the report"
        yield f"::notice title={_property(report.subject)}::{more}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
