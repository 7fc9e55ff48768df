"""A report for a person: 80 columns, the matrix first, then each finding as a short story.

Plain ASCII layout with a little colour on a terminal; without one the same text and no codes, so
that a log or a file reads the same.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from rich.text import Text

from harness.render.lines import print_lines
from harness.render.words import (
    VERDICTS,
    bounds,
    conclusion,
    coverage,
    fault_words,
    fix_words,
    guarantees_of,
    lost_words,
    needs_words,
    operations,
    profiles_of,
    reasons,
    seen_words,
)
from harness.report import FindingRecord, Report, Verdict

__all__ = ["WIDTH", "as_text", "finding_lines", "print_report", "wrapped"]

WIDTH: Final = 80

_STYLES: Final = {
    "held": "green",
    "violated": "bold red",
    "not-exercised": "yellow",
    "inconclusive": "yellow",
    "error": "bold yellow",
}
_CELL: Final = max(len(word) for word in VERDICTS.values())
_LABEL: Final = 14
_COLUMNS_MAX: Final = (WIDTH - _LABEL) // (_CELL + 1)
_ENDINGS: Final = {
    "violated": "bold red",
    "conforms": "bold green",
    "inconclusive": "bold yellow",
}
_STORY: Final = 11
"""Columns of a finding's headwords."""


def as_text(report: Report, directory: Path | None) -> str:
    """Render a report as plain text.

    Args:
        report: The report.
        directory: Where it and its reproductions are written; None if they are not.
    """
    return "".join(f"{line.plain}\n" for line in _lines(report, directory))


def print_report(report: Report, directory: Path | None, stream: IO[str]) -> None:
    """Print a report, in colour if the stream is a terminal.

    Args:
        report: The report.
        directory: Where it and its reproductions are written; None if they are not.
        stream: Where to print it.
    """
    print_lines(_lines(report, directory), stream)


def _lines(report: Report, directory: Path | None) -> Iterator[Text]:
    yield Text(f"harness {report.version}: {report.subject}", "bold")
    yield Text()
    yield from _matrix(report)
    yield from _notes(report.verdicts)
    for number, finding in enumerate(report.findings, 1):
        yield Text()
        yield from _story(number, finding, directory)
    yield Text()
    yield from _coverage(report.verdicts)
    yield Text()
    yield from _closing(report, directory)


def finding_lines(number: int, finding: FindingRecord, directory: Path | None) -> Iterator[Text]:
    """Tell one finding, for another report than a check's."""
    yield from _story(number, finding, directory)


# -- the matrix ------------------------------------------------------------------------------------


def _matrix(report: Report) -> Iterator[Text]:
    guarantees, profiles = guarantees_of(report), profiles_of(report)
    verdicts = report.verdicts
    cells = {(one.guarantee, one.profile): one.verdict for one in verdicts}
    for first in range(0, len(profiles), _COLUMNS_MAX):
        if first:
            yield Text()
        columns = profiles[first : first + _COLUMNS_MAX]
        heads = [_head(name) for name in columns]
        height = max(len(head) for head in heads)
        for row in range(height):
            parts = [head[row - height] if row >= height - len(head) else "" for head in heads]
            yield Text((" " * _LABEL + _row(parts)).rstrip(), "bold")
        for guarantee in guarantees:
            line = Text(f"{guarantee:<{_LABEL}}")
            for profile in columns:
                verdict = cells[guarantee, profile]
                line.append(f"{VERDICTS[verdict]:<{_CELL}} ", _STYLES[verdict])
            line.rstrip()
            yield line


def _row(parts: Iterable[str]) -> str:
    return "".join(f"{part:<{_CELL}} " for part in parts)


def _head(name: str) -> list[str]:
    """Break a profile's name over several lines of a cell's width, at its hyphens."""
    return textwrap.wrap(name, _CELL) or [""]


def _notes(verdicts: list[Verdict]) -> Iterator[Text]:
    """Say what a verdict other than held and violated means, once for each reason."""
    found = reasons(verdicts)
    if found:
        yield Text()
    for verdict, names, note in found:
        word = VERDICTS[verdict]
        meaning = "" if word == verdict else f"{word} = "
        yield from wrapped(f"{meaning}{verdict}: {names}: {note}", "", "    ", "yellow")


