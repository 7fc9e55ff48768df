"""Dividing work without anybody who divides it: each shard knows its part from the plan alone.

Every shard computes the same division and takes its own part, so nothing has to be agreed on while
they run. Parts are balanced by cost: dearest first, each to the part that has least so far (Graham,
Bounds on Multiprocessing Timing Anomalies, 1969: at most 4/3 of the best there is).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from harness.errors import UsageError
from harness.ops import Workload

__all__ = ["cost_of", "dearest_first", "divided", "parse_shard", "shard_of_round"]

_PAGE: Final = 4096
_CALLS: Final = 6
"""System calls that one operation makes in a store of the usual kind, opening included."""

_BLOCK: Final = 16
"""Rounds dealt out together, for each shard: enough to be balanced, few enough to begin with."""


def parse_shard(text: str) -> tuple[int, int]:
    """Read ``K/N``.

    Raises:
        UsageError: It is not that, or K is not one of 1 to N.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"shard {text!r}: give K/N with K from 1 to N, like 1/4")
    return int(found[1]), int(found[2])


def cost_of(workload: Workload) -> int:
    """Estimate what it costs to judge a workload: its crash states, times what each takes.

    Crash states grow with calls and pages written, and so does reading everything back.
    """
    pages = sum(-(-len(op.value or b"") // _PAGE) for op in workload.operations)
    calls = _CALLS * (len(workload.operations) + 1) + pages
    return calls * (calls + workload.stored_bytes // _PAGE)


def dearest_first(costs: Sequence[int]) -> list[int]:
    """Order units so that nobody waits for the last one: the dearest first, then as they were."""
    return sorted(range(len(costs)), key=lambda unit: (-costs[unit], unit))


def divided(costs: Sequence[int], count: int) -> list[list[int]]:
    """Divide units into parts of about the same cost.

    Args:
        costs: Of each unit.
        count: How many parts.

    Returns:
        Numbers of the units of each part, ascending. The same for the same costs, anywhere.
    """
    parts: list[list[int]] = [[] for _ in range(count)]
    sums = [0] * count
    for unit in dearest_first(costs):
        least = min(range(count), key=lambda part: (sums[part], part))
        parts[least].append(unit)
        sums[least] += costs[unit]
    return [sorted(part) for part in parts]


def shard_of_round(costs: Sequence[int], first: int, count: int) -> list[list[int]]:
    """Divide one block of rounds, of which there is no end.

    Args:
        costs: Of the rounds of the block.
        first: Number of its first round.
        count: How many parts.
    """
    return [[first + unit for unit in part] for part in divided(costs, count)]


def block_size(count: int) -> int:
    """Say how many rounds are divided at a time among so many shards."""
    return _BLOCK * count
