"""A report as SARIF 2.1.0 (OASIS standard): lines that code review shows where they are.

One result a finding, on the culprit's line; a finding without one is placed at the subject. The
fingerprint is the finding's id, which names its cause, so that a service knows it again after an
unrelated change. The calls up to the crash, where the caller has them, become a code flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from harness.guarantees import GUARANTEES
from harness.render.words import fault_words, fix_words, needs_words, operations, seen_words
from harness.report import FindingRecord, Report
from harness.scene import Exhibit, Step

__all__ = ["as_sarif"]

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
_FLOW_MAX: Final = 100
"""Steps of a code flow: services refuse more than some thousands over all results."""


def as_sarif(report: Report, exhibits: Mapping[str, Exhibit] | None = None) -> bytes:
    """Render a report as SARIF.

    Args:
        report: The report.
        exhibits: What there is to show of each finding, by its id.
    """
    rules = list(dict.fromkeys(verdict.guarantee for verdict in report.verdicts))
    rules += [f.guarantee for f in report.findings if f.guarantee not in rules]
    document = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "checkpoint-harness",
                        "version": report.version,
                        "rules": [_rule(name) for name in rules],
                    }
                },
                "automationDetails": {"id": f"checkpoint-harness/{report.subject}/"},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {
                    _ROOT: {"description": {"text": "Where the check ran: the repository's root."}}
                },
                "results": [
                    _result(report, finding, rules, (exhibits or {}).get(finding.id))
                    for finding in report.findings
                ],
                "properties": {"seed": report.seed, "plan": report.plan_hash},
            }
        ],
    }
    return msgspec.json.format(msgspec.json.encode(_encodable(document)), indent=2) + b"\n"


def _encodable(value: Any) -> Any:
    """Spell out what UTF-8 cannot hold: a file's name on disk may be no text."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {name: _encodable(one) for name, one in value.items()}
        case list():
            return [_encodable(one) for one in value]
        case _:
            return value


def _rule(name: str) -> dict[str, Any]:
    promise = GUARANTEES.get(name, name)
    return {
        "id": name,
        "name": "".join(part.capitalize() for part in name.split("-")),
        "shortDescription": {"text": f"The store breaks its {name} guarantee."},
        "fullDescription": {"text": promise},
        "help": {"text": f"{name}: {promise}"},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["crash-consistency", "reliability"], "precision": "very-high"},
    }


def _result(
    report: Report, finding: FindingRecord, rules: list[str], exhibit: Exhibit | None
) -> dict[str, Any]:
    lines = [
        finding.summary,
        f"Workload: {'; '.join(operations(finding.workload))}.",
        f"Fault: {fault_words(finding)}.",
    ]
    fix = fix_words(finding)
    if fix is not None:
        lines.append(f"Fix: {fix}.")
    needs = needs_words(finding)
    if needs is not None:
        lines.append(f"Why: {needs}.")
    lines.append(f"Seen {seen_words(finding)}.")
    result: dict[str, Any] = {
        "ruleId": finding.guarantee,
        "ruleIndex": rules.index(finding.guarantee),
        "level": "warning" if finding.severity == "leak" else "error",
        "message": {"text": " ".join(lines)},
        "locations": [_location(report, finding)],
        "partialFingerprints": {"causeId/v1": finding.id},
        "properties": {
            "severity": finding.severity,
            "profiles": finding.profiles,
            "replays": finding.replays,
            "repro": finding.repro,
        },
    }
    flow = [] if exhibit is None else [s for s in exhibit.acts[-1].steps if s.place]
    if flow:
        result["codeFlows"] = [
            {"threadFlows": [{"locations": [_step(step) for step in flow[:_FLOW_MAX]]}]}
        ]
    return result


def _location(report: Report, finding: FindingRecord) -> dict[str, Any]:
    culprit = finding.culprit
    if culprit is None:
        where, _, attribute = report.subject.rpartition(":")
        file = where if where.endswith(".py") else where.replace(".", "/") + ".py"
        return _physical(file, 1) | {"message": {"text": f"{attribute}: no line can be blamed."}}
    region: dict[str, Any] = {"startLine": max(culprit.line, 1)}
    if culprit.source:
        region["snippet"] = {"text": culprit.source}
    place = _physical(culprit.file, culprit.line)
    place["physicalLocation"]["region"] = region
    place["logicalLocations"] = [{"name": culprit.function, "kind": "function"}]
    return place


def _physical(file: str, line: int) -> dict[str, Any]:
    artifact = {"uri": quote(file, errors="backslashreplace")}
    if not file.startswith("/"):
        artifact["uriBaseId"] = _ROOT
    else:
        artifact["uri"] = f"file://{artifact['uri']}"
    return {
        "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": max(line, 1)}}
    }


def _step(step: Step) -> dict[str, Any]:
    file, _, line = step.place.rpartition(":")
    outcome = {"lost": " (lost)", "partly": " (partly lost)", "torn": " (torn)"}.get(step.fate, "")
    if step.fate == "never":
        outcome = " (never made: the crash comes first)"
    location = _physical(file, int(line)) | {"message": {"text": f"{step.call}{outcome}"}}
    return {
        "location": location,
        "importance": "essential" if step.culprit or outcome else "important",
    }
