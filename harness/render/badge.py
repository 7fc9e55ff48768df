"""A report in one line, as shields.io's endpoint badge takes it."""

from __future__ import annotations

from typing import Final

import msgspec

from harness.render.words import conclusion
from harness.report import Report

__all__ = ["as_badge"]

_COLOURS: Final = {"conforms": "brightgreen", "violated": "red", "inconclusive": "yellow"}


def as_badge(report: Report) -> bytes:
    """Render a report as https://shields.io/badges/endpoint-badge wants it.

    Args:
        report: The report.
    """
    kind, _ = conclusion(report)
    message = kind
    if kind == "violated":
        count = len(report.findings)
        message = f"{count} finding{'s' * (count != 1)}, {report.findings[0].severity}"
    document = {
        "schemaVersion": 1,
        "label": "crash safety",
        "message": message,
        "color": _COLOURS[kind],
        "isError": kind == "violated",
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
