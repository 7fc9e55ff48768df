"""Writing the report of a stress run down, in every form, the machine's own last."""

from __future__ import annotations

from pathlib import Path

from harness.report import write_atomically
from harness.stress.page import as_html
from harness.stress.records import StressReport
from harness.stress.report import dump
from harness.stress.show import as_text

__all__ = ["write_report"]


def write_report(directory: Path, report: StressReport) -> None:
    """Write ``stress.txt``, ``stress.html`` and ``stress.json``.

    Raises:
        UsageError: One cannot be written.
    """
    text = as_text(report, directory).encode("utf-8", "backslashreplace")
    write_atomically(directory / "stress.txt", text)
    write_atomically(directory / "stress.html", as_html(report).encode("utf-8"))
    write_atomically(directory / "stress.json", dump(report))
