"""Cutting a trace into effects: the calls replayed on a table of inodes and names.

Each record must be possible after those before it, so that what is explored is what a running
program could have done; a trace that somebody wrote by hand is told which record is not.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Final

from harness import image as images
from harness import trace
from harness.errors import UsageError
from harness.persistence.effects import PAGE, Cut, Data, Effects, Name, Size, SyncPoint, Tail

__all__ = ["derive"]

_FILE_BYTES_MAX: Final = 1 << 26
"""Bytes a file may reach, holes included: contents are built in memory, many at a time."""

_LINKS_MAX: Final = 40
"""Symbolic links followed in one path: the kernel's MAXSYMLINKS."""


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
            f"trace record {record.i}: {_op(record)}: {why}; "
            "the records must replay from the image on their own"
        )

    def _check_size(self, record: trace.Write | trace.Truncate, start: int, end: int) -> None:
        if start < 0:
            raise self._impossible(record, f"{start} bytes is not a place in a file")
        if end > _FILE_BYTES_MAX:
            raise UsageError(
                f"trace record {record.i}: {_op(record)}: {record.path!r} reaches {end} bytes; "
                f"crash states are built in memory, for files of up to {_FILE_BYTES_MAX} bytes"
            )

    def _walk(self, path: str, record: trace.Call) -> tuple[int, str]:
        """Resolve all but the last part of a path: (directory, last name)."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        ino, hops = images.ROOT, 0
        above: list[int] = []
        while len(parts) > 1:
            if parts[0] in {"", ".", ".."}:
                if parts.pop(0) == "..":
                    if not above:
                        raise self._impossible(record, f"{path!r} leaves the directory")
                    ino = above.pop()
                continue
            child = self._names[ino].get(parts[0])
            if child is not None and child in self._targets:
                hops += 1
                if hops > _LINKS_MAX or self._targets[child].startswith("/"):
                    raise self._impossible(record, f"{path!r} leaves the directory")
                parts[:1] = self._targets[child].split("/")
                continue
            if child is None or child not in self._names:
                raise self._impossible(record, f"{parts[0]!r} in {path!r} is not a directory here")
            above.append(ino)
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

    def _free(self, path: str, record: trace.Call) -> tuple[int, str]:
        """Resolve a path that nothing may have yet: (directory, name)."""
        directory, name = self._walk(path, record)
        if name in {"", ".", ".."} or name in self._names[directory]:
            raise self._impossible(record, f"{path!r} is there already")
        return directory, name

    def _empty(self, ino: int, path: str, record: trace.Call) -> None:
        if self._names.get(ino) != {}:
            raise self._impossible(record, f"{path!r} is not an empty directory")

    def _is_below(self, directory: int, ino: int) -> bool:
        return directory == ino or any(
            self._is_below(directory, child)
            for child in self._names[ino].values()
            if child in self._names
        )

    def _inode(self, record: trace.Write | trace.Truncate | trace.Fsync | trace.Fdatasync) -> int:
        label = record.ino
        if label is not None and label in self._inodes:
            return self._inodes[label]
        ino = self._find(self._followed(record.path, record), record)
        if label is not None:
            self._inodes[label] = ino
        return ino

    def _followed(self, path: str, record: trace.Call) -> str:
        """Follow the symbolic link that a path may name itself."""
        for _ in range(_LINKS_MAX):
            directory, name = self._walk(path, record)
            target = self._targets.get(self._names[directory].get(name, 0))
            if target is None:
                return path
            if target.startswith("/"):
                break
            path = posixpath.join(posixpath.dirname(path), target)
        raise self._impossible(record, f"{path!r} leaves the directory")

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
        where = None if record.unnamed else self._free(record.path, record)
        ino = self._new(record.ino)
        self._sizes[ino] = 0
        self._mapped[ino] = set()
        self.result.modes[ino] = record.mode
        if where is not None:
            self._set_name(call, record, where, ino, record.path)

    def _mkdir(self, call: int, record: trace.Mkdir) -> None:
        where = self._free(record.path, record)
        ino = self._new(record.ino)
        self._names[ino] = {}
        self.result.directories.add(ino)
        self._set_name(call, record, where, ino, record.path)

    def _symlink(self, call: int, record: trace.Symlink) -> None:
        where = self._free(record.path, record)
        ino = self._new(None)
        self._targets[ino] = self.result.targets[ino] = record.target
        self._set_name(call, record, where, ino, record.path)

    def _link(self, call: int, record: trace.Link) -> None:
        if record.ino is not None and record.ino in self._inodes:
            ino = self._inodes[record.ino]
        else:
            ino = self._find(record.src, record)
        if ino in self._names:
            raise self._impossible(record, f"{record.src!r} is a directory")
        self._set_name(call, record, self._free(record.dst, record), ino, record.dst)

    def _unlink(self, call: int, record: trace.Unlink) -> None:
        if self._find(record.path, record) in self._names:
            raise self._impossible(record, f"{record.path!r} is a directory")
        self._set_name(call, record, self._walk(record.path, record), None, record.path)

    def _rmdir(self, call: int, record: trace.Rmdir) -> None:
        self._empty(self._find(record.path, record), record.path, record)
        self._set_name(call, record, self._walk(record.path, record), None, record.path)

    def _rename(self, call: int, record: trace.Rename) -> None:
        ino = self._find(record.src, record)
        src, dst = self._walk(record.src, record), self._walk(record.dst, record)
        if not src[1] or not dst[1]:
            raise self._impossible(record, "the directory itself cannot be renamed")
        replaced = self._names[dst[0]].get(dst[1])
        if replaced == ino:
            return  # rename(2): two names of one file, nothing is done
        if ino in self._names and self._is_below(dst[0], ino):
            raise self._impossible(record, f"{record.dst!r} is inside {record.src!r}")
        if replaced is not None and ino in self._names:
            self._empty(replaced, record.dst, record)
        elif replaced in self._names:
            raise self._impossible(record, f"{record.dst!r} is a directory")
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
        self._check_size(record, start, end)
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
        self._check_size(record, size, size)
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


def _op(record: trace.Call) -> str:
    return str(record.__struct_config__.tag)


def _volatile(record: trace.Record) -> bool:
    """Tell whether a call touches only /tmp, a file system of its own that a crash empties."""
    path: str = getattr(record, "path", "") or getattr(record, "dst", "")
    return path == "/tmp" or path.startswith("/tmp/")  # noqa: S108
