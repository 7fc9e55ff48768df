"""What a CI service wants to hear besides the report: annotations, and a summary for its page."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.streams import say

if TYPE_CHECKING:
    from harness.report import Report

__all__ = ["announce"]


def announce(report: Report, *, as_json: bool) -> None:
    """Tell GitHub Actions, where that is what runs us; elsewhere do nothing.

    Annotations go to stdout, or to stderr where stdout holds JSON: the service reads both.

    Args:
        report: The report.
        as_json: Whether stdout holds JSON.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from harness.render.github import as_annotations  # noqa: PLC0415 - slow to import
    from harness.render.markdown import as_markdown  # noqa: PLC0415

    stream = sys.stderr if as_json else sys.stdout
    for line in as_annotations(report):
        stream.write(f"{line}\n")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(as_markdown(report) + "\n")
        except OSError as error:
            say(f"GITHUB_STEP_SUMMARY: {summary}: {error.strerror}; the job goes on without it")
