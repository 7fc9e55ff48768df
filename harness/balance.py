"""Sharing scenarios out to the workers of pytest-xdist: by what they cost, not by how many.

All guarantees that crash states put to the test are judged on the same states of a profile, and
those with faults of their own on the same runs for all profiles. Tests that share such work go to
one worker, or each would do it again. What is dearest goes first, and whoever is done takes the
next (Graham, Bounds on Multiprocessing Timing Anomalies, 1969). Costs are those measured in the
last run, kept in pytest's cache; in the first, work that is one for all profiles goes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from xdist.scheduler import LoadScopeScheduling

from harness.guarantees import INJECTED, RACED

if TYPE_CHECKING:
    import pytest

__all__ = ["CACHE", "Balanced", "costs_of", "place_of_test"]

CACHE: Final = "checkpoint-harness/costs"
"""Where pytest's cache has the costs of the last run: seconds for each place."""

_SCENARIO: Final = re.compile(r"(?:^|/)test_(\w+)\.py::test_\1\[([^\]]+)\]$")


def place_of_test(nodeid: str) -> str | None:
    """Name the work that a scenario's test shares with others; None of another test."""
    found = _SCENARIO.search(nodeid)
    if found is None:
        return None
    guarantee = found[1].replace("_", "-")
    return guarantee if guarantee in (*INJECTED, RACED) else found[2]


def costs_of(durations: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Add up what each place cost.

    Args:
        durations: Id of each test, and the seconds that it took.
    """
    costs: dict[str, float] = {}
    for nodeid, seconds in durations:
        place = place_of_test(nodeid)
        if place is not None:
            costs[place] = round(costs.get(place, 0.0) + seconds, 3)
    return costs


class Balanced(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Deals out what shares its work as one, the dearest first."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        cache = getattr(config, "cache", None)
        known = None if cache is None else cache.get(CACHE, None)
        self._costs: dict[str, float] = known if isinstance(known, dict) else {}

    def _split_scope(self, nodeid: str) -> str:
        return place_of_test(nodeid) or nodeid

    def _assign_work_unit(self, node: Any) -> None:
        usual = max(self._costs.values(), default=0.0)
        broad = (*INJECTED, RACED)
        # What was never run may be dear, too; the name only makes it the same every time.
        dearest = max(
            self.workqueue,
            key=lambda place: (self._costs.get(place, usual), place in broad, place),
        )
        self.workqueue.move_to_end(dearest, last=False)
        super()._assign_work_unit(node)
