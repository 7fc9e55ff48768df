"""The progress bar: on a terminal's stderr, and nowhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.runner import Progress

__all__ = ["shown"]


@contextmanager
def shown() -> Iterator[Callable[[Progress], None] | None]:
    """Show a progress bar inside the block, if somebody is there to see it.

    Yields:
        What to call with the progress; None in a pipe.
    """
    stream = sys.stderr
    if not stream.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    # No thread refreshes it: subjects run with the clock and the streams of a simulated machine,
    # and a thread of ours would be among theirs. Nor are the streams wrapped; ours is kept here.
    with Bar(
        TextColumn("{task.fields[units]}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        console=Console(file=stream),
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
        expand=True,
    ) as bar:
        task = bar.add_task("check", total=None, units="workloads", told="")
        bar.refresh()
        started = time.monotonic()

        def update(progress: Progress) -> None:
            rate = progress.states / max(time.monotonic() - started, _SOON_SECONDS)
            bar.update(
                task,
                completed=progress.share,
                total=1.0,
                units=f"{progress.done}/{progress.total} workloads",
                told=told(progress, rate),
            )
            bar.refresh()

        yield update


_SOON_SECONDS: Final = 0.1


def told(progress: Progress, rate: float) -> str:
    """Say where a check stands, in at most 50 columns.

    Args:
        progress: Where.
        rate: States a second.
    """
    states = short(progress.states)
    if progress.possible > progress.states:
        states += f" of {short(progress.possible)}{'' if progress.countable else '+'}"
    findings = f"{progress.findings} finding{'s' * (progress.findings != 1)}"
    return f"{states} states, {short(int(rate))}/s, {findings}"


_UNITS: Final = ("", "k", "M", "G", "T")
_PLAIN_MAX: Final = 9999


def short(number: int) -> str:
    """Write a count in at most six columns: 1234, 56.7k, 8.9M, 1e31."""
    if number <= _PLAIN_MAX:
        return str(number)
    thousands = (len(str(number)) - 1) // 3
    if thousands >= len(_UNITS):
        return f"1e{len(str(number)) - 1}"  # counts grow past the largest float
    return f"{number / 1000**thousands:.1f}{_UNITS[thousands]}"
