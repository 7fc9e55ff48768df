"""A report as JUnit XML: a test case for each verdict, as CI services list them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from harness.render.words import (
    conclusion,
    fault_words,
    fix_words,
    needs_words,
    operations,
    place_of,
    seen_words,
)
from harness.report import FindingRecord, Report, Verdict

__all__ = ["as_junit"]

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, not even escaped (section 2.2, Char)."""


def as_junit(report: Report) -> bytes:
    """Render a report as JUnit XML: violated fails, what was not judged is skipped.

    Args:
        report: The report.
    """
    findings = {one.id: one for one in report.findings}
    cases = [_case(report, verdict, findings) for verdict in report.verdicts]
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    attributes = {name: str(count) for name, count in counts.items()}
    time = f"{report.stats.seconds:.3f}"
    root = ET.Element("testsuites", {"name": "checkpoint-harness", **attributes})
    suite = ET.SubElement(
        root, "testsuite", {"name": _clean(report.subject), **attributes, "time": time}
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("version", report.version),
        ("seed", str(report.seed)),
        ("plan", report.plan_hash),
        ("conclusion", conclusion(report)[1]),
    ):
        ET.SubElement(properties, "property", {"name": name, "value": value})
    suite.extend(cases)
    ET.indent(root)
    text: bytes = ET.tostring(root, "utf-8", xml_declaration=True)
    return text + b"\n"


def _case(report: Report, verdict: Verdict, findings: dict[str, FindingRecord]) -> ET.Element:
    shown = [findings[name] for name in verdict.findings if name in findings]
    attributes = {
        "classname": _clean(report.subject),
        "name": f"{verdict.guarantee}[{verdict.profile}]",
        "time": "0",
    }
    culprit = shown[0].culprit if shown else None
    if culprit is not None:
        attributes |= {"file": _clean(culprit.file), "line": str(culprit.line)}
    case = ET.Element("testcase", attributes)
    if verdict.verdict == "violated":
        summary = shown[0].summary if shown else f"{verdict.guarantee} is broken"
        severity = shown[0].severity if shown else "violated"
        failure = ET.SubElement(case, "failure", {"type": severity, "message": _clean(summary)})
        failure.text = _clean("\n\n".join(map(_story, shown)))
    elif verdict.verdict != "held":
        tag = "error" if verdict.verdict == "error" else "skipped"
        message = f"{verdict.verdict}: {verdict.note or 'no reason given'}"
        ET.SubElement(case, tag, {"message": _clean(message)})
    return case


def _story(finding: FindingRecord) -> str:
    place = place_of(finding)
    lines = [
        f"{finding.id}: {finding.severity}" + (f" at {place}" if place else ""),
        finding.summary,
        f"workload: {'; '.join(operations(finding.workload))}",
        f"fault: {fault_words(finding)}",
        f"observed: {finding.observed}",
        f"allowed: {' or '.join(finding.allowed) or 'none of this'}",
    ]
    fix = fix_words(finding)
    if fix is not None:
        lines.append(f"fix: {fix}")
    needs = needs_words(finding)
    if needs is not None:
        lines.append(f"why: {needs}")
    lines.append(f"seen: {seen_words(finding)}")
    if finding.repro is not None:
        lines.append(f"repeat: harness replay {finding.repro}")
    return "\n".join(lines)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
