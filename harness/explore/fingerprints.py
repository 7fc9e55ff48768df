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
        painted: The whole page as it was painted last, by nodes on disk and tear.
    """

    number: int
    bits: int
    versions: list[tuple[int, Data]]
    known: dict[tuple[int, Torn | None, int], int]
    painted: dict[tuple[int, Torn | None], bytes]


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
                    page = pages.get(effect.page) or _Page(effect.page, 0, [], {}, {})
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
                half = self._half(page, torn)
                known = (taken & page.bits, half, shown)
                found = page.known.get(known)
                if found is None:
                    content = self._paint(page, taken, half)[:shown]
                    found = page.known[known] = _hash(page.number, content)
                total += found
        return hash((size, total))

    def content(self, taken: int, size: int, torn: Torn | None) -> bytes:
        """Build the content of a set of nodes; only where ``by_page``.

        Args:
            taken: The nodes on disk.
            size: The file's size with them.
            torn: A page of this file that is torn, and only its bytes.
        """
        whole = bytearray(self._buffer[:size].ljust(size, b"\0"))
        for page in self._pages:
            start = page.number * PAGE
            if start < size:
                content = self._paint(page, taken, self._half(page, torn))
                whole[start : start + PAGE] = content[: size - start]
        return bytes(whole)

    def _half(self, page: _Page, torn: Torn | None) -> Torn | None:
        """Give the tear if it is in this page."""
        if torn is not None and page.bits >> (torn.node - self._offset) & 1:
            return torn
        return None

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
        """Build one page. States that follow one another mostly differ in other pages."""
        bits = taken & page.bits
        known = page.painted.get((bits, torn))
        if known is not None:
            return known
        start = page.number * PAGE
        content = bytearray(self._buffer[start : start + PAGE].ljust(PAGE, b"\0"))
        # A page has few of the nodes of a long window: shift by its first, once.
        first = page.versions[0][0]
        bits >>= first - self._offset
        for number, data in page.versions:
            begin = data.start
            end = begin + len(data.data)
            if not bits >> (number - first) & 1:
                if torn is None or number > torn.node or begin >= torn.cut:
                    continue
                end = min(end, torn.cut)
            content[begin - start : end - start] = data.data[: end - begin]
        page.painted.clear()
        found = page.painted[taken & page.bits, torn] = bytes(content)
        return found


def _hash(page: int, content: bytes) -> int:
    """Hash a page at its place, as one string of bytes.

    The hash of a tuple mixes too little for a sum: swapping two pages' contents often left it
    the same.
    """
    return hash(content + page.to_bytes(8, "little"))
