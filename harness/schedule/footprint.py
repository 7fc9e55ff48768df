"""What a call touches: the ground on which two calls are independent.

Two calls of different writers are independent when doing them in either order leaves the same disk
and gives both the same answer. Each call is given the objects it touches, each with a mode; two
calls are dependent when they touch one object in modes that conflict:

=======  =====================================================================================
mode     conflicts with
=======  =====================================================================================
``r``    ``u``, ``w``: it sees the object
``u``    ``r``, ``w``: one of several changes that commute (two names made in one directory)
``w``    all
=======  =====================================================================================

Objects: a name (every one that a path is walked through counts as seen, symbolic links included);
the list of a directory's names; an inode's data and size; its metadata; the locks on it; a lock of
``threading``; and, among threads, the process's memory. An answer that is only a number chosen by
the kernel (an inode's, a descriptor's) and the clock do not count: a store that behaves differently
for another inode number is not what this looks for.

A mode may be too strong, which costs time; too weak would lose schedules. Where a call's effect is
not known exactly, it is ``w``.

`tests/schedule` tests this against full enumeration.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from harness.disk.calls import CALLS
from harness.disk.nodes import Directory, Node, Symlink

if TYPE_CHECKING:
    from harness.disk import Process

__all__ = ["CONFLICTS", "Footprint", "Object", "footprint", "is_local"]

Object: TypeAlias = tuple[Any, ...]
Footprint: TypeAlias = tuple[tuple[Object, str], ...]

CONFLICTS: Final = {"r": "uw", "u": "rw", "w": "ruw"}

_LOCAL: Final = frozenset({"umask", "getcwd", "chdir", "fchdir", "dup", "dup2", "fcntl", "sleep"})
"""Calls that only the process itself can notice."""

_READS: Final = frozenset({"read", "readinto", "readv", "pread", "preadv"})
_WRITES: Final = frozenset({"write", "writev", "pwrite", "pwritev", "ftruncate", "posix_fallocate"})
_LOG: Final[Object] = ("log",)


def is_local(call: str, details: dict[str, Any]) -> bool:
    """Tell whether only the calling process itself can notice a call, whatever the disk holds."""
    return call in _LOCAL or (
        call == "lseek" and details.get("whence", 0) in (os.SEEK_SET, os.SEEK_CUR)
    )


def footprint(
    process: Process, call: str, details: dict[str, Any], *, shared: bool, crashes: bool
) -> Footprint:
    """List what a call would touch if it were made now.

    Args:
        process: Who calls.
        call: Name of the call, as in `harness.disk.calls`.
        details: What `Hooks.before` was told.
        shared: Whether other writers are threads of the same process.
        crashes: Whether the crash states on the way are looked at too: then a call that makes
            something durable does not commute with one that changes something, nor do two that
            change something: a journal that loses one of them loses what came after it.
    """
    touched = _Touched(process)
    shape = CALLS[call]
    if call in _READS:
        touched.data(details["fd"], "r")
    elif call in _WRITES:
        touched.data(details["fd"], "w")
    elif call in _BY_CALL:
        _BY_CALL[call](touched, details)
    elif call not in _LOCAL:
        touched.everything(shape.paths, details)
    if shared:
        touched.add(("memory", process.number), "w")
    if crashes and shape.changes:
        if call in ("fsync", "fdatasync", "sync", "close"):
            touched.add(_LOG, "r")
        else:
            touched.add(_LOG, "w")
    if shape.changes and process.machine.main.capacity_blocks is not None:
        touched.add(("space",), "w")
    return tuple(touched.found.items())


class _Touched:
    """Collects objects, each in the strongest mode."""

    __slots__ = ("found", "process")

    def __init__(self, process: Process) -> None:
        self.process = process
        self.found: dict[Object, str] = {}

    def add(self, thing: Object, mode: str) -> None:
        known = self.found.get(thing)
        if known is None:
            self.found[thing] = mode
        elif known != mode:
            self.found[thing] = "w"

    # -- by descriptor ---------------------------------------------------------------------------

    def node(self, fd: int) -> Node | None:
        description = self.process.fds.get(fd)
        return None if description is None else description.node

    def data(self, fd: int, mode: str) -> None:
        node = self.node(fd)
        if node is not None:
            self.inode(node, mode)

    def inode(self, node: Node, mode: str) -> None:
        if type(node) is Directory:
            self.add(("names", self.directory(node)), mode)
        else:
            self.add(("data", node.volume.prefix, node.ino), mode)

    def meta(self, node: Node, mode: str) -> None:
        self.add(("meta", node.volume.prefix, node.ino), mode)

    def locks(self, fd: int) -> None:
        node = self.node(fd)
        if node is not None:
            self.add(("locks", node.volume.prefix, node.ino), "w")

    @staticmethod
    def directory(node: Directory) -> str:
        return f"{node.volume.prefix}:{node.ino}"

    # -- by path ---------------------------------------------------------------------------------

    def path(
        self, path: Any, dir_fd: int | None, *, follow: bool = True
    ) -> tuple[Object | None, Directory | None, Node | None]:
        """Walk a path as the kernel does, noting each name that is looked up as seen.

        Returns:
            The last name, the directory it is in, and what it names now.
        """
        if type(path) is int:
            return None, None, self.node(path)
        text = path if isinstance(path, str) else os.fsdecode(path)
        machine = self.process.machine
        if text.startswith("/"):
            here: Directory = machine.top
        elif dir_fd is None:
            here = self.process.cwd
        else:
            start = self.node(dir_fd)
            if type(start) is not Directory:
                return None, None, None
            here = start
        pending = [part for part in reversed(text.split("/")) if part and part != "."]
        links = 0
        name: Object | None = None
        node: Node | None = here
        above: Directory | None = None
        while pending:
            part = pending.pop()
            if part == "..":
                here = machine.above(here)
                node, name, above = here, None, None
                continue
            name = ("name", self.directory(here), part)
            self.add(name, "r")
            above, node = here, here.find(part)
            if type(node) is Symlink and (pending or follow) and links < 40:  # noqa: PLR2004
                links += 1
                if node.target.startswith("/"):
                    here = machine.top
                parts = [one for one in reversed(node.target.split("/")) if one and one != "."]
                pending += parts
                node = here
                continue
            if pending:
                if type(node) is not Directory:
                    return None, None, None
                here = node
        return name, above, node

    def seen(self, details: dict[str, Any]) -> Node | None:
        """Note a path as looked up; give what it names."""
        follow = details.get("follow_symlinks", True) is not False
        return self.path(details["path"], details.get("dir_fd"), follow=follow)[2]

    def renamed(self, path: Any, dir_fd: int | None) -> Node | None:
        """Note a name as changed, if there is a directory for it."""
        name, above, node = self.path(path, dir_fd, follow=False)
        if name is not None and above is not None:
            self.add(name, "w")
            self.add(("names", self.directory(above)), "u")
        if node is not None:
            self.meta(node, "w")
            if type(node) is Directory:
                self.inode(node, "w")
        return node

    def everything(self, paths: Any, details: dict[str, Any]) -> None:
        """Note all that a call is about as changed: for one that has no rule of its own."""
        for name in ("fd", "in_fd", "out_fd"):
            if name in details:
                self.data(details[name], "w")
        for position, _ in paths:
            del position
            node = self.seen(details) if "path" in details else None
            if node is not None:
                self.inode(node, "w")
                self.meta(node, "w")


def _open(touched: _Touched, details: dict[str, Any]) -> None:
    flags = details["flags"]
    name, above, node = touched.path(
        details["path"], details["dir_fd"], follow=not flags & (os.O_EXCL | os.O_NOFOLLOW)
    )
    if node is None:
        if flags & os.O_CREAT and name is not None and above is not None:
            touched.add(name, "w")
            touched.add(("names", touched.directory(above)), "u")
        return
    touched.meta(node, "r")
    if flags & os.O_TRUNC and not flags & os.O_EXCL:
        touched.inode(node, "w")


def _made(touched: _Touched, details: dict[str, Any]) -> None:
    name, above, node = touched.path(details["path"], details["dir_fd"], follow=False)
    if node is None and name is not None and above is not None:
        touched.add(name, "w")
        touched.add(("names", touched.directory(above)), "u")


def _looked_at(touched: _Touched, details: dict[str, Any]) -> None:
    node = touched.seen(details)
    if node is not None:
        touched.inode(node, "r")
        touched.meta(node, "r")


def _permission(touched: _Touched, details: dict[str, Any]) -> None:
    node = touched.seen(details)
    if node is not None:
        touched.meta(node, "r")


def _attribute(touched: _Touched, details: dict[str, Any]) -> None:
    node = touched.seen(details)
    if node is not None:
        touched.meta(node, "w")


def _truncated(touched: _Touched, details: dict[str, Any]) -> None:
    node = touched.seen(details)
    if node is not None:
        touched.inode(node, "w")


def _listed(touched: _Touched, details: dict[str, Any]) -> None:
    node = touched.seen(details)
    if node is not None:
        touched.inode(node, "r")


def _moved(touched: _Touched, details: dict[str, Any]) -> None:
    touched.renamed(details["src"], details["src_dir_fd"])
    touched.renamed(details["dst"], details["dst_dir_fd"])


def _linked(touched: _Touched, details: dict[str, Any]) -> None:
    node = touched.path(details["src"], details["src_dir_fd"], follow=False)[2]
    if node is not None:
        touched.meta(node, "w")
    touched.renamed(details["dst"], details["dst_dir_fd"])


def _synced(touched: _Touched, details: dict[str, Any]) -> None:
    touched.data(details["fd"], "r")


def _described(touched: _Touched, details: dict[str, Any]) -> None:
    node = touched.node(details["fd"])
    if node is not None:
        touched.inode(node, "r")
        touched.meta(node, "r")


def _closed(touched: _Touched, details: dict[str, Any]) -> None:
    node = touched.node(details["fd"])
    if node is not None and node.locks is not None:
        touched.locks(details["fd"])


def _copied(touched: _Touched, details: dict[str, Any]) -> None:
    touched.data(details["in_fd"], "r")
    touched.data(details["out_fd"], "w")


def _inode_attribute(touched: _Touched, details: dict[str, Any]) -> None:
    node = touched.node(details["fd"])
    if node is not None:
        touched.meta(node, "w")


def _removed(touched: _Touched, details: dict[str, Any]) -> None:
    touched.renamed(details["path"], details["dir_fd"])


_BY_CALL: Final[dict[str, Callable[[_Touched, dict[str, Any]], object]]] = {
    "open": _open,
    "close": _closed,
    "lseek": lambda touched, details: touched.data(details["fd"], "r"),
    "fsync": _synced,
    "fdatasync": _synced,
    "sync": lambda *_: None,  # nothing that a process sees; see ``crashes``
    "stat": _looked_at,
    "fstat": _described,
    "access": _permission,
    "readlink": lambda touched, details: touched.path(
        details["path"], details["dir_fd"], follow=False
    ),
    "getxattr": _permission,
    "listxattr": _permission,
    "setxattr": _attribute,
    "removexattr": _attribute,
    "chmod": _attribute,
    "chown": _attribute,
    "utime": _attribute,
    "fchmod": _inode_attribute,
    "fchown": _inode_attribute,
    "futime": _inode_attribute,
    "truncate": _truncated,
    "mkdir": _made,
    "mknod": _made,
    "symlink": _made,
    "unlink": _removed,
    "rmdir": _removed,
    "rename": _moved,
    "link": _linked,
    "listdir": _listed,
    "scandir": _listed,
    "flock": lambda touched, details: touched.locks(details["fd"]),
    "posix_lock": lambda touched, details: touched.locks(details["fd"]),
    "sendfile": _copied,
    "copy_file_range": _copied,
    "statvfs": lambda touched, details: touched.seen(details),
    "fstatvfs": lambda *_: None,
}
