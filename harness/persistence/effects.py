"""Effects: the smallest parts of a system call that can reach the disk alone.

Each call of a trace is cut into effects (DESIGN.md section 6; the cutting is done in
`harness.persistence.deriving`): one *data* effect per 4096-byte page a write touches, a *size*
effect for each page by which it extends the file, a *cut* for a truncation, a *name* effect for
each directory entry that changes. Which of them may be lost, and in which order they reach the
disk, is not decided here but by a persistence model.

Effects on one *slot* (one page of a file, a file's size, one name of a directory) are versions of
it: the page cache holds only the newest, so a later version on disk stands for the earlier ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from harness import image as images
from harness import trace

__all__ = [
    "PAGE",
    "Cut",
    "Data",
    "Effect",
    "Effects",
    "Name",
    "Size",
    "SyncPoint",
    "Tail",
]

PAGE: Final = 4096
"""Bytes that reach the disk as a unit unless torn: the page cache's page."""


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of one page of a file.

    Attributes:
        call: Which system call issued it, counted from 1.
        i: Position of the call's record in the trace.
        ino: The file.
        start: Offset of the first byte in the file.
        data: The bytes; they do not cross a page boundary.
        fresh: Whether the page had no block yet when it was written, so that the file system
            must allocate one (it then reads as zeros until the data is there).
    """

    call: int
    i: int
    ino: int
    start: int
    data: bytes
    fresh: bool

    @property
    def page(self) -> int:
        return self.start // PAGE

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    @property
    def part(self) -> str:
        return f"data {self.start}..{self.end}"


@dataclass(frozen=True, slots=True)
class Size:
    """A file grown to ``size`` bytes by a write or an extending truncate."""

    call: int
    i: int
    ino: int
    size: int

    @property
    def part(self) -> str:
        return f"size {self.size}"


@dataclass(frozen=True, slots=True)
class Cut:
    """A file truncated down to ``size``; whatever was beyond reads as zeros if it grows again."""

    call: int
    i: int
    ino: int
    size: int

    @property
    def part(self) -> str:
        return f"cut {self.size}"


@dataclass(frozen=True, slots=True)
class Tail:
    """The rest of the page that a cut ends in, zeroed: its own data effect on some file systems."""

    call: int
    i: int
    ino: int
    start: int

    @property
    def page(self) -> int:
        return self.start // PAGE

    @property
    def part(self) -> str:
        return f"zeros from {self.start}"


@dataclass(frozen=True, slots=True)
class Name:
    """One directory entry set to an inode, or removed.

    Attributes:
        ino: What the name now stands for; None where it is removed.
        was: What the name stood for before; None where it was free.
        subject: The inode that gains or loses this name.
    """

    call: int
    i: int
    directory: int
    name: str
    ino: int | None
    was: int | None
    subject: int
    path: str

    @property
    def part(self) -> str:
        return f"name {self.path}" if self.ino is not None else f"no name {self.path}"


Effect: TypeAlias = Data | Size | Cut | Tail | Name


@dataclass(frozen=True, slots=True)
class SyncPoint:
    """A returned sync call.

    Attributes:
        call: Which call it was.
        ino: What was synced; None for sync(), which brings everything.
        directory: Whether that is a directory.
        data_only: fdatasync.
    """

    call: int
    ino: int | None
    directory: bool = False
    data_only: bool = False


@dataclass(slots=True)
class Effects:
    """A whole trace, cut into effects.

    Attributes:
        base: What was durable before the first call.
        effects: All effects, in the order of the calls.
        syncs: The sync calls that returned without error, in order.
        closes: For each close of a written file: call and inode.
        directories: Inodes of all directories there ever were.
        targets: Target of each symbolic link made.
        modes: Permission bits of each file made.
        calls: How many calls the trace has.
        records: The calls themselves; number n at index n - 1.
        renames: For each call that is a rename: the inode moved, and what it replaced.
    """

    base: images.Image
    effects: list[Effect] = field(default_factory=list)
    syncs: list[SyncPoint] = field(default_factory=list)
    closes: list[tuple[int, int]] = field(default_factory=list)
    directories: set[int] = field(default_factory=set)
    targets: dict[int, str] = field(default_factory=dict)
    modes: dict[int, int] = field(default_factory=dict)
    calls: int = 0
    records: list[trace.Record] = field(default_factory=list)
    renames: dict[int, tuple[int, int | None]] = field(default_factory=dict)
