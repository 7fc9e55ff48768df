"""A stress run as a page: one file, nothing fetched, the curve drawn as SVG."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from harness.stress.plans import FEATURES
from harness.stress.records import StressReport
from harness.stress.report import can_test

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["as_html", "curve_points"]

_WIDTH: Final = 720
_HEIGHT: Final = 220
_MARGIN: Final = 40


def as_html(report: StressReport) -> str:
    """Render a report as a self-contained page."""
    points = curve_points(report)
    rows = [
        (
            feature,
            FEATURES[feature],
            [
                (count, can_test(feature, name))
                for name, count in report.table.get(feature, {}).items()
            ],
        )
        for feature in FEATURES
    ]
    text: str = _template().render(
        report=report,
        rows=rows,
        path=_steps(points),
        width=_WIDTH,
        height=_HEIGHT,
        margin=_MARGIN,
        last_second=points[-1][0] if points else 0,
        last_count=max((count for _, count in points), default=0),
    )
    return text


def curve_points(report: StressReport) -> list[tuple[float, int]]:
    """Give the curve of distinct findings over time, from the start to the end of the run."""
    end = max([report.timing.seconds, *(second for second, _ in report.timing.curve)])
    count = report.timing.curve[-1][1] if report.timing.curve else 0
    return [(0.0, 0), *report.timing.curve, (end, count)]


def _steps(points: list[tuple[float, int]]) -> str:
    """Draw a curve that rises in steps, as an SVG path."""
    wide = max(points[-1][0], 1e-9)
    high = max(*(count for _, count in points), 1)
    inner_x, inner_y = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN

    def place(second: float, count: int) -> tuple[str, str]:
        x = _MARGIN + second / wide * inner_x
        y = _HEIGHT - _MARGIN - count / high * inner_y
        return f"{x:.1f}", f"{y:.1f}"

    first = place(*points[0])
    path = f"M{first[0]},{first[1]}"
    for second, count in points[1:]:
        x, y = place(second, count)
        path += f" H{x} V{y}"
    return path


def _template() -> Template:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - rare

    source = (resources.files("harness.stress") / "stress.html.j2").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)
