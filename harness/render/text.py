"""A report for a person: 80 columns, the matrix first, then each finding as a short story.

Plain ASCII layout with a little colour on a terminal; without one the same text and no codes, so
that a log or a file reads the same.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from rich.console import Console
from rich.text import Text

from harness.ops import Operation
from harness.oracle import INJECTED
from harness.report import FindingRecord, OperationRecord, Report, Verdict

__all__ = ["WIDTH", "as_text", "print_report"]

WIDTH: Final = 80

_WORDS: Final = {
    "held": ("held", "green"),
    "violated": ("VIOLATED", "bold red"),
    "not-exercised": ("n/e", "yellow"),
    "inconclusive": ("inconcl.", "yellow"),
    "error": ("error", "bold yellow"),
}
_CELL: Final = max(len(word) for word, _ in _WORDS.values())
_LABEL: Final = 14
_COLUMNS_MAX: Final = (WIDTH - _LABEL) // (_CELL + 1)
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
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    for line in _lines(report, directory):
        # Lines are broken already, where a person would break them.
        console.print(line, soft_wrap=True)


def _lines(report: Report, directory: Path | None) -> Iterator[Text]:
    yield Text(f"harness {report.version}: {report.subject}", "bold")
    yield Text()
    yield from _matrix(report.verdicts)
    yield from _notes(report.verdicts)
    for number, finding in enumerate(report.findings, 1):
        yield Text()
        yield from _story(number, finding, directory)
    yield Text()
    yield from _coverage(report.verdicts)
    yield Text()
    yield from _closing(report, directory)


# -- the matrix ------------------------------------------------------------------------------------


def _matrix(verdicts: list[Verdict]) -> Iterator[Text]:
    guarantees = list(dict.fromkeys(verdict.guarantee for verdict in verdicts))
    profiles = list(dict.fromkeys(verdict.profile for verdict in verdicts))
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
                word, style = _WORDS[cells[guarantee, profile]]
                line.append(f"{word:<{_CELL}} ", style)
            line.rstrip()
            yield line


def _row(parts: Iterable[str]) -> str:
    return "".join(f"{part:<{_CELL}} " for part in parts)


def _head(name: str) -> list[str]:
    """Break a profile's name over several lines of a cell's width, at its hyphens."""
    return textwrap.wrap(name, _CELL) or [""]


def _notes(verdicts: list[Verdict]) -> Iterator[Text]:
    """Say what a verdict other than held and violated means, once for each reason."""
    reasons: dict[tuple[str, str], dict[str, list[str]]] = {}
    for one in verdicts:
        if one.verdict in ("held", "violated"):
            continue
        where = reasons.setdefault((one.verdict, one.note or "no reason given"), {})
        where.setdefault(one.guarantee, []).append(one.profile)
    if reasons:
        yield Text()
    for (verdict, note), where in reasons.items():
        every = len({one.profile for one in verdicts})
        names = ", ".join(
            guarantee if len(profiles) == every else f"{guarantee} ({', '.join(profiles)})"
            for guarantee, profiles in where.items()
        )
        word = _WORDS[verdict][0]
        meaning = "" if word == verdict else f"{word} = "
        yield from _wrapped(f"{meaning}{verdict}: {names}: {note}", "", "    ", "yellow")


# -- findings --------------------------------------------------------------------------------------


def _story(number: int, finding: FindingRecord, directory: Path | None) -> Iterator[Text]:
    head = f"{number}. {finding.guarantee} broken: {finding.severity}"
    yield Text(f"{head}{finding.id:>{max(WIDTH - len(head), len(finding.id) + 2)}}", "bold red")
    culprit = finding.culprit
    if culprit is not None:
        yield Text(f"   {culprit.file}:{culprit.line} in {culprit.function}", "cyan")
        if culprit.source:
            yield Text(f"       {culprit.source}", "bold")
    yield from _wrapped(finding.summary, "   ", "   ")
    yield from _told("workload", "; ".join(_operations(finding.workload)))
    yield from _told("fault", _fault(finding))
    lost = [f"{part} (call {i})" for i, part in finding.lost]
    if lost or "fault" not in finding.fault:
        yield from _told("lost", ", ".join(lost) or "nothing: all that was done is on disk")
    yield from _told("observed", finding.observed)
    yield from _told("allowed", " or ".join(finding.allowed) or "none of this")
    if finding.fix is not None:
        proven = finding.fix.verified
        after = finding.fix.violations_after
        tried = (
            "not tried yet"
            if proven is None
            else f"proven by {proven}: {finding.fix.violations_before} violations before, "
            f"{after} after"
        )
        yield from _told("fix", f"{finding.fix.change} ({tried})", "green")
    states = f"{finding.states:,} crash state{'s' * (finding.states != 1)}"
    yield from _told(
        "seen", f"in {states}, under {', '.join(finding.profiles)}; replayed {finding.replays}"
    )
    if finding.repro is not None:
        path = finding.repro if directory is None else str(directory / finding.repro)
        yield from _told("repeat", f"harness replay {path}")
    else:
        yield from _told("repeat", "check again with --report DIR to keep a file for replay")


def _told(head: str, text: str, style: str = "") -> Iterator[Text]:
    lead = f"   {head:<{_STORY}}"
    yield from _wrapped(text, lead, " " * len(lead), style)


def _operations(workload: list[OperationRecord]) -> list[str]:
    return [
        f"{'before it, ' * op.setup}{Operation(op.op, op.key, op.value)}"  # type: ignore[arg-type]
        for op in workload
    ]


def _fault(finding: FindingRecord) -> str:
    fault = finding.fault
    if "fault" in fault:
        during = f", in {fault['operation']}" if fault.get("operation") else ""
        return f"{fault['kind']}: {fault['fault']}{during}"
    text = f"{fault.get('kind', 'fault')} ({fault.get('profile', 'any profile')})"
    if "killed_after" in fault:
        text += f", killed after {_calls(fault['killed_after'])}"
    if "after" in fault:
        text += f", after {_calls(fault['after'])}"
    if fault.get("operation"):
        state = "in flight" if fault.get("in_flight") else "returned"
        text += f", {fault['operation']} {state}"
    return text


def _calls(count: object) -> str:
    return f"{count} call{'s' * (count != 1)}"


def _wrapped(text: str, first: str, rest: str, style: str = "") -> Iterator[Text]:
    """Break a text into lines; a long path stays whole, so that it can be copied."""
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines or [first.rstrip()]:
        yield Text(line, style)


# -- coverage --------------------------------------------------------------------------------------


def _coverage(verdicts: list[Verdict]) -> Iterator[Text]:
    """State how much was looked at; guarantees judged on the same states share a row."""
    rows: dict[tuple[str, int, int, int, str], list[str]] = {}
    for one in verdicts:
        # What other faults than crashes show is the same under every profile, so it stands once.
        label = one.guarantee if one.guarantee in INJECTED else one.profile
        key = (label, one.workloads, one.faults, one.crash_states, _extent(one))
        rows.setdefault(key, []).append(one.guarantee)
    shared = len(rows) == len({key[0] for key in rows})
    width = max([len("profile"), *(len(key[0]) for key in rows)]) + 1
    yield Text(f"{'profile':<{width}}{'workloads':>9}{'faults':>9}{'states':>9}  coverage", "bold")
    for (profile, workloads, faults, states, extent), guarantees in rows.items():
        line = f"{profile:<{width}}{workloads:>9,}{faults:>9,}{states:>9,}  {extent}"
        yield Text(line if shared else f"{line}: {', '.join(dict.fromkeys(guarantees))}")
    notes: dict[str, dict[str, None]] = {}
    for one in verdicts:
        if one.verdict == "held" and one.note is not None:
            notes.setdefault(one.note, {})[one.profile] = None
    for note, profiles in notes.items():
        yield from _wrapped(f"{', '.join(profiles)}: {note}", "", "    ")


_DIGITS_MAX: Final = 15


def _extent(verdict: Verdict) -> str:
    if verdict.exhaustive:
        return "exhaustive"
    possible = verdict.crash_states_possible
    if possible is None:
        return "sampled; too many to count"
    number = f"{possible:,}"
    if len(str(possible)) > _DIGITS_MAX:
        # Not a float's format: counts grow past the largest float.
        digits = str(possible)
        number = f"{digits[0]}.{digits[1]}e{len(digits) - 1}"
    return f"sampled, of at most {number}"


# -- the end ---------------------------------------------------------------------------------------


def _closing(report: Report, directory: Path | None) -> Iterator[Text]:
    stats = report.stats
    yield from _wrapped(
        f"{stats.crash_states:,} crash states judged in {stats.seconds:.1f} s: "
        f"{stats.executed:,} recoveries run, {stats.reused:,} known already; "
        f"seed {report.seed}, plan {report.plan_hash}",
        "",
        "",
    )
    if directory is not None:
        yield Text(f"report in {directory / 'report.json'}")
    names = {verdict.verdict for verdict in report.verdicts}
    if report.findings:
        count = len(report.findings)
        worst = report.findings[0].severity
        yield Text(f"violated: {count} finding{'s' * (count != 1)}, worst {worst}", "bold red")
    elif names == {"held"}:
        yield Text("conforms: every verdict held", "bold green")
    else:
        yield Text("inconclusive: nothing found, but see above what was not judged", "bold yellow")