# -- findings --------------------------------------------------------------------------------------


def _story(number: int, finding: FindingRecord, directory: Path | None) -> Iterator[Text]:
    head = f"{number}. {finding.guarantee} broken: {finding.severity}"
    yield Text(f"{head}{finding.id:>{max(WIDTH - len(head), len(finding.id) + 2)}}", "bold red")
    culprit = finding.culprit
    if culprit is not None:
        yield Text(f"   {culprit.file}:{culprit.line} in {culprit.function}", "cyan")
        if culprit.source:
            yield Text(f"       {culprit.source}", "bold")
    yield from wrapped(finding.summary, "   ", "   ")
    yield from _told("workload", "; ".join(operations(finding.workload)))
    yield from _told("fault", fault_words(finding))
    for place, line in enumerate(finding.fault.get("timeline", ())):
        yield from _told("" if place else "story", line)
    lost = lost_words(finding)
    if lost is not None:
        yield from _told("lost", lost)
    yield from _told("observed", finding.observed)
    yield from _told("allowed", " or ".join(finding.allowed) or "none of this")
    fix = fix_words(finding)
    if fix is not None:
        proven = finding.fix is not None and finding.fix.verified is not None
        yield from _told("fix", fix, "green" if proven else "")
    needs = needs_words(finding)
    if needs is not None:
        yield from _told("why", needs)
    yield from _told("seen", seen_words(finding))
    if finding.repro is not None:
        path = finding.repro if directory is None else str(directory / finding.repro)
        yield from _told("repeat", f"harness replay {path}")
    else:
        yield from _told("repeat", "check again with --report DIR to keep a file for replay")


def _told(head: str, text: str, style: str = "") -> Iterator[Text]:
    lead = f"   {head:<{_STORY}}"
    yield from wrapped(text, lead, " " * len(lead), style)


def wrapped(text: str, first: str, rest: str, style: str = "") -> Iterator[Text]:
    """Break a text into lines; a long path stays whole, so that it can be copied.

    Args:
        text: The text.
        first: What the first line begins with.
        rest: What the others begin with.
        style: Of all of them.
    """
    endless = any(len(word) > WIDTH and "\\x" in word for word in text.split())
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=endless,  # bytes spelled out are nothing to copy
        break_on_hyphens=False,
    )
    for line in lines or [first.rstrip()]:
        yield Text(line, style)


# -- coverage --------------------------------------------------------------------------------------


def _coverage(verdicts: list[Verdict]) -> Iterator[Text]:
    """State how much was looked at; guarantees judged on the same states share a row."""
    rows = coverage(verdicts)
    shared = len(rows) == len({key[0] for key in rows})
    width = max([len("profile"), *(len(key[0]) for key in rows)]) + 1
    numbers = [tuple(map(_grouped, key[1:4])) for key in rows]
    heads = ("workloads", "faults", "states")
    columns = [
        max(len(head), 8, *(len(one) + 2 for one in column))
        for head, *column in zip(heads, *numbers, strict=True)
    ]

    def line(name: str, counts: Iterable[str]) -> str:
        return f"{name:<{width}}" + "".join(map(str.rjust, counts, columns)) + "  "

    yield Text(line("profile", heads) + "coverage", "bold")
    for (key, guarantees), counts in zip(rows.items(), numbers, strict=True):
        lead, much = line(key[0], counts), key[4]
        said = much if shared else f"{much}: {', '.join(guarantees)}"
        yield from wrapped(said, lead, " " * len(lead))
    for names, bound in bounds(verdicts):
        yield from wrapped(f"{names}: {bound}", "", "    ")


def _grouped(number: int) -> str:
    return f"{number:,}"


# -- the end ---------------------------------------------------------------------------------------


def _closing(report: Report, directory: Path | None) -> Iterator[Text]:
    stats = report.stats
    yield from wrapped(
        f"{stats.crash_states:,} crash states judged in {stats.seconds:.1f} s: "
        f"{stats.executed:,} recoveries run, {stats.reused:,} known already; "
        f"seed {report.seed}, plan {report.plan_hash}",
        "",
        "",
    )
    if directory is not None:
        yield Text(f"report in {directory / 'report.json'}")
    kind, line = conclusion(report)
    yield Text(line, _ENDINGS[kind])
