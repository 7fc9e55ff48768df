"""A stress run for a person: lines while it runs, and the report at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from rich.text import Text

from harness.render.lines import print_lines
from harness.render.text import finding_lines, wrapped
from harness.stress.engine import Engine
from harness.stress.plans import FEATURES
from harness.stress.records import StressReport
from harness.stress.report import can_test
from harness.stress.tally import Tally

__all__ = ["as_text", "line_of", "panel", "print_report", "table"]

_HEADS: Final = {
    "atomicity": "atomic",
    "durability": "durable",
    "clean-failure": "clean-f",
    "integrity": "integr",
    "recovery": "recover",
    "isolation": "isolat",
}
_FEATURE: Final = 16
_CELL: Final = 7


def table(tally_or_report: Tally | StressReport, judged: list[str]) -> Iterator[Text]:
    """Show in how many rounds each feature met each guarantee."""
    heads = "".join(f"{_HEADS.get(name, name)[:_CELL]:>{_CELL + 1}}" for name in judged)
    yield Text(f"{'rounds with':<{_FEATURE}}{heads}", "bold")
    for feature in FEATURES:
        line = Text(f"{feature:<{_FEATURE}}")
        for name in judged:
            if isinstance(tally_or_report, Tally):
                count = tally_or_report.tested(feature, name)
            else:
                count = tally_or_report.table.get(feature, {}).get(name, 0)
            if not count and not can_test(feature, name):
                line.append(f"{'.':>{_CELL + 1}}", "dim")
            else:
                line.append(f"{count:>{_CELL + 1},}", "" if count else "bold yellow")
        yield line


def line_of(engine: Engine) -> str:
    """Say in a line where a run stands."""
    tally, elapsed = engine.tally, engine.elapsed
    stress = engine.stress
    parts = [
        f"{_clock(elapsed)}: {tally.rounds:,} rounds",
        f"{tally.states:,} states ({_rate(tally, elapsed)}/s)",
        f"{len(tally.found)} findings",
    ]
    if tally.broke:
        parts.append(f"{len(tally.broke)} rounds broke down")
    if engine.shrinking:
        parts.append(f"{engine.shrinking} to shrink")
    elif stress.seconds is not None:
        parts.append(f"{_clock(max(stress.seconds - elapsed, 0))} left")
    elif stress.rounds is not None:
        parts.append(f"of {stress.rounds:,} rounds")
    return ", ".join(parts)


def panel(engine: Engine) -> Text:
    """Show everything about a run that is going on."""
    tally = engine.tally
    lines = [Text(line_of(engine), "bold")]
    by_guarantee = Counter(_guarantee(name) for name in tally.found)
    if by_guarantee:
        told = ", ".join(f"{name} {count}" for name, count in sorted(by_guarantee.items()))
        lines.append(Text(f"findings: {told}", "bold red"))
    lines.append(Text(f"{len(tally.signs):,} different things seen, in {len(tally.new)} rounds"))
    lines.append(Text())
    lines += table(tally, list(engine.stress.judged))
    return Text("\n").join(lines)


def _guarantee(name: str) -> str:
    return name.rpartition("-")[0]


def _rate(tally: Tally, elapsed: float) -> str:
    return f"{tally.states / elapsed:,.0f}" if elapsed >= 1 else "-"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


# -- at the end -------------------------------------------------------------------------------


def as_text(report: StressReport, directory: Path) -> str:
    """Render a report as plain text."""
    return "".join(f"{line.plain}\n" for line in _lines(report, directory))


def print_report(report: StressReport, directory: Path, stream: IO[str]) -> None:
    """Print a report, in colour if the stream is a terminal."""
    print_lines(_lines(report, directory), stream)


def _lines(report: StressReport, directory: Path) -> Iterator[Text]:
    part = f", shard {report.shard}" if report.shard else ""
    yield Text(f"harness {report.version}: stress on {report.subject}{part}", "bold")
    yield Text()
    yield from table(report, list(report.guarantees))
    yield Text()
    yield from _wrapped(
        "never exercised: " + (", ".join(report.never) if report.never else "nothing was left out")
    )
    for number, finding in enumerate(report.findings, 1):
        yield Text()
        yield from finding_lines(number, finding, directory)
    for one in report.broken:
        yield Text()
        shown = ", ".join(one.rounds[:6]) + (", ..." if len(one.rounds) > 6 else "")  # noqa: PLR2004
        yield from _wrapped(
            f"{one.kind}: {one.detail} ({one.times} tries); rounds {shown}", "bold red"
        )
        yield from _wrapped(f"  repeat: {_again(report, one.rounds[0], directory)}")
    for text in report.unsteady:
        yield Text()
        yield from _wrapped(f"not steady: {text}", "yellow")
    for what, count in report.errors.items():
        yield Text()
        yield from _wrapped(f"not simulated in {count} rounds: {what}", "yellow")
    yield Text()
    yield from _curve(report)
    yield from _closing(report)


def _again(report: StressReport, key: str, directory: Path) -> str:
    if key.startswith("corpus:"):
        name = f"round-{key.replace(':', '-')}.plan.json"
        return f"harness stress {report.subject} --plan {directory / name}"
    return f"harness stress {report.subject} --seed {report.seed} --round {key}"


def _curve(report: StressReport) -> Iterator[Text]:
    if not report.curve:
        return
    yield Text("new findings", "bold")
    for rounds, count in report.curve[-10:]:
        yield Text(f"{count:>6}  {'#' * min(count, 40)} by round {rounds:,}")


def _closing(report: StressReport) -> Iterator[Text]:
    timing = report.timing
    corpus = f" and {report.corpus} of the corpus" if report.corpus else ""
    yield from _wrapped(
        f"{report.rounds:,} rounds{corpus}: {report.states:,} crash states judged in "
        f"{timing.seconds:,.0f} s ({timing.states_per_second:,.0f}/s), {report.executed:,} "
        f"recoveries run, {report.reused:,} known already; seed {report.seed}, plan "
        f"{report.plan_hash}"
    )
    count = len(report.findings)
    if count:
        text = f"violated: {count} finding{'s' * (count > 1)}, worst {report.findings[0].severity}"
        yield Text(text, "bold red")
    elif report.broken:
        yield Text(f"broke down: {len(report.broken)} ways to end the process", "bold red")
    else:
        yield Text("nothing found", "bold green")


def _wrapped(text: str, style: str = "") -> Iterator[Text]:
    return wrapped(text, "", "    ", style)
