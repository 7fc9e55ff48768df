"""Effects: the smallest parts of a system call that can reach the disk alone.

A trace is replayed on a table of inodes and names, and each call is cut into effects (DESIGN.md
section 6): one *data* effect per 4096-byte page a write touches, a *size* effect for each page by
which it extends the file, a *cut* for a truncation, a *name* effect for each directory entry that
changes. Which of them may be lost, and in which order they reach the disk, is not decided here but
by a persistence model.

Effects on one *slot* (one page of a file, a file's size, one name of a directory) are versions of
it: the page cache holds only the newest, so a later version on disk stands for the earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from harness import image as images
from harness import trace
from harness.errors import UsageError

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
    "derive",
]

PAGE: Final = 4096
"""Bytes that reach the disk as a unit unless torn: the page cache's page."""

_LINKS_MAX: Final = 40
"""Symbolic links followed in one path: the kernel's MAXSYMLINKS."""


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


def derive(records: Iterable[trace.Record], base: images.Image | None = None) -> Effects:
    """Cut a trace into effects.

    Args:
        records: The trace; its first record may be an image.
        base: The image the recording machine booted from; overrides the trace's own, and makes
            the inode numbers in the records those of the image.

    Raises:
        UsageError: A record cannot follow the ones before it (a name that is not there).
    """
    replay = _Replay(base)
    for record in records:
        replay.step(record)
    return replay.result


