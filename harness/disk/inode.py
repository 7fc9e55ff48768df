"""What files, directories and symbolic links have in common, and how the kernel says no."""

from __future__ import annotations

from os import stat_result
from typing import TYPE_CHECKING, Final

from harness.disk.constants import BLOCK, BOOT_TIME_NS

if TYPE_CHECKING:
    from harness.disk.locks import LockTable
    from harness.disk.nodes import Directory
    from harness.disk.volume import Volume

__all__ = ["UNITS", "UNKNOWN", "Inode", "Refused"]

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


UNITS: Final = BLOCK // 512
"""Units of st_blocks in a block."""

_ROOT_USER: Final = (0, 0)
_BOOT_TIMES: Final = (BOOT_TIME_NS, BOOT_TIME_NS, BOOT_TIME_NS)
_BOOT_TIMES_SHOWN: Final = _shown(_BOOT_TIMES)
