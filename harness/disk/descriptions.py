"""Open file descriptions: what descriptors name, shared between those that dup made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from harness.disk.nodes import Directory, Node

if TYPE_CHECKING:
    from harness.disk.core import Core

__all__ = ["Description", "path_of"]


def path_of(directory: Directory, name: str) -> str:
    """Give a name in a directory as a trace writes it.

    Relative to the work directory on the main filesystem ("." for itself), absolute on /tmp.
    """
    if name == ".":
        if directory.home is None:
            return directory.volume.prefix or "."
        directory, name = directory.home
    elif name == "..":
        return path_of(directory.parent, ".")
    if directory.is_top:
        mounted = directory.find(name)
        return path_of(mounted, ".") if type(mounted) is Directory else f"/{name}"
    parts = [name]
    while directory.home is not None:
        directory, name = directory.home
        parts.append(name)
    if directory.volume.prefix:
        parts.append(directory.volume.prefix.rstrip("/"))
    return "/".join(reversed(parts))


_NOT_KEPT: Final = os.O_CREAT | os.O_EXCL | os.O_NOCTTY | os.O_TRUNC | os.O_CLOEXEC
_ACCESS: Final = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
_READABLE: Final = (os.O_RDONLY, os.O_RDWR)
_WRITABLE: Final = (os.O_WRONLY, os.O_RDWR)


class Description:
    """One open file.

    Attributes:
        node: The inode.
        home: Directory and name it was opened by.
        flags: As fcntl(F_GETFL) gives them.
        position: File offset.
        references: Descriptors that name it.
        wrote: It wrote data at some time.
        owner: The process that opened it.
        readable: Its access mode lets read; writable likewise.
        append: Writes go to the end.
        synced: O_SYNC or O_DSYNC, or 0.
    """

    __slots__ = (
        "append",
        "flags",
        "home",
        "node",
        "owner",
        "position",
        "readable",
        "references",
        "synced",
        "writable",
        "wrote",
    )

    def __init__(self, node: Node, home: tuple[Directory, str], flags: int, owner: Core) -> None:
        self.node = node
        self.home = home
        self.owner = owner
        self.position = 0
        self.references = 1
        self.wrote = False
        if flags & os.O_PATH:
            self.flags = os.O_PATH  # all that do_dentry_open leaves
            self.readable = self.writable = self.append = False
            self.synced = 0
        else:
            access = flags & _ACCESS
            self.flags = flags & ~_NOT_KEPT
            self.readable = access in _READABLE
            self.writable = access in _WRITABLE
            self.append = flags & os.O_APPEND != 0
            self.synced = flags & os.O_SYNC

    def path(self) -> str:
        """Give the name that the file has now, or the last it had, as a trace writes it."""
        node = self.node
        if type(node) is Directory:
            return path_of(node, ".")
        directory, name = self.home
        if directory.known.get(name) is not node and node.home is not None:
            # Renamed since: the inode knows its latest name.
            directory, name = node.home
        return path_of(directory, name)
