"""Inodes: files, directories and symbolic links, each asking the boot image only what it must.

Every question to the image is asked at the moment its answer is needed, and once: whoever stands
between (see harness/image.py) notes exactly what a recovery depended on.
"""

from __future__ import annotations

import stat
from os import stat_result
from typing import TYPE_CHECKING, TypeAlias

from harness.disk.constants import BLOCK
from harness.disk.file import File
from harness.disk.inode import UNKNOWN, Inode, Refused

if TYPE_CHECKING:
    from harness.disk.volume import Volume

__all__ = ["UNKNOWN", "Directory", "File", "Inode", "Node", "Refused", "Symlink"]


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
        """All names, in code point order or the reverse: what no disk promises, but fixed."""
        if not self.whole:
            self._ask_all()
        return sorted(self.known, reverse=self.volume.backwards)

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
