"""Trying schedules: all of them up to a number of preemptions.

Most concurrency bugs need very few switches at the wrong place (Musuvathi and Qadeer, *Iterative
context bounding*, PLDI 2007; Lu et al., ASPLOS 2008), so the schedules are those in which at most
so many writers are interrupted; switches where a writer ends, waits or sleeps are free. The fewest
preemptions come first, so what is found first is simplest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.isolation.runs import Run
from harness.isolation.schedules import Schedule

__all__ = ["Extent", "interleavings"]


@dataclass(slots=True)
class Extent:
    """How much was tried.

    Attributes:
        schedules: Run so far.
        exhaustive: Whether none within the bound was left out.
    """

    schedules: int = 0
    exhaustive: bool = True


def interleavings(
    perform: Callable[[Schedule], Run],
    preemptions: int,
    extent: Extent,
    *,
    most: int = 1 << 30,
) -> Iterator[Run]:
    """Run every schedule with at most so many preemptions.

    Each run is a new one from the beginning, following a prefix and then nobody's interruption; at
    each later place where another writer could have gone on, a longer prefix branches off.

    Args:
        perform: Runs one.
        preemptions: How often a writer that could go on is interrupted, at most.
        extent: Told how much was tried.
        most: Schedules after which to stop, not exhaustive then.
    """
    levels: list[list[Schedule]] = [[()], *([] for _ in range(preemptions))]
    for level, pending in enumerate(levels):
        while pending:
            if extent.schedules >= most:
                extent.exhaustive = False
                return
            prefix = pending.pop()
            run = perform(prefix)
            extent.schedules += 1
            yield run
            for choice in run.choices:
                if choice.place < len(prefix):
                    continue
                for other in choice.ready:
                    if other == choice.taken:
                        continue
                    cost = level + (choice.before is not None)
                    if cost <= preemptions:
                        levels[cost].append((*run.taken[: choice.place], other))
