"""Writing a report down in every form: a directory that a CI job can keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from harness.report import Report, dump, write_atomically
from harness.scene import Exhibit

__all__ = ["FORMATS", "render", "write_all"]

FORMATS: Final = {
    "json": "report.json",
    "text": "report.txt",
    "html": "report.html",
    "markdown": "report.md",
    "junit": "report.junit.xml",
    "sarif": "report.sarif",
    "badge": "badge.json",
}
"""Forms of a report, each with the name of its file in a report directory."""


def render(
    form: str,
    report: Report,
    exhibits: Mapping[str, Exhibit] | None = None,
    directory: Path | None = None,
) -> bytes:
    """Render a report.

    Args:
        form: One of `FORMATS`, or ``github`` for workflow commands.
        report: The report.
        exhibits: What there is to show of each finding, by its id.
        directory: Where it and its reproductions are written; None if they are not.
    """
    from harness.render import badge, github, html, junit, markdown, sarif, text  # noqa: PLC0415

    forms: dict[str, Callable[[], bytes | str]] = {
        "json": lambda: dump(report),
        "text": lambda: text.as_text(report, directory),
        "html": lambda: html.as_html(report, exhibits, directory),
        "markdown": lambda: markdown.as_markdown(report),
        "junit": lambda: junit.as_junit(report),
        "sarif": lambda: sarif.as_sarif(report, exhibits),
        "badge": lambda: badge.as_badge(report),
        "github": lambda: "".join(f"{line}\n" for line in github.as_annotations(report)),
    }
    made = forms[form]()
    # A file's name on disk may be no text; it is spelled out.
    return made if isinstance(made, bytes) else made.encode("utf-8", "backslashreplace")


def write_all(
    directory: Path,
    report: Report,
    repros: Mapping[str, bytes],
    exhibits: Mapping[str, Exhibit] | None = None,
) -> None:
    """Write a report directory: the reproductions, then each form, ``report.json`` last.

    Args:
        directory: Where; it is there.
        report: The report.
        repros: Reproduction file of each finding, by its id.
        exhibits: What there is to show of each finding, by its id.

    Raises:
        UsageError: A file cannot be written; what was there before is still there.
    """
    for name, data in repros.items():
        write_atomically(directory / f"{name}.repro.json", data)
    for form, file in FORMATS.items():
        if form != "json":
            write_atomically(directory / file, render(form, report, exhibits, directory))
    # Last, so that a report never names a file that is not there.
    write_atomically(directory / FORMATS["json"], dump(report))