class _Replay:
    """The page cache's view: names and sizes as the running program saw them."""

    def __init__(self, base: images.Image | None) -> None:
        self._known_inodes = base is not None
        self._boot(base or images.EMPTY)

    def _boot(self, base: images.Image) -> None:
        self.result = Effects(base)
        self.result.directories.update(base.directories)
        self._names: dict[int, dict[str, int]] = {
            ino: dict(names) for ino, names in base.directories.items()
        }
        self._sizes = {ino: len(content) for ino, content in base.contents.items()}
        self._targets = dict(base.targets)
        # Pages that have a block: a write there overwrites, one elsewhere allocates.
        self._mapped = {
            ino: set(range(-(-len(content) // PAGE))) for ino, content in base.contents.items()
        }
        inodes = [*base.directories, *base.contents, *base.targets]
        self._inodes: dict[int, int] = {ino: ino for ino in inodes} if self._known_inodes else {}
        self._used = set(inodes)
        self._next = max(inodes) + 1
        self._volatile: set[int] = set()

    def step(self, record: trace.Record) -> None:
        if isinstance(record, trace.Image):
            if not self._known_inodes:
                self._boot_from_record(record)
            return
        if isinstance(record, trace.Mark):
            return
        result = self.result
        result.calls += 1
        result.records.append(record)
        # A call that failed did nothing, but for the bytes of a short write.
        if record.error is not None and not isinstance(record, trace.Write):
            return
        if _volatile(record):
            return
        getattr(self, "_" + type(record).__name__.lower())(result.calls, record)

    def _boot_from_record(self, record: trace.Image) -> None:
        try:
            base = images.from_tree(record.files, record.dirs)
        except ValueError as error:
            raise UsageError(f"trace record {record.i}: image: {error}") from None
        self._boot(base)
        by_path = dict(base.walk())
        for path, label in record.inos.items():
            if path in by_path:
                self._inodes[label] = by_path[path]

    # -- looking things up -------------------------------------------------------------------

    def _impossible(self, record: trace.Call, why: str) -> UsageError:
        return UsageError(
            f"trace record {record.i}: {type(record).__name__.lower()}: {why}; "
            "the records must replay from the image on their own"
        )

    def _walk(self, path: str, record: trace.Call) -> tuple[int, str]:
        """Resolve all but the last part of a path: (directory, last name)."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        ino, hops = images.ROOT, 0
        while len(parts) > 1:
            child = self._names[ino].get(parts[0])
            if child is not None and child in self._targets:
                hops += 1
                if hops > _LINKS_MAX or self._targets[child].startswith("/"):
                    raise self._impossible(record, f"{path!r} leaves the directory")
                parts[:1] = self._targets[child].split("/")
                continue
            if child is None or child not in self._names:
                raise self._impossible(record, f"{parts[0]!r} in {path!r} is not a directory here")
            ino = child
            del parts[0]
        return ino, parts[0] if parts else ""

    def _find(self, path: str, record: trace.Call) -> int:
        directory, name = self._walk(path, record)
        if not name:
            return directory
        ino = self._names[directory].get(name)
        if ino is None:
            raise self._impossible(record, f"nothing is named {path!r} here")
        return ino

    def _inode(self, record: trace.Write | trace.Truncate | trace.Fsync | trace.Fdatasync) -> int:
        label = record.ino
        if label is not None and label in self._inodes:
            return self._inodes[label]
        ino = self._find(record.path, record)
        if label is not None:
            self._inodes[label] = ino
        return ino

    def _new(self, label: int | None) -> int:
        # The recorder's own number where it is free, so that a second recording on an image of
        # this one can be joined to it.
        if label is not None and label not in self._used:
            ino = label
        else:
            while self._next in self._used:
                self._next += 1
            ino = self._next
        self._used.add(ino)
        if label is not None:
            self._inodes[label] = ino
        return ino

    def _set_name(
        self, call: int, record: trace.Call, where: tuple[int, str], ino: int | None, path: str
    ) -> None:
        directory, name = where
        names = self._names[directory]
        was = names.get(name)
        if ino is None:
            del names[name]
        else:
            names[name] = ino
        subject = ino if ino is not None else was
        assert subject is not None
        self.result.effects.append(
            Name(call, record.i, directory, name, ino, was, subject, path.removeprefix("./"))
        )

    # -- the calls ---------------------------------------------------------------------------

    def _create(self, call: int, record: trace.Create) -> None:
        ino = self._new(record.ino)
        self._sizes[ino] = 0
        self._mapped[ino] = set()
        self.result.modes[ino] = record.mode
        if not record.unnamed:
            self._set_name(call, record, self._walk(record.path, record), ino, record.path)

    def _mkdir(self, call: int, record: trace.Mkdir) -> None:
        ino = self._new(record.ino)
        self._names[ino] = {}
        self.result.directories.add(ino)
        self._set_name(call, record, self._walk(record.path, record), ino, record.path)

    def _symlink(self, call: int, record: trace.Symlink) -> None:
        ino = self._new(None)
        self._targets[ino] = self.result.targets[ino] = record.target
        self._set_name(call, record, self._walk(record.path, record), ino, record.path)

    def _link(self, call: int, record: trace.Link) -> None:
        if record.ino is not None and record.ino in self._inodes:
            ino = self._inodes[record.ino]
        else:
            ino = self._find(record.src, record)
        self._set_name(call, record, self._walk(record.dst, record), ino, record.dst)

    def _unlink(self, call: int, record: trace.Unlink) -> None:
        self._find(record.path, record)
        self._set_name(call, record, self._walk(record.path, record), None, record.path)

    def _rmdir(self, call: int, record: trace.Rmdir) -> None:
        self._find(record.path, record)
        self._set_name(call, record, self._walk(record.path, record), None, record.path)

    def _rename(self, call: int, record: trace.Rename) -> None:
        ino = self._find(record.src, record)
        src, dst = self._walk(record.src, record), self._walk(record.dst, record)
        replaced = self._names[dst[0]].get(dst[1])
        if replaced == ino:
            return  # rename(2): two names of one file, nothing is done
        self.result.renames[call] = (ino, replaced)
        # The new name first: where the two can be told apart, a file never has neither.
        self._set_name(call, record, dst, ino, record.dst)
        self._set_name(call, record, src, None, record.src)

    def _write(self, call: int, record: trace.Write) -> None:
        if not record.data:
            return
        ino = self._inode(record)
        if ino not in self._sizes:
            raise self._impossible(record, f"{record.path!r} is not a regular file")
        effects, mapped = self.result.effects, self._mapped[ino]
        start, end = record.offset, record.offset + len(record.data)
        at = start
        while at < end:
            stop = min(end, (at // PAGE + 1) * PAGE)
            page = at // PAGE
            data = record.data[at - start : stop - start]
            effects.append(Data(call, record.i, ino, at, data, page not in mapped))
            mapped.add(page)
            if stop > self._sizes[ino]:
                self._sizes[ino] = stop
                effects.append(Size(call, record.i, ino, stop))
            at = stop

    def _truncate(self, call: int, record: trace.Truncate) -> None:
        ino = self._inode(record)
        if ino not in self._sizes:
            raise self._impossible(record, f"{record.path!r} is not a regular file")
        before, size = self._sizes[ino], record.size
        self._sizes[ino] = size
        if size > before:
            self.result.effects.append(Size(call, record.i, ino, size))
        elif size < before:
            pages = -(-size // PAGE)
            self._mapped[ino] = {page for page in self._mapped[ino] if page < pages}
            self.result.effects.append(Cut(call, record.i, ino, size))
            if size % PAGE:
                self.result.effects.append(Tail(call, record.i, ino, size))

    def _fsync(self, call: int, record: trace.Fsync) -> None:
        try:
            ino = self._inode(record)
        except UsageError:
            if record.dir or record.ino is not None:
                return  # a directory, or a file, that has no name any more
            raise
        self.result.syncs.append(SyncPoint(call, ino, directory=ino in self._names))

    def _fdatasync(self, call: int, record: trace.Fdatasync) -> None:
        ino = self._inode(record)
        directory = ino in self._names
        self.result.syncs.append(SyncPoint(call, ino, directory=directory, data_only=True))

    def _sync(self, call: int, record: trace.Sync) -> None:  # noqa: ARG002
        self.result.syncs.append(SyncPoint(call, None))

    def _close(self, call: int, record: trace.Close) -> None:
        label = record.ino
        ino = self._inodes.get(label) if label is not None else None
        if ino is None and record.path:
            try:
                ino = self._find(record.path, record)
            except UsageError:
                return  # closed after its name was gone; nothing to publish
        if ino is not None and record.wrote:
            self.result.closes.append((call, ino))


def _volatile(record: trace.Record) -> bool:
    """Tell whether a call touches only /tmp, a file system of its own that a crash empties."""
    path: str = getattr(record, "path", "") or getattr(record, "dst", "")
    return path == "/tmp" or path.startswith("/tmp/")  # noqa: S108
