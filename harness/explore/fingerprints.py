"""Telling the contents of a file apart without building them.

A file's fingerprint is a sum over its pages, so that it does not depend on which of them can still
change. What a page holds depends on the few nodes that wrote to it, and is remembered by them: a
file of twenty pages, each on disk or not, has a million contents and twenty times two pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.persistence.effects import PAGE, Data, Effect, Size

__all__ = ["Fingerprints", "Torn"]


class Torn(NamedTuple):
    """A page caught half written: its bytes before offset ``cut`` are as ``node`` left them."""

    node: int
    cut: int


class _Page(NamedTuple):
    """The versions of one page in a window.

    Attributes:
        number: Which page of the file.
        bits: The nodes that write to it.
        versions: Their numbers and effects, in order.
        known: Fingerprint by nodes on disk, tear and bytes below the file's size.
    """

    number: int
    bits: int
    versions: list[tuple[int, Data]]
    known: dict[tuple[int, Torn | None, int], int]


class Fingerprints:
    """The fingerprints of one file in one window.

    Args:
        buffer: Its settled bytes; beyond them, and beyond its size, it reads as zeros.
        window: Numbers and effects of the window's nodes that change the file.
        ino: The file.
        offset: The window's.

    Attributes:
        by_page: Whether nothing in the window but data and growth changes it.
    """

    def __init__(
        self,
        buffer: bytes,
        window: Sequence[tuple[int, tuple[Effect, ...]]],
        ino: int,
        offset: int,
    ) -> None:
        self._buffer = buffer
        self._offset = offset
        self.by_page = True
        pages: dict[int, _Page] = {}
        for number, effects in window:
            for effect in effects:
                if isinstance(effect, Data) and effect.ino == ino:
                    page = pages.get(effect.page) or _Page(effect.page, 0, [], {})
                    pages[effect.page] = page._replace(bits=page.bits | 1 << (number - offset))
                    page.versions.append((number, effect))
                elif not isinstance(effect, Size):
                    self.by_page = False
        self._pages = list(pages.values())
        self._changing = pages.keys()
        self._rest: dict[int, int] = {}

    def of(self, taken: int, size: int, torn: Torn | None) -> int:
        """Give the fingerprint of a set of nodes; only where ``by_page``.

        Args:
            taken: The nodes on disk.
            size: The file's size with them.
            torn: A page of this file that is torn, and only its bytes.
        """
        total = self._rest.get(size)
        if total is None:
            total = self._rest[size] = self._unchanging(size)
        for page in self._pages:
            shown = size - page.number * PAGE
            if shown > 0:
                shown = min(shown, PAGE)
                half = torn
                if torn is not None and not page.bits >> (torn.node - self._offset) & 1:
                    half = None
                known = (taken & page.bits, half, shown)
                found = page.known.get(known)
                if found is None:
                    content = self._paint(page, taken, half)[:shown]
                    found = page.known[known] = _hash(page.number, content)
                total += found
        return hash((size, total))

    def of_content(self, content: bytes) -> int:
        """Give the fingerprint of a content that was built."""
        total = 0
        for start in range(0, len(content), PAGE):
            total += _hash(start // PAGE, content[start : start + PAGE])
        return hash((len(content), total))

    def _unchanging(self, size: int) -> int:
        """Sum up the pages that the window leaves alone, below a size."""
        total = 0
        for start in range(0, size, PAGE):
            if start // PAGE not in self._changing:
                shown = min(PAGE, size - start)
                content = self._buffer[start : start + shown].ljust(shown, b"\0")
                total += _hash(start // PAGE, content)
        return total

    def _paint(self, page: _Page, taken: int, torn: Torn | None) -> bytes:
        start = page.number * PAGE
        content = bytearray(self._buffer[start : start + PAGE].ljust(PAGE, b"\0"))
        for number, data in page.versions:
            end = data.end
            if not taken >> (number - self._offset) & 1:
                if torn is None or number > torn.node or data.start >= torn.cut:
                    continue
                end = min(end, torn.cut)
            content[data.start - start : end - start] = data.data[: end - data.start]
        return bytes(content)


def _hash(page: int, content: bytes) -> int:
    """Hash a page at its place, as one string of bytes.

    The hash of a tuple mixes too little for a sum: swapping two pages' contents often left it
    the same.
    """
    return hash(content + page.to_bytes(8, "little"))
