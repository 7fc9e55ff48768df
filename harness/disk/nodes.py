"""Inodes: files, directories and symbolic links, each asking the boot image only what it must.

Every question to the image is asked at the moment its answer is needed, and once: whoever stands
between (see harness/image.py) notes exactly what a recovery depended on.
"""

from __future__ import annotations

import stat
from errno import EFBIG, EINVAL, ENOSPC
from os import stat_result
from typing import TYPE_CHECKING, Final, TypeAlias

from harness.disk.constants import BLOCK, BOOT_TIME_NS, FILE_SIZE_MAX
from harness.disk.content import Content, Runs, pages

if TYPE_CHECKING:
    from harness.disk.locks import LockTable
    from harness.disk.volume import Volume

__all__ = ["UNKNOWN", "Directory", "File", "Inode", "Node", "Refused", "Symlink"]

UNKNOWN: Final = -1
"""Not yet asked of the image. Inode numbers, modes, sizes and link counts are never negative."""


class Refused(Exception):  # noqa: N818 - not an error yet: the call it reaches gives it names
    """The kernel says no inside a call, with an errno."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Inode:
    """What all three kinds have.

    Attributes:
        links: How many names it has, UNKNOWN until asked.
        opens: How many open file descriptions hold it.
        owner: User and group.
        times: Of access, change and change of the inode, in nanoseconds since the epoch.
        home: Directory and name it was last known by.

    Args:
        volume: Its filesystem.
        ino: Its number.
        mode: Permission bits; UNKNOWN says that it comes from the image.
        now: The virtual clock, in nanoseconds.
    """

    __slots__ = (
        "home",
        "ino",
        "links",
        "locks",
        "mode",
        "opens",
        "owner",
        "times",
        "volume",
    )

    def __init__(self, volume: Volume, ino: int, mode: int, now: int) -> None:
        self.volume = volume
        self.ino = ino
        self.mode = mode
        self.links = UNKNOWN if mode == UNKNOWN else 0
        self.opens = 0
        self.owner = _ROOT_USER
        self.times = _BOOT_TIMES if now == BOOT_TIME_NS else (now, now, now)
        self.locks: LockTable | None = None
        self.home: tuple[Directory, str] | None = None

    def permissions(self) -> int:
        mode = self.mode
        if mode == UNKNOWN:
            mode = self.mode = self.volume.boot.mode(self.ino)
        return mode

    def names(self) -> int:
        links = self.links
        if links == UNKNOWN:
            links = self.links = self.volume.boot.links(self.ino)
        return links

    def changed(self, now: int) -> None:
        """Set the times that a change of content sets."""
        self.times = (self.times[0], now, now)
        self.volume.changed = True

    def touched(self, now: int) -> None:
        """Set the time that a change of the inode alone sets."""
        self.times = (self.times[0], self.times[1], now)

    def _stat(self, kind: int, links: int, size: int, blocks: int) -> stat_result:
        times = self.times
        atime, mtime, ctime = times
        mode = self.mode
        return stat_result(
            (
                kind | (self.permissions() if mode == UNKNOWN else mode),
                self.ino,
                self.volume.device,
                links,
                *self.owner,
                size,
                *(_BOOT_TIMES_SHOWN if times is _BOOT_TIMES else _shown(times)),
                atime,
                mtime,
                ctime,
                BLOCK,
                blocks,
                0,
            )
        )


def _shown(times: tuple[int, int, int]) -> tuple[float, ...]:
    """Give times as whole seconds and as seconds, as stat_result wants them."""
    return (*(time // 1_000_000_000 for time in times), *(time / 1e9 for time in times))


_UNITS: Final = BLOCK // 512
"""Units of st_blocks in a block."""

_ROOT_USER: Final = (0, 0)
_BOOT_TIMES: Final = (BOOT_TIME_NS, BOOT_TIME_NS, BOOT_TIME_NS)
_BOOT_TIMES_SHOWN: Final = _shown(_BOOT_TIMES)


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
            content = self.content
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
            stat.S_IFREG, self.names() if links == UNKNOWN else links, size, blocks * _UNITS
        )


class Directory(Inode):
    """A directory.

    ``st_nlink`` is 1 and ``st_size`` 4096 always: counting subdirectories, as some filesystems do
    (btrfs does not), would ask the image for every name's kind on each stat.

    Attributes:
        known: Name to node, to an inode number not yet looked at, or to None: known to be absent.
        whole: All names are in ``known``; the image need not be asked.
        parent: The directory above; itself for a filesystem's root.
        is_top: It is what the filesystems are mounted in, where nothing can be changed.
    """

    __slots__ = ("is_top", "known", "parent", "whole")

    def __init__(self, volume: Volume, ino: int, mode: int, now: int) -> None:
        super().__init__(volume, ino, mode, now)
        self.known: dict[str, Node | int | None] = {}
        self.whole = mode != UNKNOWN
        self.parent: Directory = self
        self.is_top = False

    def find(self, name: str) -> Node | None:
        """Look one name up."""
        node = self.known.get(name, UNKNOWN)
        if type(node) is int:
            if node == UNKNOWN:
                if self.whole:
                    return None
                found = self.volume.boot.lookup(self.ino, name)
                if found is None:
                    self.known[name] = None
                    return None
                node = found
            node = self.known[name] = self.volume.node(node, self, name)
        return node  # type: ignore[return-value]  # an int was replaced above

    def _ask_all(self) -> None:
        known = self.known
        entries = self.volume.boot.entries(self.ino)
        if known:
            for name, ino in entries.items():
                known.setdefault(name, ino)
            for name in [name for name, node in known.items() if node is None]:
                del known[name]
        else:
            known.update(entries)
        self.whole = True

    def list(self) -> list[str]:
        """All names, in code point order: an order that no disk promises, but a fixed one."""
        if not self.whole:
            self._ask_all()
        return sorted(self.known)

    def number(self, name: str) -> int:
        """Inode number of a name that `list` gave."""
        node = self.known[name]
        assert node is not None
        return node if type(node) is int else node.ino  # type: ignore[union-attr]

    def empty(self) -> bool:
        if not self.whole:
            self._ask_all()
        return not self.known

    def put(self, name: str, node: Node, now: int) -> None:
        self.known[name] = node
        node.home = (self, name)
        if type(node) is Directory:
            node.parent = self
        self.changed(now)

    def remove(self, name: str, now: int) -> None:
        if self.whole:
            del self.known[name]
        else:
            self.known[name] = None
        self.changed(now)

    def stat(self) -> stat_result:
        return self._stat(stat.S_IFDIR, 1, BLOCK, 0)


class Symlink(Inode):
    """A symbolic link."""

    __slots__ = ("_target",)

    def __init__(self, volume: Volume, ino: int, mode: int, now: int) -> None:
        super().__init__(volume, ino, mode, now)
        self._target: str | None = None

    @property
    def target(self) -> str:
        target = self._target
        if target is None:
            target = self._target = self.volume.boot.target(self.ino)
        return target

    @target.setter
    def target(self, target: str) -> None:
        self._target = target

    def permissions(self) -> int:
        return 0o777

    def stat(self) -> stat_result:
        size = len(self.target.encode("utf-8", "surrogateescape"))
        return self._stat(stat.S_IFLNK, self.names(), size, 0)


Node: TypeAlias = File | Directory | Symlink
