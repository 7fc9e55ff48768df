"""A report as one page: no script, no request, readable on paper and in the dark.

What a subject says (keys, file contents, source lines) is other people's text: the template escapes
all of it, and the page forbids itself scripts and requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
from harness.scene import Act, Exhibit, Span, Step

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["as_html"]

_ACROSS: Final = 9
"""Calls side by side before the timeline goes on below."""

_FATES: Final = {
    "synced": "synced",
    "kept": "on disk",
    "partly": "partly lost",
    "torn": "torn",
    "lost": "lost",
    "ran": "",
    "failed": "failed",
    "never": "never made",
}


@dataclass(frozen=True, slots=True)
class _Box:
    column: int
    row: str = "2"
    step: Step | None = None
    name: str = ""
    about: str = ""
    word: str = ""
    bar: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class _Op:
    text: str
    first: int
    last: int
    style: str
    row: int = 1


@dataclass(frozen=True, slots=True)
class _Strip:
    columns: str
    spans: tuple[_Op, ...]
    boxes: tuple[_Box, ...]
    lanes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    step: Step | None = None
    word: str = ""
    operation: str = ""
    bar: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class _Shown:
    record: FindingRecord
    place: str | None
    story: tuple[tuple[str, str], ...]
    exhibit: Exhibit | None
    strips: tuple[tuple[_Strip, ...], ...]
    rows: tuple[tuple[_Row, ...], ...]


def as_html(
    report: Report, exhibits: Mapping[str, Exhibit] | None = None, directory: Path | None = None
) -> str:
    """Render a report as one self-contained page.

    Args:
        report: The report.
        exhibits: What there is to show of each finding, by its id.
        directory: Where the reproductions are; None if they are not written.
    """
    kind, line = conclusion(report)
    return _template().render(
        report=report,
        css=_stylesheet(),
        kind=kind,
        conclusion=line.replace("but see above", "but see below"),
        guarantees=guarantees_of(report),
        profiles=profiles_of(report),
        cells=_Cells({(one.guarantee, one.profile): one for one in report.verdicts}),
        reasons=reasons(report.verdicts),
        coverage=coverage(report.verdicts),
        findings=[_shown(one, (exhibits or {}).get(one.id), directory) for one in report.findings],
    )


class _Cells(dict[tuple[str, str], object]):
    """The matrix: a pair that was not judged together has no verdict."""

    def __missing__(self, key: tuple[str, str]) -> None:
        return None


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - rare

    environment = Environment(
        loader=PackageLoader("harness.render", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


@cache
def _stylesheet() -> str:
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja2

    text = (resources.files("harness.render") / "page" / "report.css").read_text("utf-8")
    return Markup(text)  # noqa: S704 - our own file, in the package


def _shown(finding: FindingRecord, exhibit: Exhibit | None, directory: Path | None) -> _Shown:
    acts = exhibit.acts if exhibit is not None else ()
    return _Shown(
        record=finding,
        place=place_of(finding),
        story=tuple(_story(finding, exhibit, directory)),
        exhibit=exhibit,
        strips=tuple(tuple(_strips(act)) for act in acts),
        rows=tuple(tuple(_rows(act)) for act in acts),
    )


def _story(
    finding: FindingRecord, exhibit: Exhibit | None, directory: Path | None
) -> Iterator[tuple[str, str]]:
    yield "workload", "; ".join(operations(finding.workload))
    yield "fault", fault_words(finding)
    lost = lost_words(finding)
    if exhibit is not None and finding.lost:
        # Calls of the timeline have numbers of their own: a trace counts marks as well.
        lost = ", ".join(
            f"{part} (call {step.number})" for step in exhibit.acts[-1].steps for part in step.lost
        )
    if lost:
        yield "lost", lost
    yield "observed", finding.observed
    yield "allowed", " or ".join(finding.allowed) or "none of this"
    fix = fix_words(finding)
    if fix is not None:
        yield "fix", fix
    needs = needs_words(finding)
    if needs is not None:
        yield "why", needs
    yield "seen", seen_words(finding)
    if finding.repro is not None:
        path = finding.repro if directory is None else str(directory / finding.repro)
        yield "repeat", f"harness replay {path}"


# -- the timeline ----------------------------------------------------------------------------------


def _bars(act: Act) -> dict[int, tuple[str, str, str]]:
    """Say after which calls a bar stands: its style, its short and its long label."""
    bars = {}
    if act.killed_after is not None:
        bars[act.killed_after] = "kill", "killed", "the process is killed; another one goes on"
    if act.crash_after is not None:
        where = f", in the middle of call {act.crash_after + 1}" if act.in_call else ", here"
        bars[act.crash_after + act.in_call] = "crash", act.bar, f"{act.ending}{where}"
    return bars


def _strips(act: Act) -> Iterator[_Strip]:
    """Break a timeline into lines of a page's width, like music: a staff for each writer."""
    bars = _bars(act)
    count = len(act.steps)
    # Each lane has two rows of the grid: what is done, and the calls it takes.
    row_of = {name: 2 * number + 1 for number, name in enumerate(act.lanes)} or {"": 1}
    every_row = f"1 / {2 * len(row_of) + 1}"
    for start in range(0, max(count, 1), _ACROSS):
        end = min(start + _ACROSS, count)
        boxes: list[_Box] = []
        widths: list[str] = ["1.5rem"] if act.lanes else []
        column_of: dict[int, int] = {}

        def bar(after: int, boxes: list[_Box] = boxes, widths: list[str] = widths) -> None:
            if after in bars:
                widths.append("1.5rem")
                style, label, _ = bars[after]
                boxes.append(_Box(len(widths), every_row, bar=style, label=label))

        if start == 0:
            bar(0)
        for step in act.steps[start:end]:
            widths.append("minmax(0, 1fr)")
            column_of[step.number] = len(widths)
            boxes.append(_box(len(widths), step, row_of.get(step.writer, 1) + 1))
            bar(step.number)
        widths += ["minmax(0, 1fr)"] * (_ACROSS - (end - start) if count > _ACROSS else 0)
        yield _Strip(
            " ".join(widths),
            tuple(_ops(act.spans, column_of, row_of)),
            tuple(boxes),
            tuple((name, row_of[name]) for name in act.lanes),
        )


