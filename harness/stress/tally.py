"""Counting what rounds came to: in their order, whatever order they were done in.

Everything here is a function of the set of rounds done, so a run that was killed and resumed, a run
with other workers and the joined shards of a run count the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.errors import UsageError
from harness.shards import block_size, shard_of_round
from harness.stress.plans import plan_cost
from harness.stress.records import Breakdown, Cell, RoundRecord, Stress

__all__ = ["InOrder", "Tally", "sequence"]


def sequence(stress: Stress) -> Iterator[str]:
    """Yield the keys of the rounds to do, in order: the corpus, then as many as one likes."""
    number, count = stress.shard or (1, 1)
    for place, name in enumerate(stress.header.corpus):
        if place % count == number - 1:
            yield f"corpus:{name}"
    first = 0
    while stress.rounds is None or first < stress.rounds:
        size = block_size(count)
        if count == 1:
            mine = list(range(first, first + size))
        else:
            costs = [plan_cost(stress.drawn(str(first + place))) for place in range(size)]
            mine = shard_of_round(costs, first, count)[number - 1]
        for one in mine:
            if stress.rounds is None or one < stress.rounds:
                yield str(one)
        first += size


class Tally:
    """The counts.

    Attributes:
        rounds: Rounds done, those of the corpus left out.
        corpus: Plans of the corpus that were run.
        states: Crash states judged.
        executed: Recoveries run.
        reused: Recoveries that an earlier one stood for.
        guarantees: How often each was put to the test.
        table: Rounds by feature and guarantee.
        features: Rounds by feature.
        found: For each cause, the profiles that show it, each with how many states.
        broke: Rounds that ended their process.
        errors: What could not be simulated, and in how many rounds.
        signs: Hashes of what was seen.
        curve: Rounds counted and causes known then, at each new one.
        curve_seconds: Wall time of the run and causes known then.
        new: Rounds that found a cause, or saw something, that none before them had.
        seconds: CPU time of the rounds.
        elapsed: Wall time of the run so far.
    """

    def __init__(self) -> None:
        self.rounds = self.corpus = self.states = self.executed = self.reused = 0
        self.guarantees: dict[str, Cell] = {}
        self.table: dict[str, Counter[str]] = {}
        self.features: Counter[str] = Counter()
        self.found: dict[str, dict[str, int]] = {}
        self.broke: list[tuple[str, str, Breakdown]] = []
        self.errors: Counter[str] = Counter()
        self.signs: set[int] = set()
        self.curve: list[tuple[int, int]] = []
        self.curve_seconds: list[tuple[float, int]] = []
        self.new: list[tuple[str, list[int]]] = []
        self.seconds = self.elapsed = 0.0

    def tested(self, feature: str, guarantee: str) -> int:
        """Count rounds that had a feature and put a guarantee to the test."""
        return self.table[feature][guarantee] if feature in self.table else 0

    def add(self, one: RoundRecord) -> None:
        """Count a round; all before it have been."""
        if one.key.startswith("corpus:"):
            self.corpus += 1
        else:
            self.rounds += 1
        self.states += one.states
        self.executed += one.executed
        self.reused += one.reused
        self.seconds += one.seconds
        self.elapsed = max(self.elapsed, one.at)
        self.features.update(one.features)
        for guarantee, faults in one.exercised.items():
            cell = self.guarantees.setdefault(guarantee, Cell())
            cell.rounds += 1
            cell.faults += faults
            for feature in one.features:
                self.table.setdefault(feature, Counter())[guarantee] += 1
        for name, counts in one.found.items():
            if name not in self.found:
                self.found[name] = {}
                self.curve.append((self.rounds, len(self.found)))
                self.curve_seconds.append((round(one.at, 3), len(self.found)))
            known = self.found[name]
            for profile, count in counts.items():
                known[profile] = known.get(profile, 0) + count
        for what, why in one.errors.items():
            self.errors[f"{what}: {why}"] += 1
        if one.broke is not None:
            self.broke.append((one.key, one.plan, one.broke))
        fresh = [sign for sign in one.signs if sign not in self.signs]
        if fresh:
            self.signs.update(fresh)
            self.new.append((one.key, sorted(one.signs)))


class InOrder:
    """Hands rounds on in the order of a sequence, whenever they come.

    Args:
        tally: Where they are counted.
        keys: The order.
    """

    def __init__(self, tally: Tally, keys: Iterator[str]) -> None:
        self._tally = tally
        self._keys = keys
        self._next = next(keys, None)
        self._early: dict[str, RoundRecord] = {}

    def add(self, one: RoundRecord) -> None:
        """Take a round that is done.

        Raises:
            UsageError: It was counted before.
        """
        if one.key in self._early:
            raise UsageError(f"round {one.key} is there twice")
        self._early[one.key] = one
        while self._next is not None and self._next in self._early:
            self._tally.add(self._early.pop(self._next))
            self._next = next(self._keys, None)

    def rest(self) -> list[RoundRecord]:
        """Give those whose predecessors are not done, in order of arrival."""
        return list(self._early.values())

    def flush(self, stress: Stress) -> None:
        """Count what is left, gaps and all: the run ended in the middle."""
        for one in sorted(self._early.values(), key=lambda one: stress.order(one.key)):
            self._tally.add(one)
        self._early.clear()
