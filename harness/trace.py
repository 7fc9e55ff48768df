"""The trace: the ordered, byte-exact log of what a subject asked the disk to do.

One record a call, in the shape of DESIGN.md section 4.4 (a contract). Reads and failed look-ups are
not in it: they cannot change what is on disk. The same records come from a run on the simulated
disk and from a JSON-lines file that somebody else wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, TypeAlias

import msgspec

from harness.errors import UsageError

__all__ = [
    "Call",
    "Close",
    "Create",
    "Fdatasync",
    "Frame",
    "Fsync",
    "Image",
    "Link",
    "Mark",
    "Mkdir",
    "Record",
    "Rename",
    "Rmdir",
    "Symlink",
    "Sync",
    "Truncate",
    "Unlink",
    "Write",
    "dump_line",
    "is_call",
    "load_lines",
]

Frame: TypeAlias = tuple[str, int, str]
"""File, line, function of one stack frame."""


class Call(msgspec.Struct, tag_field="op", kw_only=True, omit_defaults=True):
    """What every record has.

    Attributes:
        i: Position in the trace; the image, given or implied, is 0.
        process: Number of the simulated process, from 1.
        at: The subject's frames, innermost first.
        error: Symbol of the errno the call failed with; the rest of the record then tells
            only what really happened (the bytes a short write wrote before it failed).
    """

    i: int = -1
    process: int | None = None
    at: tuple[Frame, ...] = ()
    error: str | None = None


class Image(Call, tag="image"):
    """What is on disk, durably, before the first call. Only ever the first record.

    ``inos`` gives the inode numbers that later records use, where a file may be named by
    nothing else (opened, then renamed or unlinked).
    """

    files: dict[str, bytes] = {}
    dirs: list[str] = []
    inos: dict[str, int] = {}


class Create(Call, tag="create"):
    """A new regular file: open with O_CREAT of a name that was not there.

    ``unnamed`` marks an O_TMPFILE: the inode has no name until it is linked.
    """

    path: str
    ino: int | None = None
    mode: int = 0o666
    unnamed: bool = False


class Write(Call, tag="write"):
    """Bytes that reached the page cache at an offset; a hole before them reads as zeros."""

    path: str
    offset: int
    data: bytes
    ino: int | None = None


class Truncate(Call, tag="truncate"):
    """The size set outright: ftruncate, or O_TRUNC of a file that had content."""

    path: str
    size: int
    ino: int | None = None


class Link(Call, tag="link"):
    """Another name for a file. ``ino`` names the file where ``src`` is not a name (O_TMPFILE)."""

    src: str
    dst: str
    ino: int | None = None


class Symlink(Call, tag="symlink"):
    """A symbolic link at ``path``."""

    target: str
    path: str


class Unlink(Call, tag="unlink"):
    """A name removed."""

    path: str


class Rename(Call, tag="rename"):
    """A name moved, over an existing one or not."""

    src: str
    dst: str


class Mkdir(Call, tag="mkdir"):
    """A new directory."""

    path: str
    ino: int | None = None


class Rmdir(Call, tag="rmdir"):
    """An empty directory removed."""

    path: str


class Fsync(Call, tag="fsync"):
    """fsync of a file, or of a directory."""

    path: str
    ino: int | None = None
    dir: bool = False


class Fdatasync(Call, tag="fdatasync"):
    """fdatasync of a file."""

    path: str
    ino: int | None = None


class Sync(Call, tag="sync"):
    """sync or syncfs."""


class Close(Call, tag="close"):
    """The last close of an open file description; ``wrote`` if it ever wrote."""

    path: str
    ino: int | None = None
    wrote: bool = False


class Mark(Call, tag="mark"):
    """Not a system call: where an operation began or ended, where a process died or restarted.

    Attributes:
        event: invoke, return, raise, kill, restart, or a name of the recorder's own.
        number: Which operation of the history, from 0.
        operation: write, read, delete, list, sync.
        key: The key, where the operation has one.
        detail: Anything a reader wants to know, in words.
    """

    event: str
    number: int | None = None
    operation: str | None = None
    key: str | None = None
    detail: str | None = None


Record: TypeAlias = (
    Image
    | Create
    | Write
    | Truncate
    | Link
    | Symlink
    | Unlink
    | Rename
    | Mkdir
    | Rmdir
    | Fsync
    | Fdatasync
    | Sync
    | Close
    | Mark
)

_decoder = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


def is_call(record: Record) -> bool:
    """Tell whether a record is a system call: marks and the image are not counted as such."""
    return not isinstance(record, Image | Mark)


def dump_line(record: Record) -> str:
    """Render one record as a line of JSON, without the newline."""
    return _encoder.encode(record).decode()


def load_lines(lines: Iterable[str] | IO[str], name: str) -> Iterator[Record]:
    """Parse a trace.

    Args:
        lines: The file's lines; blank ones are skipped.
        name: The file's name, for the error message.

    Yields:
        The records, each with its ``i``: as given, or counted on from the one before.

    Raises:
        UsageError: A line is not a record of the trace contract.
    """
    following = 1
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise UsageError(
                f"{name}:{number}: not a trace record: {error}; each line is one JSON object "
                'with an "op" (see `harness trace --help`)'
            ) from None
        if isinstance(record, Image):
            if following != 1:
                raise UsageError(f"{name}:{number}: an image may only be the first line")
            record.i = max(record.i, 0)
        elif record.i < 0:
            record.i = following
        following = record.i + 1
        yield record
