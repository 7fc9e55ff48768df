"""A regular file: its bytes, its blocks, and what allocating them can refuse."""

from __future__ import annotations

import stat
from errno import EFBIG, EINVAL, ENOSPC
from os import stat_result
from typing import TYPE_CHECKING

from harness.disk.constants import BLOCK, FILE_SIZE_MAX
from harness.disk.content import Content, Runs, pages
from harness.disk.inode import UNITS, UNKNOWN, Inode, Refused

if TYPE_CHECKING:
    from harness.disk.volume import Volume

__all__ = ["File"]


class File(Inode):
    """A regular file.

    Attributes:
        allocated: Pages that have a block; UNKNOWN to us (None) until the size is asked.
        unwritten: Pages that fallocate reserved and nobody wrote yet: allocated, and a hole to
            SEEK_DATA.
        linkable: It was made by O_TMPFILE without O_EXCL, so it may get a name (I_LINKABLE).
    """

    __slots__ = ("_content", "_size", "allocated", "linkable", "unwritten")

    def __init__(self, volume: Volume, ino: int, mode: int, now: int) -> None:
        super().__init__(volume, ino, mode, now)
        self._content: Content | None = None
        self._size = UNKNOWN
        self.allocated: Runs | None = None
        if mode != UNKNOWN:
            self._content = Content()
            self.allocated = Runs()
        self.unwritten: Runs | None = None
        self.linkable = False

    @property
    def content(self) -> Content:
        content = self._content
        if content is None:
            content = self._content = Content(self.volume.boot.content(self.ino))
        return content

    @property
    def size(self) -> int:
        content = self._content
        if content is not None:
            return content.size
        if self._size == UNKNOWN:
            self._size = self.volume.boot.size(self.ino)
        return self._size

    @property
    def blocks(self) -> Runs:
        """The allocated pages: of a file from the image, all of them."""
        allocated = self.allocated
        if allocated is None:
            count = pages(self.size)
            allocated = self.allocated = Runs([0, count] if count else [])
        return allocated

    def read(self, offset: int, count: int) -> bytes:
        content = self._content
        if content is None:
            # Only this range: what a recovery does not read does not matter to it.
            return self.volume.boot.read(self.ino, offset, count)
        data = content.data
        if len(data) == content.size and content.sparse is None:
            data = data[offset : offset + count]
            return data if type(data) is bytes else bytes(data)
        return content.read(offset, count)

    def write(self, offset: int, data: bytes, now: int) -> int:
        """Write what fits; return how many bytes that were.

        Raises:
            Refused: ENOSPC when not one byte fits (a prefix up to a block boundary otherwise:
                generic_perform_write in mm/filemap.c goes page by page), EFBIG, EINVAL.
        """
        if not data:
            return 0
        end = offset + len(data)
        if end > FILE_SIZE_MAX:
            raise Refused(EFBIG if offset >= FILE_SIZE_MAX else EINVAL)
        content = self.content
        start_page, end_page = offset // BLOCK, (end + BLOCK - 1) // BLOCK
        for low, high in self.blocks.missing(start_page, end_page):
            granted = self.volume.take(high - low)
            if granted:
                self.blocks.add(low, low + granted)
            if granted < high - low:
                end = (low + granted) * BLOCK
                if end <= offset:
                    raise Refused(ENOSPC)
                data = data[: end - offset]
                break
        if self.unwritten is not None:
            self._written(start_page, (end + BLOCK - 1) // BLOCK)
        content.write(offset, data)
        self.changed(now)
        return end - offset

    def _written(self, start: int, end: int) -> None:
        assert self.unwritten is not None
        self.unwritten.remove(start, end)
        if not self.unwritten.bounds:
            self.unwritten = None

    def resize(self, size: int, now: int) -> None:
        """Set the size (truncate).

        Raises:
            Refused: EFBIG.
        """
        if size > FILE_SIZE_MAX:
            raise Refused(EFBIG)
        if size < self.size:
            self.volume.give(self.blocks.cut(pages(size)))
            if self.unwritten is not None:
                self.unwritten.cut(pages(size))
        if size == 0:
            self._content = Content()
        else:
            self.content.resize(size)
        self.changed(now)

    def reserve(self, offset: int, length: int, now: int) -> None:
        """Allocate blocks and grow over them (fallocate with mode 0).

        Raises:
            Refused: ENOSPC, with nothing allocated (shmem_fallocate undoes what it began); EFBIG.
        """
        end = offset + length
        if end > FILE_SIZE_MAX:
            raise Refused(EFBIG)
        start_page, end_page = offset // BLOCK, pages(end)
        limit = self.volume.capacity_blocks
        if limit is not None and end_page - start_page > limit:
            raise Refused(ENOSPC)
        gaps = self.blocks.missing(start_page, end_page)
        wanted = sum(high - low for low, high in gaps)
        granted = self.volume.take(wanted)
        reached = end_page
        if granted < wanted:
            self.volume.give(granted)
            left = granted
            for low, high in gaps:
                if high - low > left:
                    reached = low + left
                    break
                left -= high - low
        if self.unwritten is not None:
            # What was reserved before becomes data, zeros (shmem_get_folio_gfp clears it), as far
            # as the call came.
            self._written(start_page, reached)
        if granted < wanted:
            raise Refused(ENOSPC)
        for low, high in gaps:
            self.blocks.add(low, high)
            if self.unwritten is None:
                self.unwritten = Runs()
            self.unwritten.add(low, high)
        if end > self.size:
            self.content.resize(end)
        self.changed(now)

    def data_from(self, offset: int) -> int | None:
        """First offset of data at or after ``offset`` (SEEK_DATA), None in the last hole."""
        page: int | None = offset // BLOCK
        size = self.size
        while page is not None:
            page = self.blocks.inside_from(page)
            if page is None or page * BLOCK >= size:
                return None
            if self.unwritten is None or self.unwritten.outside_from(page) == page:
                return max(offset, page * BLOCK)
            page = self.unwritten.outside_from(page)
        return None

    def hole_from(self, offset: int) -> int:
        """First offset of a hole at or after ``offset`` (SEEK_HOLE); the end counts as one."""
        page = offset // BLOCK
        size = self.size
        while page * BLOCK < size:
            end = self.blocks.outside_from(page)
            if self.unwritten is not None:
                reserved = self.unwritten.inside_from(page)
                if reserved is not None and reserved < end:
                    end = reserved
            return min(max(offset, end * BLOCK), size)
        return size

    def replace(self, data: bytes) -> None:
        """Put other bytes beneath the processes: damage, not a call. Times stay."""
        self.volume.give(self.blocks.total())
        self._content = Content(data)
        count = pages(len(data))
        self.allocated = Runs([0, count] if count else [])
        self.unwritten = None
        self.volume.take(count)
        self.volume.changed = True

    def stat(self) -> stat_result:
        size = self.size
        allocated = self.allocated
        # Of a file as it was booted, every block is there: no need to count ranges.
        blocks = (size + BLOCK - 1) // BLOCK if allocated is None else allocated.total()
        links = self.links
        return self._stat(
            stat.S_IFREG, self.names() if links == UNKNOWN else links, size, blocks * UNITS
        )
