"""A schedule as data: who makes each step, and who dies where.

As text, ``A*12 B*5 !A`` reads: A makes twelve steps, B five, A is killed where it stands, and B
goes on. Where a schedule ends, or names a writer that cannot run, whoever ran last goes on, and
else the first that can.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Final, TypeAlias

__all__ = ["Schedule", "parse_schedule", "schedule_text", "switches"]

Schedule: TypeAlias = tuple[int, ...]
"""A writer's number for each step; ``~number`` kills that writer."""

_TURN: Final = re.compile(r"([A-Z])\*([1-9][0-9]{0,6})|!([A-Z])")


def schedule_text(schedule: Iterable[int]) -> str:
    """Write a schedule down."""
    turns = []
    for choice, group in groupby(schedule):
        count = sum(1 for _ in group)
        if choice < 0:
            turns.append(f"!{_letter(~choice)}")
        else:
            turns.append(f"{_letter(choice)}*{count}")
    return " ".join(turns)


def _letter(writer: int) -> str:
    return chr(ord("A") + writer)


def parse_schedule(text: str) -> Schedule:
    """Read a schedule.

    Raises:
        ValueError: It is none.
    """
    schedule: list[int] = []
    for turn in text.split():
        match = _TURN.fullmatch(turn)
        if match is None:
            raise ValueError(f"{turn!r} is no turn of a schedule; give A*12, or !A for a kill")
        if match[3] is not None:
            schedule.append(~(ord(match[3]) - ord("A")))
        else:
            schedule += [ord(match[1]) - ord("A")] * int(match[2])
    return tuple(schedule)


def switches(schedule: Sequence[int]) -> int:
    """Count how often another writer goes on, kills not counted."""
    steps = [choice for choice in schedule if choice >= 0]
    return sum(one != other for one, other in pairwise(steps))
