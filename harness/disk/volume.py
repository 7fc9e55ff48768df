"""A filesystem of the simulated machine: its inodes, its room, and its picture as an image."""

from __future__ import annotations

from typing import Final

from harness.disk.constants import BLOCK, BOOT_TIME_NS
from harness.disk.content import pages
from harness.disk.nodes import UNKNOWN, Directory, File, Node, Symlink
from harness.image import DIRECTORY, FILE, ROOT, BootSource, Image

__all__ = ["Volume"]

_ROOMY: Final = 1 << 26
"""Blocks and inodes that a filesystem without a limit says it has (256 GiB)."""


class Volume:
    """One filesystem, booted from an image that it never changes.

    Args:
        boot: Where it comes from.
        device: Its st_dev.
        prefix: What stands before its paths in a trace: nothing for the main one.
        capacity_bytes: Room for data, in whole blocks of 4096; None for no limit.
        capacity_inodes: Inodes it may hold, the root included; None for no limit.
        first_number: Where its new inodes are numbered from; by default the image says.

    Attributes:
        backwards: Whether directories are listed in reverse code point order.
    """

    __slots__ = (
        "_first_new",
        "_following",
        "_used_blocks",
        "_used_inodes",
        "backwards",
        "boot",
        "capacity_blocks",
        "capacity_inodes",
        "changed",
        "device",
        "nodes",
        "prefix",
        "root",
    )

    def __init__(
        self,
        boot: BootSource,
        device: int,
        prefix: str,
        capacity_bytes: int | None = None,
        capacity_inodes: int | None = None,
        first_number: int = UNKNOWN,
    ) -> None:
        self.boot = boot
        self.device = device
        self.prefix = prefix
        self.capacity_blocks = None if capacity_bytes is None else capacity_bytes // BLOCK
        self.capacity_inodes = capacity_inodes
        self.changed = False
        self.backwards = False
        self._following = first_number
        self._first_new = UNKNOWN
        # What the image already fills is counted only when a limit makes it matter.
        self._used_blocks = self._used_inodes = UNKNOWN
        self.root = root = Directory(self, ROOT, UNKNOWN, BOOT_TIME_NS)
        self.nodes: dict[int, Node] = {ROOT: root}

    def node(self, ino: int, directory: Directory, name: str) -> Node:
        """Give the node of an inode of the image, reached by ``name`` in ``directory``."""
        node = self.nodes.get(ino)
        if node is None:
            kind = self.boot.kind(ino)
            if kind == FILE:
                node = File(self, ino, UNKNOWN, BOOT_TIME_NS)
            elif kind == DIRECTORY:
                node = Directory(self, ino, UNKNOWN, BOOT_TIME_NS)
                node.parent = directory
            else:
                node = Symlink(self, ino, UNKNOWN, BOOT_TIME_NS)
            node.home = (directory, name)
            self.nodes[ino] = node
        return node

    def number(self) -> int | None:
        """Take the next inode number; None when the filesystem has no inode left."""
        if self.capacity_inodes is not None:
            self._count()
            if self._used_inodes >= self.capacity_inodes:
                return None
            self._used_inodes += 1
        if self._following == UNKNOWN:
            self._following = self.boot.first_free()
        if self._first_new == UNKNOWN:
            self._first_new = self._following
        self._following += 1
        return self._following - 1

    def free(self, node: Node) -> None:
        """Let go of an inode that no name and no open file holds any more."""
        if type(node) is File and self.capacity_blocks is not None:
            self.give(node.blocks.total())
        if self.capacity_inodes is not None:
            self._count()
            self._used_inodes -= 1
        if self._first_new != UNKNOWN and node.ino >= self._first_new:
            del self.nodes[node.ino]
        # One of the image stays known: another name there may lead to it, if the image does not
        # count links.
        self.changed = True

    def take(self, blocks: int) -> int:
        """Allocate up to ``blocks`` blocks; return how many there were."""
        if self.capacity_blocks is None:
            return blocks
        self._count()
        blocks = max(0, min(blocks, self.capacity_blocks - self._used_blocks))
        self._used_blocks += blocks
        return blocks

    def give(self, blocks: int) -> None:
        """Give blocks back."""
        if self.capacity_blocks is not None:
            self._count()
            self._used_blocks -= blocks

    def room(self) -> tuple[int, int, int, int]:
        """Blocks, free blocks, inodes, free inodes (statvfs)."""
        blocks = _ROOMY if self.capacity_blocks is None else self.capacity_blocks
        inodes = _ROOMY if self.capacity_inodes is None else self.capacity_inodes
        if self.capacity_blocks is None and self.capacity_inodes is None:
            return blocks, blocks, inodes, inodes
        self._count()
        free_blocks = blocks if self.capacity_blocks is None else blocks - self._used_blocks
        free_inodes = inodes if self.capacity_inodes is None else inodes - self._used_inodes
        return blocks, max(0, free_blocks), inodes, max(0, free_inodes)

    def _count(self) -> None:
        """Count what the image fills, once."""
        if self._used_blocks != UNKNOWN:
            return
        blocks = inodes = 0
        seen = set()
        pending = [ROOT]
        while pending:
            ino = pending.pop()
            if ino in seen:
                continue
            seen.add(ino)
            inodes += 1
            kind = self.boot.kind(ino)
            if kind == DIRECTORY:
                pending += self.boot.entries(ino).values()
            elif kind == FILE:
                blocks += pages(self.boot.size(ino))
        self._used_blocks, self._used_inodes = blocks, inodes

    def image(self) -> Image:
        """Picture what the page cache holds; inodes without a name are left out."""
        if not self.changed and isinstance(self.boot, Image):
            return self.boot
        directories: dict[int, dict[str, int]] = {}
        contents: dict[int, bytes] = {}
        targets: dict[int, str] = {}
        modes: dict[int, int] = {}
        names: dict[int, int] = {}
        boot = self.boot
        pending = [ROOT]
        directories[ROOT] = {}
        while pending:
            ino = pending.pop()
            directory = self.nodes.get(ino)
            entries = directories[ino]
            if type(directory) is Directory and directory.whole:
                for name in directory.known:
                    entries[name] = directory.number(name)
            else:
                entries.update(boot.entries(ino))
                if type(directory) is Directory:
                    for name, node in directory.known.items():
                        if node is None:
                            entries.pop(name, None)
                        else:
                            entries[name] = directory.number(name)
            for child in entries.values():
                names[child] = names.get(child, 0) + 1
                if names[child] == 1 and self._picture(child, directories, contents, targets):
                    pending.append(child)
        for ino in (*directories, *contents):
            node = self.nodes.get(ino)
            mode = boot.mode(ino) if node is None else node.permissions()
            if mode != (0o755 if ino in directories else 0o644):
                modes[ino] = mode
        return Image(
            directories,
            contents,
            targets,
            modes,
            {ino: count for ino, count in names.items() if count > 1},
        )

    def _picture(
        self,
        ino: int,
        directories: dict[int, dict[str, int]],
        contents: dict[int, bytes],
        targets: dict[int, str],
    ) -> bool:
        """Put one inode into the picture; tell whether it is a directory."""
        node = self.nodes.get(ino)
        if node is None:
            kind = self.boot.kind(ino)
            if kind == FILE:
                contents[ino] = self.boot.content(ino)
            elif kind == DIRECTORY:
                directories[ino] = {}
                return True
            else:
                targets[ino] = self.boot.target(ino)
        elif type(node) is File:
            contents[ino] = node.content.frozen()
        elif type(node) is Directory:
            directories[ino] = {}
            return True
        elif type(node) is Symlink:
            targets[ino] = node.target
        return False