def _ops(
    spans: tuple[Span, ...], column_of: dict[int, int], row_of: dict[str, int]
) -> Iterator[_Op]:
    for span in spans:
        columns = [column_of[n] for n in range(span.first, span.last + 1) if n in column_of]
        if columns:
            style = {"in flight": "flight", "never": "never"}.get(span.state, "")
            row = row_of.get(span.writer, 1)
            yield _Op(span.text, columns[0], columns[-1] + 1, style, row)


def _box(column: int, step: Step, row: int) -> _Box:
    name, _, rest = step.call.partition("(")
    paths = rest.split('"')[1::2]
    # Only these take a second path; what else is quoted is data.
    count = 2 if name in ("rename", "link", "symlink") else 1
    about = " → ".join(path.rpartition("/")[2] or path for path in paths[:count])
    return _Box(column, str(row), step, f"{step.number} {name}", about, _FATES[step.fate])


def _rows(act: Act) -> Iterator[_Row]:
    """Give the table: operations as headings, the crash as a row of its own."""
    bars = _bars(act)
    headings: dict[int, list[str]] = {}
    for span in act.spans:
        crashed = act.crash_after is not None and act.bar == "CRASH"
        flight = ", in flight at the crash" if crashed else ", never returns"
        state = {"in flight": flight, "never": ", never made"}
        asked = "" if span.last >= span.first else " asks nothing of the disk"
        who = f"{span.writer}: " if span.writer else ""
        headings.setdefault(span.first, []).append(
            f"{who}{span.text}{asked}{state.get(span.state, '')}"
        )
    if 0 in bars:
        yield _Row(bar=bars[0][0], label=bars[0][2])
    for step in act.steps:
        for text in headings.get(step.number, ()):
            yield _Row(operation=text)
        yield _Row(step, _FATES[step.fate])
        if step.number in bars:
            style, _, label = bars[step.number]
            yield _Row(bar=style, label=label)
    for text in headings.get(len(act.steps) + 1, ()):
        yield _Row(operation=text)
