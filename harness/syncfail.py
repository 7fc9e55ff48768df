"""What a failed fsync, or a close that reports a failed write-back, does to the disk.

The kernel reports the error once for each open file, marks the pages clean and will not write them
again: a later fsync of the same file succeeds and brings nothing (kernel mm/filemap.c
file_check_and_advance_wb_err(); Rebello et al., "Can Applications Recover from fsync Failures?",
ATC'20, table 2: ext4 and xfs keep the new data in memory, btrfs takes the memory back). Nothing
tells how many of the pages had got to the disk; that all had is the trace as it stands, that none
had is what this room makes of it.
"""

from __future__ import annotations

import msgspec

from harness.image import Image
from harness.trace import (
    Close,
    Create,
    Fdatasync,
    Fsync,
    Record,
    Sync,
    Truncate,
    Write,
)

__all__ = ["dropped"]


def dropped(records: list[Record], base: Image, *, reverts: bool = False) -> list[Record]:
    """Rewrite a trace so that what a failed sync was to write was never written.

    A write that made its file longer leaves its size, over zeros (an unwritten extent); one over
    bytes that were there leaves those.

    Args:
        records: The trace; returned equal if no sync failed.
        base: The disk before it.
        reverts: The memory went back to what the disk had, as on btrfs: sizes did, too.
    """
    result = list(records)
    sizes = {ino: len(content) for ino, content in base.contents.items()}
    unsynced: dict[int, list[tuple[int, int]]] = {}
    for number, record in enumerate(records):
        if isinstance(record, Sync) and record.error is None:
            unsynced.clear()
        if not isinstance(record, Create | Write | Truncate | Fsync | Fdatasync | Close):
            continue
        ino = record.ino
        if ino is None:
            continue
        if isinstance(record, Close) and not record.wrote:
            continue  # only who wrote is told at close that it failed (nfs_file_flush)
        if isinstance(record, Fsync | Fdatasync | Close):
            if record.error is not None:
                for position, size in unsynced.pop(ino, []):
                    lost = records[position]
                    result[position] = _undone(lost) if reverts else _unwritten(lost, size)
            elif not isinstance(record, Close):
                unsynced.pop(ino, None)
            continue
        size = sizes.get(ino, 0)
        if isinstance(record, Write):
            if record.data:
                unsynced.setdefault(ino, []).append((number, size))
                sizes[ino] = max(size, record.offset + len(record.data))
        elif record.error is None:
            sizes[ino] = record.size if isinstance(record, Truncate) else 0
            if reverts and isinstance(record, Truncate):
                unsynced.setdefault(ino, []).append((number, size))
    return result


def _undone(record: Record) -> Record:
    """The same call as one that failed and did nothing."""
    if isinstance(record, Write):
        return msgspec.structs.replace(record, data=b"", error="EIO")
    return msgspec.structs.replace(record, error="EIO")


def _unwritten(record: Record, size: int) -> Record:
    """The same write with nothing but its size."""
    assert isinstance(record, Write)
    end = record.offset + len(record.data)
    if end > size:
        return Truncate(
            i=record.i, process=record.process, at=record.at, path=record.path, size=end,
            ino=record.ino,
        )  # fmt: skip
    return Write(
        i=record.i, process=record.process, at=record.at, path=record.path, offset=record.offset,
        data=b"", ino=record.ino, error="EIO",
    )  # fmt: skip
