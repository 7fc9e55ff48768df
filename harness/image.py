"""An image: the durable content of one disk, as inodes and names.

Immutable by agreement. A crash gives a new image; nothing resets one in place. The simulated disk
boots from an image through the handful of look-ups below and copies what it changes, so that one
image serves any number of recoveries, and so that somebody may stand between the two and note what
a recovery asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

__all__ = [
    "DIRECTORY",
    "EMPTY",
    "FILE",
    "INODE_STEP",
    "ROOT",
    "SYMLINK",
    "BootSource",
    "Image",
    "from_tree",
]

ROOT: Final = 1
"""Inode number of the root directory."""

INODE_STEP: Final = 1_000_000
"""Inodes made by one run are numbered from a multiple of this; see `BootSource.first_free`."""

FILE: Final = 0
DIRECTORY: Final = 1
SYMLINK: Final = 2


class BootSource(Protocol):
    """What the simulated disk asks of the image it boots from; each inode and name lazily."""

    def entries(self, ino: int) -> Mapping[str, int]:
        """All names in a directory, each with its inode."""

    def lookup(self, ino: int, name: str) -> int | None:
        """One name in a directory."""

    def kind(self, ino: int) -> int:
        """FILE, DIRECTORY or SYMLINK."""

    def mode(self, ino: int) -> int:
        """Permission bits."""

    def size(self, ino: int) -> int:
        """Size of a file in bytes."""

    def content(self, ino: int) -> bytes:
        """Content of a file."""

    def read(self, ino: int, offset: int, count: int) -> bytes:
        """At most ``count`` bytes of a file at ``offset``; fewer only at its end."""

    def target(self, ino: int) -> str:
        """Target of a symbolic link."""

    def links(self, ino: int) -> int:
        """How many names a file has (st_nlink)."""

    def first_free(self) -> int:
        """Where the numbers of inodes made after booting begin: none from here on is taken."""


@dataclass(frozen=True, slots=True)
class Image:
    """One disk.

    Attributes:
        directories: For each directory inode, its names and the inodes they name.
        contents: For each regular file inode, its bytes.
        targets: For each symbolic link inode, its target.
        modes: Permission bits where they differ from 0o644 and 0o755.
        link_counts: How many names an inode has, where that is not one.
    """

    directories: Mapping[int, Mapping[str, int]]
    contents: Mapping[int, bytes]
    targets: Mapping[int, str] = field(default_factory=dict)
    modes: Mapping[int, int] = field(default_factory=dict)
    link_counts: Mapping[int, int] = field(default_factory=dict)

    def entries(self, ino: int) -> Mapping[str, int]:
        return self.directories[ino]

    def lookup(self, ino: int, name: str) -> int | None:
        return self.directories[ino].get(name)

    def kind(self, ino: int) -> int:
        if ino in self.contents:
            return FILE
        return DIRECTORY if ino in self.directories else SYMLINK

    def mode(self, ino: int) -> int:
        return self.modes.get(ino, 0o755 if ino in self.directories else 0o644)

    def size(self, ino: int) -> int:
        return len(self.contents[ino])

    def content(self, ino: int) -> bytes:
        return self.contents[ino]

    def read(self, ino: int, offset: int, count: int) -> bytes:
        return self.contents[ino][offset : offset + count]

    def target(self, ino: int) -> str:
        return self.targets[ino]

    def links(self, ino: int) -> int:
        return self.link_counts.get(ino, 1)

    def first_free(self) -> int:
        # In steps of a million, so that the crash states of one run, whose highest inode differs,
        # mostly agree on it and a recovery on one can stand for a recovery on another.
        highest = max(self.directories)
        if self.contents:
            highest = max(highest, *self.contents)
        if self.targets:
            highest = max(highest, *self.targets)
        return (highest // INODE_STEP + 1) * INODE_STEP

    def walk(self) -> Iterator[tuple[str, int]]:
        """Yield every path that can be reached, parents first, names in byte order, with its inode.

        A directory that two names reach (a rename between directories, half persisted) is
        listed under both, but never inside itself.
        """
        pending: list[tuple[str, int, tuple[int, ...]]] = [("", ROOT, (ROOT,))]
        while pending:
            prefix, ino, above = pending.pop()
            names = self.directories[ino]
            below = []
            for name in sorted(names):
                child = names[name]
                path = prefix + name
                yield path, child
                if child in self.directories and child not in above:
                    below.append((path + "/", child, (*above, child)))
            pending.extend(reversed(below))

    def files(self) -> dict[str, bytes]:
        """Path to content of every reachable regular file."""
        return {path: self.contents[ino] for path, ino in self.walk() if ino in self.contents}

    def dirs(self) -> list[str]:
        """Path of every reachable directory, the root left out, sorted."""
        return sorted(path for path, ino in self.walk() if ino in self.directories)

    def symlinks(self) -> dict[str, str]:
        """Path to target of every reachable symbolic link."""
        return {path: self.targets[ino] for path, ino in self.walk() if ino in self.targets}

    def held(self) -> list[tuple[str, int, int, int, bytes | str | None]]:
        """All that a program could tell it from another image by, but for the inodes' numbers.

        Returns:
            For every reachable path: the path, which of the inodes met so far it names, permission
            bits, links, and content, target, or None for a directory.
        """
        met: dict[int, int] = {}
        return [
            (
                path,
                met.setdefault(ino, len(met)),
                self.mode(ino),
                self.links(ino),
                self.contents.get(ino, self.targets.get(ino)),
            )
            for path, ino in self.walk()
        ]


EMPTY: Final = Image({ROOT: {}}, {})


def from_tree(
    files: Mapping[str, bytes], dirs: Iterator[str] | list[str] | tuple[str, ...] = ()
) -> Image:
    """Build an image from paths; parents that are not named are made.

    Args:
        files: Path, relative to the root, to content.
        dirs: Directories to make besides the files' own.

    Raises:
        ValueError: A path is empty, absolute, climbs with ``..``, or is both file and directory.
    """
    directories: dict[int, dict[str, int]] = {ROOT: {}}
    contents: dict[int, bytes] = {}
    following = ROOT + 1

    def directory(parts: list[str]) -> int:
        nonlocal following
        ino = ROOT
        for part in parts:
            child = directories[ino].get(part)
            if child is None:
                child, following = following, following + 1
                directories[ino][part] = child
                directories[child] = {}
            if child not in directories:
                raise ValueError(f"{part!r} is both a file and a directory")
            ino = child
        return ino

    def split(path: str) -> list[str]:
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ValueError(f"{path!r} is not a plain relative path")
        return parts

    for path in sorted(dirs):
        directory(split(path))
    for path in sorted(files):
        *parents, name = split(path)
        parent = directory(parents)
        if name in directories[parent]:
            raise ValueError(f"{path!r} is both a file and a directory")
        directories[parent][name] = following
        contents[following] = bytes(files[path])
        following += 1
    return Image(directories, contents)
