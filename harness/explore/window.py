"""One window: the nodes that are free at one position of a trace, as an order of bits.

A *window* is a position at which sets of nodes become possible that were not before: the middle of
each call that has effects, and the start of an fsync that lifts a need. Bit k stands for node
``offset + k``; all nodes below the offset are on disk for good.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Final

from harness.explore.ideals import Component, Order
from harness.explore.images import Torn
from harness.persistence.effects import Data
from harness.persistence.model import NEVER, SECTOR, Constraints, Node

__all__ = ["FREE_MAX", "Frame", "Page", "Window", "window_at", "windows"]

FREE_MAX: Final = 192
"""Free nodes looked at in one window; older ones that no fsync made durable are taken as on disk,
and the enumeration says that it was not exhaustive."""

_SPAN_MAX: Final = 1024
"""The same for nodes, free or not, since the oldest free one: what a window costs."""


@dataclass(frozen=True, slots=True)
class Window:
    """A position that adds crash states.

    Attributes:
        position: See `harness.persistence.model`; 0 is before the first call.
        offset: Number of leading nodes that are on disk for good.
        issued: Number of nodes issued by then.
        clipped: Whether ``offset`` also passes over nodes that could still be lost.
        later: When the first node issued after the window becomes durable.
        alone: Whether all its sets count as new, not only those that no earlier window had.
        commits: Whether it is the middle of an fsync that lifts needs. What is new then are the
            sets with all that this fsync brings: it is committed as a whole.
    """

    position: int
    offset: int
    issued: int
    clipped: bool
    later: int
    alone: bool = False
    commits: bool = False

    @property
    def call(self) -> int:
        """The last call that had been made."""
        return (self.position + 1) // 2


def windows(constraints: Constraints) -> list[Window]:
    """List the windows of a trace, in order; the first is before any call."""
    nodes = constraints.nodes
    issued_by = {2 * node.call - 1: number for number, node in enumerate(nodes, 1)}
    lifting = {until for node in nodes for _, until in node.needs_until if until < NEVER}
    later = [NEVER] * (len(nodes) + 1)
    for number in range(len(nodes) - 1, -1, -1):
        later[number] = min(later[number + 1], nodes[number].durable)
    found = [Window(0, 0, 0, clipped=False, later=later[0], alone=True)]
    issued = offset = start = 0
    for position in sorted(issued_by.keys() | lifting):
        earlier, issued = issued, issued_by.get(position, issued)
        if constraints.model.order != "free":
            # Whatever a call adds comes on top of all before it.
            found.append(Window(position, earlier, issued, clipped=False, later=later[issued]))
            continue
        while offset < issued and nodes[offset].durable <= position:
            offset += 1
        # What was once taken as on disk stays there: windows only move forward.
        start = max(start, _start(nodes, offset, issued, position))
        clipped, commits = start > offset, position in lifting
        found.append(Window(position, start, issued, clipped, later[issued], commits=commits))
    return found


def window_at(constraints: Constraints, position: int) -> Window:
    """Make the window of one position alone: every set that is possible there is new in it."""
    nodes = constraints.nodes
    issued = bisect_right(nodes, (position + 1) // 2, key=lambda node: node.call)
    offset = 0
    while offset < issued and nodes[offset].durable <= position:
        offset += 1
    start = _start(nodes, offset, issued, position)
    later = min((node.durable for node in nodes[issued:]), default=NEVER)
    return Window(position, start, issued, start > offset, later, alone=True)


def _start(nodes: list[Node], offset: int, issued: int, position: int) -> int:
    """Find where a window begins so that it is not too large."""
    if issued - offset <= FREE_MAX:
        return offset
    free, start = 0, issued
    while start > max(offset, issued - _SPAN_MAX) and free < FREE_MAX:
        start -= 1
        free += nodes[start].durable > position
    while start < issued and nodes[start].durable <= position:
        start += 1
    return start


class Page:
    """One page's versions that are not durable yet.

    Attributes:
        bits: All of them.
        fresh: Those that the window's call wrote.
    """

    def __init__(self, versions: list[tuple[int, int, Data]], fresh: int) -> None:
        self.versions = versions
        self.bits = 0
        for _, unit, _ in versions:
            self.bits |= unit
        self.fresh = self.bits & fresh

    def cuts(self, taken: int, *, any_version: bool) -> Iterator[tuple[int, int]]:
        """Yield the tears from the version on disk: the node torn towards, and the cut's offset.

        Args:
            taken: The nodes on disk.
            any_version: Whether the page may be torn towards any version that is not on disk, not
                only the next: it is written as it is in memory when its write begins.
        """
        end = 0
        for number, unit, effect in self.versions:
            if unit & taken:
                continue
            end = max(end, effect.end)
            # A cut before the version's first byte would leave the version before it, torn.
            for cut in range((effect.start // SECTOR + 1) * SECTOR, end, SECTOR):
                yield number, cut
            if not any_version:
                return


class Frame:
    """The free nodes of one window.

    Attributes:
        order: The free nodes under the needs that hold in this window.
        free: Their bits.
        fresh: Those issued by the window's call.
        settled: Bits of the nodes above the offset that are durable already.
        new: How many sets of free nodes were not possible in any earlier window.
        pages: The pages with free versions.
    """

    def __init__(self, nodes: list[Node], window: Window) -> None:
        self.window = window
        self.offset = window.offset
        self._nodes = nodes
        issued = list(enumerate(nodes[window.offset : window.issued]))
        position = window.position
        self.free = self.fresh = self.settled = 0
        for bit, node in issued:
            if node.durable <= position + window.commits:
                self.settled |= 1 << bit
                continue
            self.free |= 1 << bit
            if 2 * node.call - 1 == position:
                self.fresh |= 1 << bit
        free = [(1 << bit, node) for bit, node in issued if self.free >> bit & 1]
        needs = [
            self._bits(node.needs)
            | self._bits(other for other, until in node.needs_until if position < until)
            for _, node in free
        ]
        now = [(unit, need) for (unit, _), need in zip(free, needs, strict=True)]
        self.order = _order(now)
        # What was needed until now by what is on disk in every set of this window.
        self._lifted = self._bits(
            other
            for bit, node in issued
            if window.commits and self.settled >> bit & 1
            for other, until in node.needs_until
            if position == until
        )
        self.new = self.order.count
        self._kept = 0
        if not window.alone:
            # Sets that were possible before: without this call's nodes, with all that was needed.
            self._kept = self.order.below(self._lifted)
            self.new -= prod(self._count_old(c) for c in self.order.components)
        self.pages = self._find_pages(free)
        # The first of the missing nodes to become durable ends a state's span.
        self._deadlines = sorted(
            (node.durable, unit) for unit, node in free if node.durable < NEVER
        )

    def _bits(self, numbers: Iterable[int]) -> int:
        bits = 0
        for number in numbers:
            if number >= self.offset:
                bits |= 1 << (number - self.offset)
        return bits & self.free

    def _find_pages(self, free: list[tuple[int, Node]]) -> list[Page]:
        found: dict[tuple[int, int], list[tuple[int, int, Data]]] = {}
        for unit, node in free:
            effect = node.effects[0]
            if isinstance(effect, Data):
                number = unit.bit_length() - 1 + self.offset
                found.setdefault((effect.ino, effect.page), []).append((number, unit, effect))
        return [Page(versions, self.fresh) for versions in found.values()]

    def is_new(self, taken: int) -> bool:
        """Tell whether a set was not possible in any earlier window."""
        return bool(taken & self.fresh or self.window.alone or self._lifted & ~taken)

    @property
    def lifts(self) -> bool:
        """Whether sets become possible because a need was lifted."""
        return bool(self._lifted)

    def new_sets(self) -> Iterator[int]:
        """Yield the sets that no earlier window had, without going through all the others."""
        if self.window.alone:
            yield from self.order.sets()
            return
        if self._lifted:
            yield from filter(self.is_new, self.order.sets())
            return
        touched: list[Component] = []
        rest: list[Component] = []
        for component in self.order.components:
            (touched if component.bits & self.fresh else rest).append(component)
        others = Order.of(rest)
        for taken in Order.of(touched).sets():
            if taken & self.fresh:
                for other in others.sets():
                    yield taken | other

    def first(self, taken: int, torn: Torn | None) -> int:
        """First position at which a crash can leave a set: all is issued, no need is in the way."""
        highest = self.offset + taken.bit_length() - 1
        if torn is not None:
            highest = max(highest, torn.node)
        if highest < 0:
            return 0
        position = 2 * self._nodes[highest].call - 1
        for number in range(self.offset, highest + 1):
            if taken >> (number - self.offset) & 1:
                for other, until in self._nodes[number].needs_until:
                    if other >= self.offset and not taken >> (other - self.offset) & 1:
                        position = max(position, until)
        return position

    def last(self, taken: int) -> int:
        """Last position at which a crash can leave a set: before one of the rest is durable."""
        end = self.window.later
        for durable, unit in self._deadlines:
            if durable >= end:
                break
            if not taken & unit:
                end = durable
                break
        return end - 1

    def torn_towards(
        self, taken: int, page: Page, *, any_version: bool
    ) -> Iterator[tuple[int, int]]:
        """Yield the tears of a page that a set allows.

        All that the torn node needs is on disk, but for earlier versions of the same page where it
        need not be torn towards the next.
        """
        allowed: dict[int, bool] = {}
        for number, cut in page.cuts(taken, any_version=any_version):
            if number not in allowed:
                unit = 1 << (number - self.offset)
                missing = self.order.below(unit) & ~unit & ~taken
                allowed[number] = not missing & ~page.bits if any_version else not missing
            if allowed[number]:
                yield number, cut

    def tears(self, taken: int, page: Page, *, any_version: bool) -> Iterator[tuple[int, int]]:
        """Yield the tears of a page that a set allows and that no earlier window had."""
        new = self.is_new(taken)
        if new or page.fresh:
            for number, cut in self.torn_towards(taken, page, any_version=any_version):
                if new or self.fresh >> (number - self.offset) & 1:
                    yield number, cut

    def count_tears(self, *, any_version: bool, sets_max: int) -> int | None:
        """Count the tears of all sets exactly, without listing the sets.

        Whether a page can be torn is settled in its own component; the others only multiply, and
        decide whether the set is new.

        Args:
            any_version: As in `Page.cuts`.
            sets_max: Sets of one component listed at the most.

        Returns:
            The count; None where a component has too many sets.
        """
        counts = [(c, c.count, self._count_old(c)) for c in self.order.components]
        total = 0
        for page in self.pages:
            own = next(c for c, _, _ in counts if c.bits & page.bits)
            if own.count > sets_max:
                return None
            everything = prod(count for c, count, _ in counts if c is not own)
            old = 0
            if not self.window.alone:
                old = prod(count for c, _, count in counts if c is not own)
            for taken in own.sets():
                for number, _ in self.torn_towards(taken, page, any_version=any_version):
                    whole = taken | 1 << (number - self.offset)
                    if whole & self.fresh or self._kept & own.bits & ~taken:
                        total += everything
                    else:
                        total += everything - old
        return total

    def _count_old(self, component: Component) -> int:
        """Count a component's sets that earlier windows had."""
        if not component.bits & (self.fresh | self._kept):
            return component.count
        rest = [
            (unit, need & ~self._kept)
            for unit, need in zip(component.units, component.needs, strict=True)
            if not unit & (self.fresh | self._kept)
        ]
        return Order([unit for unit, _ in rest], [need for _, need in rest]).count


def _order(units: list[tuple[int, int]]) -> Order:
    """Make an order, with one unit of two nodes that need each other.

    Only the halves of a rename between directories do, until an fsync splits them; they are
    neighbours.
    """
    bits: list[int] = []
    needs: list[int] = []
    for unit, need in units:
        if bits and bits[-1] & need and unit & needs[-1]:
            bits[-1] |= unit
            needs[-1] = (needs[-1] | need) & ~bits[-1]
        else:
            bits.append(unit)
            needs.append(need)
    return Order(bits, needs)
