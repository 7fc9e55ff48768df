"""Down-closed sets of a small partial order: count them, list them, draw one.

A crash state is such a set: whatever a node needs is in it too. Nodes are bits of an integer. Parts
of the order that do not touch each other multiply, so everything works on its connected components.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import product
from math import prod
from random import Random

__all__ = ["Component", "Order"]


def _bits(bits: int) -> Iterator[int]:
    """Yield the bits of an integer, the highest first: what needs most comes last."""
    while bits:
        high = 1 << (bits.bit_length() - 1)
        yield high
        bits ^= high


class Component:
    """Units that hang together, in an order in which needs come first.

    Args:
        units: Bits of each unit; a unit of several bits is taken or left as one.
        needs: For each unit, the bits that must be in before it.
    """

    def __init__(self, units: Sequence[int], needs: Sequence[int]) -> None:
        self.units = tuple(units)
        self.needs = tuple(needs)
        self.bits = 0
        for unit in units:
            self.bits |= unit

    @cached_property
    def is_chain(self) -> bool:
        """Whether each unit needs the one before it, so that the sets are its prefixes."""
        return all(need & unit for unit, need in zip(self.units, self.needs[1:], strict=False))

    @cached_property
    def count(self) -> int:
        """How many down-closed sets there are, the empty one included."""
        if self.is_chain:
            return len(self.units) + 1
        return self._count(self.bits, {})

    def _count(self, remaining: int, memo: dict[int, int]) -> int:
        """Count the down-closed sets of what remains; needs outside it count as met."""
        if not remaining:
            return 1
        known = memo.get(remaining)
        if known is not None:
            return known
        # Either the last unit is out, or it is in with all it needs: what is above an excluded
        # unit goes with it, and the last one has nothing above it. Units that need nothing and
        # that nothing needs are a factor of two each, so the order does not blow up on them.
        last = next(
            (unit, need)
            for unit, need in zip(reversed(self.units), reversed(self.needs), strict=True)
            if unit & remaining
        )
        without = self._count(remaining & ~last[0], memo)
        below = self._below(last[1] & remaining, remaining)
        total = without + self._count(remaining & ~last[0] & ~below, memo)
        memo[remaining] = total
        return total

    @cached_property
    def _closures(self) -> dict[int, int]:
        """For each bit its unit with all that needs, directly or not."""
        closures: dict[int, int] = {}
        for unit, need in zip(self.units, self.needs, strict=True):
            closed = unit
            for bit in _bits(need):
                closed |= closures[bit]
            for bit in _bits(unit):
                closures[bit] = closed
        return closures

    def _below(self, need: int, remaining: int) -> int:
        """All that some bits need, directly or not, among what remains.

        What no longer remains cannot stand between two units that do: it was taken away with all
        above it, or with all below it.
        """
        found = 0
        for bit in _bits(need):
            if not bit & found:
                found |= self._closures[bit]
        return found & remaining

    def sets(self) -> list[int]:
        """List all down-closed sets, the empty one first, each after its subsets by one unit."""
        found = [0]
        for unit, need in zip(self.units, self.needs, strict=True):
            found += [taken | unit for taken in found if not need & ~taken]
        return found

    def draw(self, random: Random) -> int:
        """Draw one down-closed set; every one of them can come."""
        taken = 0
        keep = random.random()
        for unit, need in zip(self.units, self.needs, strict=True):
            if not need & ~taken and random.random() < keep:
                taken |= unit
        return taken

    def above(self, bits: int) -> int:
        """All units that need some of the bits, directly or not, with the bits themselves."""
        found = bits
        for unit, need in zip(self.units, self.needs, strict=True):
            if (unit & found) or (need & found):
                found |= unit
        return found

    def below(self, bits: int) -> int:
        """All that some bits need, directly or not, with the bits themselves."""
        return self._below(bits & self.bits, self.bits)


class Order:
    """A partial order as its components."""

    def __init__(self, units: Sequence[int], needs: Sequence[int]) -> None:
        self.components = _split(units, needs)

    @classmethod
    def of(cls, components: list[Component]) -> Order:
        """Make an order of components that are split already."""
        order = cls((), ())
        order.components = components
        return order

    @property
    def count(self) -> int:
        """How many down-closed sets there are."""
        return prod(component.count for component in self.components)

    def sets(self) -> Iterable[int]:
        """Yield all down-closed sets; memory grows with the components, not with their product."""
        if not self.components:
            yield 0
            return
        lists = [component.sets() for component in self.components]
        if len(lists) == 1:
            yield from lists[0]
            return
        for parts in product(*lists):
            taken = 0
            for part in parts:
                taken |= part
            yield taken

    def draw(self, random: Random) -> int:
        """Draw one down-closed set."""
        taken = 0
        for component in self.components:
            taken |= component.draw(random)
        return taken

    def above(self, bits: int) -> int:
        """Close some bits upwards: everything that cannot be there without them."""
        found = bits
        for component in self.components:
            if component.bits & bits:
                found |= component.above(bits & component.bits)
        return found

    def below(self, bits: int) -> int:
        """Close some bits downwards: everything they cannot be there without."""
        found = bits
        for component in self.components:
            if component.bits & bits:
                found |= component.below(bits)
        return found


def _split(units: Sequence[int], needs: Sequence[int]) -> list[Component]:
    """Split an order into its connected components, each in the order given."""
    parent = list(range(len(units)))
    owner: dict[int, int] = {}
    for number, unit in enumerate(units):
        bits = unit
        while bits:
            low = bits & -bits
            owner[low] = number
            bits ^= low

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for number, need in enumerate(needs):
        bits = need
        while bits:
            low = bits & -bits
            parent[root(number)] = root(owner[low])
            bits ^= low
    groups: dict[int, list[int]] = {}
    for number in range(len(units)):
        groups.setdefault(root(number), []).append(number)
    return [
        Component([units[n] for n in members], [needs[n] for n in members])
        for members in groups.values()
    ]
