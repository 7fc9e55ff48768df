"""Crash states: every disk image a persistence model allows, each with the crashes that leave it.

A crash state is a set of nodes (see `harness.persistence.model`) and perhaps one page torn between
two versions. Each is visited once, at the call that first makes it possible, together with the
whole span of positions at which a crash can leave it, so that a judge can hold it against every
moment of the history it may follow.

While the sets that a call adds are few they are all visited; where they are more, a fixed order
takes the informative ones (nothing lost, one loss, one survivor, one file's product, a torn last
write) and a seeded draw fills the budget. `Explorer.exhaustive` and `Explorer.possible` say which
it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from harness.explore.images import ImageKey, Painter, Torn, View
from harness.explore.window import Frame, Page, window_at, windows
from harness.image import Image
from harness.persistence.effects import Data, Effect
from harness.persistence.model import Constraints

__all__ = ["BUDGET_DEFAULT", "CrashState", "Explorer", "Torn"]

BUDGET_DEFAULT: Final = 20_000
"""Sets of effects visited for one trace under one profile before sampling begins."""

_WINDOW_MIN: Final = 24
"""Sets visited at each call even when the budget is spent: the fixed order's first ones. Fewer, but
a quarter at the least, where the calls are so many that this is far beyond the budget."""

_SETS_EXPECTED: Final = 2
"""Sets that a call adds at the least: where the budget has not as many for each, calls of a long
trace are left out, not sets of the last ones."""

_ENDS: Final = 32
"""Calls at the beginning and at the end of a long trace that are never left out."""

_COUNTED_MAX: Final = 64
"""Nodes in flight up to which the sets of a call that is left out are counted."""

_PRODUCT_MAX: Final = 512
"""Sets of one component that the fixed order lists against all and none of the others."""

_WALK_MAX: Final = 16
"""Sets gone through for each one that may be visited, where new ones must be told from old."""

_DRAWS_MAX: Final = 8
"""Draws for each set still allowed, before a window is given up as (nearly) used up."""

_COUNT_MAX: Final = 4096
"""Sets of one component that are listed to count their tears."""


class CrashState(NamedTuple):
    """One set of effects on disk.

    A tuple, because they are made by the hundred thousand.

    Attributes:
        first: First position at which a crash can leave it.
        last: Last such position.
        key: Equal for equal images.
        call: The call in whose window it was found; all later calls are lost.
        offset: Nodes below are on disk.
        issued: Nodes from here on are not.
        taken: The nodes on disk between, as bits.
        torn: The page caught half written, if any.
        committed: Whether it became possible while a sync call ran, by what that call brings and
            not by an effect of its own: seen from outside, the calls before it have returned.
    """

    first: int
    last: int
    key: ImageKey
    call: int
    offset: int
    issued: int
    taken: int
    torn: Torn | None
    committed: bool = False

    @property
    def after(self) -> int:
        """Fewest calls that have returned when a crash can leave this.

        A state that only the middle of a call can leave counts the calls before it, and so does
        one that a running sync call makes possible.
        """
        between = (self.first + 1) // 2
        if self.committed or 2 * between > self.last:
            return self.first // 2
        return between

    def holds(self, node: int) -> bool:
        """Tell whether a node is on disk."""
        if node < self.offset:
            return True
        return bool(self.taken >> (node - self.offset) & 1)

    def possible_after(self, calls: int) -> bool:
        """Tell whether a crash between call ``calls`` and the next can leave this."""
        return self.first - self.committed <= 2 * calls <= self.last


class Explorer:
    """Visits the crash states of one trace under one model.

    Args:
        constraints: The trace's nodes.
        budget: Sets visited before sampling begins, over the whole trace.
        seed: Of the draws, where it comes to that.
        from_position: Sets that are possible before this position are left out.
        at: Only sets that are possible at this position, whenever they became so.

    Attributes:
        exhaustive: Whether every set that is possible was, or will be, visited.
        visited: Sets visited so far.
        share: How much of the walk is done, from 0 to 1.
        possible: Sets there are, so far as the trace has been walked; exact at its end, and None
            where they cannot be counted.
    """

    def __init__(
        self,
        constraints: Constraints,
        *,
        budget: int = BUDGET_DEFAULT,
        seed: int = 0,
        from_position: int = 0,
        at: int | None = None,
    ) -> None:
        self.constraints = constraints
        self.budget = budget
        self.seed = seed
        self.exhaustive = True
        self.visited = 0
        self.share = 0.0
        self.possible: int | None = 0
        self._torn = constraints.model.torn
        # Where the model orders all effects, a page cannot skip a version.
        self._any_version = constraints.model.order == "free"
        self._painter = Painter(constraints)
        self._aside: Painter | None = None
        if at is not None:
            # What a sync that runs next brings counts as seen after the calls before it.
            self._windows = [window_at(constraints, at)] + [
                window
                for window in windows(constraints)
                if window.commits and window.position == at + 1
            ]
        else:
            self._windows = [
                window for window in windows(constraints) if window.position >= from_position
            ]

    def states(self) -> Iterator[CrashState]:
        """Yield the crash states the budget reaches, earliest first, no set of effects twice."""
        chosen = self._chosen()
        left = len(chosen)
        least = min(_WINDOW_MIN, max(_WINDOW_MIN // 4, 4 * self.budget // max(left, 1)))
        for number, window in enumerate(self._windows):
            self.share = number / len(self._windows)
            visited = number in chosen
            if not visited and window.issued - window.offset > _COUNTED_MAX:
                self.exhaustive, self.possible = False, None
                continue
            frame = Frame(self.constraints.nodes, window)
            count = self._count(frame)
            if window.clipped or count is None:
                self.exhaustive, self.possible = False, None
            elif self.possible is not None:
                self.possible += count
            if not visited:
                self.exhaustive = self.exhaustive and not count
                continue
            self._painter.settle(window.offset, window.issued)
            allowance = max(least, 2 * (self.budget - self.visited) // left)
            left -= 1
            walkable = frame.order.count <= _WALK_MAX * allowance or not (self._torn or frame.lifts)
            if count is not None and count <= allowance and walkable:
                yield from self._visit_all(frame)
            else:
                self.exhaustive = False
                yield from self._visit_some(frame, allowance)

    def stop(self) -> None:
        """Note that the walk ends here: not every set was visited, though all may be counted."""
        self.exhaustive, self.possible = False, self.count()

    def _chosen(self) -> range | set[int]:
        """Say which windows are visited: all, or of a long trace as many as the budget reaches.

        The first and the last of them always are, the others are spread evenly, each drawn from
        its stretch of the trace.
        """
        count, most = len(self._windows), max(self.budget // _SETS_EXPECTED, 4 * _ENDS)
        if count <= most:
            return range(count)
        random = Random(f"{self.seed}/{self.constraints.model.name}/windows")  # noqa: S311
        found = {*range(_ENDS), *range(count - _ENDS, count)}
        stretch = (count - 2 * _ENDS) / (most - 2 * _ENDS)
        for number in range(most - 2 * _ENDS):
            found.add(_ENDS + int((number + random.random()) * stretch))
        return found

    def count(self) -> int | None:
        """Count the sets there are without visiting them; None where they cannot be counted.

        Moves nothing, so it may be asked at any time.
        """
        total = 0
        for window in self._windows:
            counted = None if window.clipped else self._count(Frame(self.constraints.nodes, window))
            if counted is None:
                return None
            total += counted
        return total

    def _count(self, frame: Frame) -> int | None:
        """Count what a window adds: its new sets, and the tears of them."""
        if not self._torn:
            return frame.new
        tears = frame.count_tears(any_version=self._any_version, sets_max=_COUNT_MAX)
        return None if tears is None else frame.new + tears

    def everything_after(self, calls: int) -> CrashState:
        """Give the state with all of the first ``calls`` calls on disk: what a kill leaves."""
        issued = self._issued_by(calls)
        return self.free_standing(issued, (1 << issued) - 1, None, 2 * calls)

    def without(self, state: CrashState, *, after_call: int) -> CrashState:
        """Take the effects of all calls after ``after_call`` out of a state.

        Needs point backwards in time, so what is left is a set that the model allows, at a crash
        right after that call.
        """
        issued = min(self._issued_by(after_call), state.issued)
        taken = (state.taken << state.offset | (1 << state.offset) - 1) & ((1 << issued) - 1)
        torn = state.torn if state.torn is not None and state.torn.node < issued else None
        return self.free_standing(issued, taken, torn, 2 * after_call)

    def issued_at(self, position: int) -> int:
        """Count the nodes issued by a position."""
        return self._issued_by((position + 1) // 2)

    def _issued_by(self, call: int) -> int:
        return bisect_right(self.constraints.nodes, call, key=lambda node: node.call)

    def free_standing(
        self, issued: int, taken: int, torn: Torn | None, position: int
    ) -> CrashState:
        """Make a state from a set over all nodes, outside the walk.

        Args:
            issued: Nodes issued by the crash.
            taken: Those on disk, node k as bit k.
            torn: The page caught half written.
            position: Where the crash struck.
        """
        if self._aside is None:
            self._aside = Painter(self.constraints)
        self._aside.settle(0, issued)
        key = self._aside.key(taken, torn)
        call = (position + 1) // 2
        return CrashState(position, position, key, call, 0, issued, taken, torn)

    def image(self, state: CrashState) -> Image:
        """Build the disk image of a state."""
        if self._painter.window == (state.offset, state.issued):
            return self._painter.image(state.taken, state.torn)
        # Out of turn: the walk's own painter must not move, so another one looks back.
        if self._aside is None:
            self._aside = Painter(self.constraints)
        taken = state.taken << state.offset | (1 << state.offset) - 1
        self._aside.settle(0, state.issued)
        return self._aside.image(taken, state.torn)

    def view(self, state: CrashState) -> View:
        """Look at the disk image of a state without building it.

        The view is good until the next state outside its window is looked at.
        """
        if self._painter.window == (state.offset, state.issued):
            return self._painter.view(state.taken, state.torn)
        if self._aside is None:
            self._aside = Painter(self.constraints)
        self._aside.settle(0, state.issued)
        taken = state.taken << state.offset | (1 << state.offset) - 1
        return self._aside.view(taken, state.torn)

    def torn_file(self, torn: Torn) -> tuple[int, bool]:
        """Give the inode of the file that a torn page is in, and whether its size is torn too."""
        return self._painter.torn_file(torn)

    def lost(self, state: CrashState) -> list[tuple[int, str]]:
        """Name what was issued by the state's earliest crash and is not on disk.

        Returns:
            Pairs of the record's position in the trace and the part of its call.
        """
        found = []
        for number in range(state.offset, state.issued):
            if state.holds(number):
                continue
            node = self.constraints.nodes[number]
            found += [(effect.i, self.part(state, number, effect)) for effect in node.effects]
        return found

    @staticmethod
    def part(state: CrashState, node: int, effect: Effect) -> str:
        """Name the part of a call that an effect is: of a torn page the half that is not there."""
        if state.torn is not None and state.torn.node == node and isinstance(effect, Data):
            return f"data {max(state.torn.cut, effect.start)}..{effect.end}"
        return effect.part

    # -- one window ----------------------------------------------------------------------------

    def _visit_all(self, frame: Frame) -> Iterator[CrashState]:
        for taken in frame.new_sets():
            yield self._state(frame, taken, None)
            if self._torn:
                for page in frame.pages:
                    yield from self._tears(frame, taken, page)
        fresh = [page for page in frame.pages if page.fresh] if self._torn else []
        if fresh:
            # What this call wrote may also be torn onto a set that was possible before.
            for taken in frame.order.sets():
                if not frame.is_new(taken):
                    for page in fresh:
                        yield from self._tears(frame, taken, page)

    def _visit_some(self, frame: Frame, allowance: int) -> Iterator[CrashState]:
        # Draws repeat themselves: a set comes once, with all its tears.
        seen: set[int] = set()
        left = allowance
        for taken in self._informative(frame, allowance):
            if taken in seen:
                continue
            seen.add(taken)
            for state in self._with_tears(frame, taken):
                yield state
                left -= 1
                if not left:
                    return

    def _with_tears(self, frame: Frame, taken: int) -> Iterator[CrashState]:
        if frame.is_new(taken):
            yield self._state(frame, taken, None)
        if self._torn:
            for page in frame.pages:
                if page.fresh or frame.window.alone:
                    yield from self._tears(frame, taken, page)

    def _informative(self, frame: Frame, allowance: int) -> Iterator[int]:
        """The fixed order of DESIGN.md section 6, then seeded draws."""
        order, everything = frame.order, frame.free
        yield everything
        yield order.below(frame.fresh)
        units = sorted(unit for component in order.components for unit in component.units)
        for unit in reversed(units):
            yield everything & ~order.above(unit)
        for unit in reversed(units):
            yield order.below(unit | frame.fresh)
        prefix = 0
        for unit in units:
            prefix |= unit
            yield order.below(prefix | frame.fresh)
        for component in order.components:
            rest = everything & ~component.bits
            if component.count <= _PRODUCT_MAX:
                for taken in component.sets():
                    yield taken | rest
                    yield order.below(taken | frame.fresh)
        random = Random(f"{self.seed}/{self.constraints.model.name}/{frame.window.position}")  # noqa: S311
        for _ in range(_DRAWS_MAX * allowance):
            yield order.draw(random)

    def _tears(
        self, frame: Frame, taken: int, page: Page, *, count: bool = True
    ) -> Iterator[CrashState]:
        for number, cut in frame.tears(taken, page, any_version=self._any_version):
            yield self._state(frame, taken, Torn(number, cut), count=count)

    def _state(
        self, frame: Frame, taken: int, torn: Torn | None, *, count: bool = True
    ) -> CrashState:
        self.visited += count
        full = taken | frame.settled
        window = frame.window
        return CrashState(
            first=frame.first(full, torn) if window.alone else window.position,
            last=frame.last(full),
            key=self._painter.key(full, torn),
            call=window.call,
            offset=frame.offset,
            issued=window.issued,
            taken=full,
            torn=torn,
            committed=window.commits and not full & frame.fresh,
        )
