"""What a file holds: bytes where there are some, and which pages of it are allocated.

A file of many GiB that is nearly all hole costs what its pages cost. Small files, nearly all of
them, stay one bytes object, shared with the image until the first change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from harness.disk.constants import BLOCK
from harness.errors import SimulationError

__all__ = ["Content", "Runs", "pages"]

_GAP_MAX = 1 << 20
"""Bytes of hole in front of a write that are still filled with zeros in memory."""

_DENSE_MAX = 1 << 30
"""Bytes of a sparse file that are still made into one bytes object for an image."""


def pages(size: int) -> int:
    """Count the pages that ``size`` bytes take."""
    return (size + BLOCK - 1) // BLOCK


class Runs:
    """A set of page numbers as sorted, disjoint ranges; nearly always a single one."""

    __slots__ = ("bounds",)

    def __init__(self, bounds: list[int] | None = None) -> None:
        # [start, end, start, end, ...]: an odd position is the end of a range.
        self.bounds = [] if bounds is None else bounds

    def add(self, start: int, end: int) -> None:
        bounds = self.bounds
        if not bounds:
            bounds += (start, end)
            return
        low, high = bisect_left(bounds, start), bisect_right(bounds, end)
        middle = [start] if low % 2 == 0 else []
        if high % 2 == 0:
            middle.append(end)
        bounds[low:high] = middle

    def remove(self, start: int, end: int) -> None:
        bounds = self.bounds
        low, high = bisect_left(bounds, start), bisect_right(bounds, end)
        middle = [start] if low % 2 else []
        if high % 2:
            middle.append(end)
        bounds[low:high] = middle

    def cut(self, start: int) -> int:
        """Remove every page from ``start`` on; return how many that were."""
        before = self.total()
        bounds = self.bounds
        low = bisect_left(bounds, start)
        del bounds[low:]
        if low % 2:
            bounds.append(start)
        return before - self.total()

    def missing(self, start: int, end: int) -> list[tuple[int, int]]:
        """Ranges of [start, end) that are not in the set."""
        bounds = self.bounds
        position = bisect_right(bounds, start)
        gaps = []
        while start < end:
            if position % 2:
                start = bounds[position]
            else:
                stop = min(end, bounds[position]) if position < len(bounds) else end
                if stop > start:
                    gaps.append((start, stop))
                start = stop
            position += 1
        return gaps

    def total(self) -> int:
        bounds = self.bounds
        return sum(bounds[1::2]) - sum(bounds[::2])

    def inside_from(self, page: int) -> int | None:
        """First page of the set at or after ``page``."""
        position = bisect_right(self.bounds, page)
        if position % 2:
            return page
        return self.bounds[position] if position < len(self.bounds) else None

    def outside_from(self, page: int) -> int:
        """First page at or after ``page`` that is not in the set."""
        position = bisect_right(self.bounds, page)
        return self.bounds[position] if position % 2 else page


class Content:
    """The bytes of one file, without allocation: what is not stored reads as zeros.

    Attributes:
        size: The file's size in bytes.
        data: Its bytes from 0 on, at most ``size`` of them; unused once ``sparse`` is there.
        sparse: Page number to page, once a write left a wide hole before it.
    """

    __slots__ = ("data", "size", "sparse")

    def __init__(self, data: bytes = b"") -> None:
        self.data: bytes | bytearray = data
        self.size = len(data)
        self.sparse: dict[int, bytearray] | None = None

    def read(self, offset: int, count: int) -> bytes:
        """Read at most ``count`` bytes at ``offset``; fewer only at the end."""
        end = offset + count
        end = min(end, self.size)
        if end <= offset:
            return b""
        if self.sparse is not None:
            return self._read_sparse(offset, end)
        chunk = self.data[offset:end]
        if len(chunk) < end - offset:
            chunk += bytes(end - offset - len(chunk))
        return bytes(chunk)

    def _read_sparse(self, offset: int, end: int) -> bytes:
        found = bytearray(end - offset)
        assert self.sparse is not None
        for page in range(offset // BLOCK, (end - 1) // BLOCK + 1):
            stored = self.sparse.get(page)
            if stored is not None:
                start = page * BLOCK
                low, high = max(start, offset), min(start + BLOCK, end)
                found[low - offset : high - offset] = stored[low - start : high - start]
        return bytes(found)

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data`` at ``offset``."""
        end = offset + len(data)
        stored = self.data
        have = len(stored)
        if self.sparse is None:
            if offset > have + _GAP_MAX:
                self._spread()
            elif offset == 0 and end >= have:
                # The usual whole file in one write: keep the caller's bytes, copy nothing.
                self.data = data
                self.size = max(self.size, end)
                return
            else:
                if type(stored) is bytes:
                    stored = self.data = bytearray(stored)
                assert isinstance(stored, bytearray)
                if offset > have:
                    stored.extend(bytes(offset - have))
                stored[offset:end] = data
                self.size = max(self.size, end)
                return
        self._write_sparse(offset, end, data)
        self.size = max(self.size, end)

    def _spread(self) -> None:
        data = self.data
        self.sparse = {
            start // BLOCK: bytearray(data[start : start + BLOCK]).ljust(BLOCK, b"\0")
            for start in range(0, len(data), BLOCK)
        }
        self.data = b""

    def _write_sparse(self, offset: int, end: int, data: bytes) -> None:
        assert self.sparse is not None
        for page in range(offset // BLOCK, (end - 1) // BLOCK + 1):
            stored = self.sparse.get(page)
            if stored is None:
                stored = self.sparse[page] = bytearray(BLOCK)
            start = page * BLOCK
            low, high = max(start, offset), min(start + BLOCK, end)
            stored[low - start : high - start] = data[low - offset : high - offset]

    def resize(self, size: int) -> None:
        """Set the size; what a later growth shows again reads as zeros."""
        if size < self.size:
            if self.sparse is None:
                if len(self.data) > size:
                    self.data = self.data[:size]
            else:
                last = size // BLOCK
                for page in [page for page in self.sparse if page >= last]:
                    if page == last and size % BLOCK:
                        self.sparse[page][size % BLOCK :] = bytes(BLOCK - size % BLOCK)
                    else:
                        del self.sparse[page]
        self.size = size

    def frozen(self) -> bytes:
        """All of it as bytes that a later change leaves alone.

        Raises:
            SimulationError: It is a sparse file of more than 1 GiB.
        """
        if self.sparse is None and len(self.data) == self.size:
            if type(self.data) is not bytes:
                self.data = bytes(self.data)
            assert isinstance(self.data, bytes)
            return self.data
        if self.size > _DENSE_MAX:
            raise SimulationError(
                f"a file of {self.size} bytes is too large to put into an image; keep the files "
                f"of a store under test below {_DENSE_MAX} bytes"
            )
        return self.read(0, self.size)
