"""``scandir`` and its entries, the current directory, and the umask."""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Iterator
from types import GenericAlias, TracebackType
from typing import Any, Self

from harness.disk import Process
from harness.errors import EscapeError
from harness.image import DIRECTORY, FILE, SYMLINK
from harness.intercept import real
from harness.intercept.current import ACTIVE, FIRST_DESCRIPTOR
from harness.intercept.paths import beyond, locate
from harness.intercept.registry import stands_for

__all__ = ["DirEntry", "ScandirIterator"]

_os = real.os


class DirEntry:
    """One name in a simulated directory, with the attributes of ``os.DirEntry``.

    The kind comes with the listing, as d_type does, so asking for it makes no further call except
    to follow a symbolic link.
    """

    __slots__ = ("_dir_fd", "_ino", "_kind", "_lstat", "_process", "_stat", "name", "path")
    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(
        self,
        process: Process,
        directory: str | int,
        name: Any,
        path: Any,
        kind: int,
        ino: int,
    ) -> None:
        self._process = process
        self._dir_fd = directory if type(directory) is int else None
        self._kind = kind
        self._ino = ino
        self._stat: Any = None
        self._lstat: Any = None
        self.name = name
        self.path = path

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def inode(self) -> int:
        return self._ino

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        if follow_symlinks and self._kind == SYMLINK:
            if self._stat is None:
                self._stat = self._look(follow_symlinks=True)
            return self._stat
        if self._lstat is None:
            self._lstat = self._look(follow_symlinks=False)
        return self._lstat

    def _look(self, *, follow_symlinks: bool) -> Any:
        path = self.name if self._dir_fd is not None else self.path
        if isinstance(path, bytes):
            path = path.decode("utf-8", "surrogateescape")
        try:
            return self._process.stat(path, dir_fd=self._dir_fd, follow_symlinks=follow_symlinks)
        except OSError as error:
            error.filename = self.path
            raise

    def _is(self, kind: int, mode: int, *, follow_symlinks: bool) -> bool:
        if not (follow_symlinks and self._kind == SYMLINK):
            return self._kind == kind
        try:
            return (self.stat().st_mode & 0o170000) == mode  # type: ignore[no-any-return]
        except FileNotFoundError:
            return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(DIRECTORY, 0o040000, follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(FILE, 0o100000, follow_symlinks=follow_symlinks)

    def is_symlink(self) -> bool:
        return self._kind == SYMLINK

    def is_junction(self) -> bool:
        return False


class ScandirIterator:
    """What ``os.scandir`` returns: an iterator that is a context manager."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterator[DirEntry]) -> None:
        self._entries = entries

    def __iter__(self) -> ScandirIterator:
        return self

    def __next__(self) -> DirEntry:
        return next(self._entries)

    def close(self) -> None:
        self._entries = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _entries(
    process: Process, directory: str | int, shown: Any, listing: list[tuple[str, int, int]]
) -> Iterator[DirEntry]:
    if isinstance(directory, int):
        for name, kind, ino in listing:
            yield DirEntry(process, directory, name, name, kind, ino)
    elif isinstance(shown, bytes):
        prefix: Any = shown if shown.endswith(b"/") else shown + b"/"
        for name, kind, ino in listing:
            raw = name.encode("utf-8", "surrogateescape")
            yield DirEntry(process, directory, raw, prefix + raw, kind, ino)
    else:
        prefix = shown if shown.endswith("/") else shown + "/"
        for name, kind, ino in listing:
            yield DirEntry(process, directory, name, prefix + name, kind, ino)


@stands_for("scandir")
def _scandir(original: Any, path: Any = None) -> Any:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path)
    if path is None:
        path = "."
    if type(path) is int:
        if path < FIRST_DESCRIPTOR:
            return original(path)
        return ScandirIterator(_entries(process, path, path, process.scandir(path)))
    at = locate(process, path)
    if at is None:
        return original(beyond(process, path))
    try:
        listing = process.scandir(at)
    except OSError as error:
        error.filename = path
        raise
    return ScandirIterator(_entries(process, at, _os.fspath(path), listing))


@stands_for("getcwd")
def _getcwd(original: Any) -> str:
    process = ACTIVE.get(get_ident())
    return original() if process is None else process.getcwd()


@stands_for("getcwdb")
def _getcwdb(original: Any) -> bytes:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original()  # type: ignore[no-any-return]
    return process.getcwd().encode("utf-8", "surrogateescape")


@stands_for("chdir")
def _chdir(original: Any, path: Any) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(path)  # type: ignore[no-any-return]
    if type(path) is int:
        return process.fchdir(path)
    at = locate(process, path)
    if at is None:
        # The real current directory is shared with the harness and pytest.
        raise EscapeError(f"os.chdir leaves the simulated machine: {path}")
    try:
        return process.chdir(at)
    except OSError as error:
        error.filename = path
        raise


@stands_for("umask")
def _umask(original: Any, mask: int, /) -> int:
    process = ACTIVE.get(get_ident())
    return original(mask) if process is None else process.umask(mask)


@stands_for("chroot")
def _chroot(original: Any, path: Any) -> None:
    if ACTIVE.get(get_ident()) is not None:
        raise EscapeError(f"os.chroot is not possible on the simulated machine: {path}")
    original(path)
