"""The progress bar: on a terminal's stderr, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bar  # noqa: PLC0415

    # No thread refreshes it: subjects run with the clock and the streams of a simulated machine,
    # and a thread of ours would be among theirs. Nor are the streams wrapped; ours is kept here.
    with Bar(
        TextColumn("workloads"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[states]:,} states, {task.fields[findings]} findings"),
        TimeElapsedColumn(),
        console=Console(file=stream),
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    ) as bar:
        task = bar.add_task("check", total=None, states=0, findings=0)
        bar.refresh()

        def update(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                states=progress.states,
                findings=progress.findings,
            )
            bar.refresh()

        yield update
