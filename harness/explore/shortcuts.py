"""Crash states of one window that look alike to whoever asked about one of them.

What was asked about a state depended on its names and on the files whose size or content was asked,
so on some of its bits. Every other set of the window with the same bits there gives the same
answers, whatever else it lost: a temporary file that nobody looks at, say, is no reason to ask
again.
"""

from __future__ import annotations

from typing import Final, Generic, TypeAlias, TypeVar

from harness.explore.images import Torn, View
from harness.explore.states import CrashState, Explorer

__all__ = ["Shortcuts"]

V = TypeVar("V")

_Part: TypeAlias = int | tuple[int, Torn | None]

_MASKS_MAX: Final = 16
"""Different sets of bits looked at for each state; more would cost more than they save."""


class Shortcuts(Generic[V]):
    """Remembers what states of the current window led to.

    Args:
        explorer: Whose states they are.
    """

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._window = (-1, -1)
        self._known: list[tuple[int, frozenset[tuple[int, bool]], dict[_Part, V]]] = []

    def find(self, state: CrashState) -> V | None:
        """Give what an earlier state led to, if nothing that was asked of it differs in this."""
        if (state.offset, state.issued) != self._window:
            self._known.clear()
            return None
        torn = state.torn
        for mask, files, known in self._known:
            bits = state.taken & mask
            hit = torn is not None and self._explorer.torn_file(torn) in files
            part: _Part = (bits, torn) if hit else bits
            found = known.get(part)
            if found is not None:
                return found
        return None

    def view(self, state: CrashState) -> View:
        """Look at a state, noting what is asked."""
        return self._explorer.view(state)

    def add(self, state: CrashState, view: View, value: V) -> None:
        """Remember what a state led to.

        Args:
            state: The state.
            view: Through which everything was asked that the value depends on.
            value: What it led to.
        """
        window = (state.offset, state.issued)
        if window != self._window:
            self._known.clear()
            self._window = window
        # What a tear changes: a content, or, where the size is torn with it, that too.
        files = frozenset(
            [(ino, torn) for ino in view.files for torn in (False, True)]
            + [(ino, True) for ino in view.sizes]
        )
        mask = view.bits()
        bits, torn = state.taken & mask, state.torn
        hit = torn is not None and self._explorer.torn_file(torn) in files
        part: _Part = (bits, torn) if hit else bits
        for other, others, known in self._known:
            if other == mask and others == files:
                known[part] = value
                return
        if len(self._known) < _MASKS_MAX:
            self._known.append((mask, files, {part: value}))
