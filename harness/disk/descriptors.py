"""System calls on descriptors: open, close, dup, fcntl."""

from __future__ import annotations

import fcntl as constants
import os
from errno import (
    EBADF,
    EEXIST,
    EINVAL,
    EISDIR,
    ELOOP,
    EMFILE,
    ENOENT,
    ENOTDIR,
    EOPNOTSUPP,
    EROFS,
)
from heapq import heappop, heappush

from harness.disk.constants import DESCRIPTOR_BASE, DESCRIPTOR_LIMIT
from harness.disk.core import Core, Path, failure
from harness.disk.descriptions import Description, path_of
from harness.disk.nodes import Directory, File, Node, Refused, Symlink
from harness.errors import SimulationError
from harness.trace import Close, Create, Truncate

__all__ = ["DescriptorCalls"]

_O_TMPFILE = os.O_TMPFILE
_O_ACCMODE = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
_O_LARGEFILE = 0o100000  # what F_GETFL shows of every file on x86-64
_PLAIN = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_SETTABLE = os.O_APPEND | os.O_NONBLOCK | os.O_ASYNC | getattr(os, "O_DIRECT", 0) | os.O_NOATIME


class DescriptorCalls(Core):
    """open, close, dup, dup2, fcntl."""

    __slots__ = ()

    # -- open ----------------------------------------------------------------------------------

    def open(self, path: Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """Open a file; the lowest free descriptor from 2**20 on, not inheritable (os.open).

        O_SYNC and O_DSYNC writes stand in a trace as a write and an fsync or fdatasync.
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("open", self._open, path, flags, mode, dir_fd)  # type: ignore[no-any-return]
        return self._open(path, flags, mode, dir_fd)

    def _open(self, path: Path, flags: int, mode: int, dir_fd: int | None) -> int:
        if len(self.fds) >= DESCRIPTOR_LIMIT:
            raise failure(EMFILE, path)
        if not flags & ~_PLAIN:
            # What a recovery does most: read a file that is there.
            directory, name, _, node = self._locate(path, dir_fd, (path,), follow=True)
            if node is None:
                raise failure(ENOENT, path)
            return self._install(node, (directory, name), flags)
        if flags & os.O_PATH:
            flags &= os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        if flags & os.O_CREAT and flags & os.O_DIRECTORY:
            raise failure(EINVAL, path)  # build_open_flags in fs/open.c, since Linux 6.4
        if flags & _O_TMPFILE == _O_TMPFILE:
            return self._open_unnamed(path, flags, mode, dir_fd)
        names = (path,)
        create = flags & os.O_CREAT
        exclusive = create and flags & os.O_EXCL
        follow = not (flags & os.O_NOFOLLOW or exclusive)
        if create:
            directory, name, node = self._locate_to_create(
                path, dir_fd, follow=follow, exclusive=bool(exclusive)
            )
        else:
            directory, name, _, node = self._locate(path, dir_fd, names, follow=follow)
        kind = type(node)
        if node is None:
            if not create:
                raise failure(ENOENT, path)
            if not directory.links and directory.home is not None:
                raise failure(ENOENT, path)
            if directory.is_top:
                raise failure(EROFS, path)
            node = self._create(directory, name, mode & ~self._umask & 0o7777, names)
        elif exclusive:
            raise failure(EEXIST, path)
        elif kind is Symlink:
            if flags & os.O_DIRECTORY:
                raise failure(ENOTDIR, path)
            if not flags & os.O_PATH:
                raise failure(ELOOP, path)
        elif kind is Directory:
            if flags & (_O_ACCMODE | os.O_TRUNC | os.O_CREAT):
                raise failure(EISDIR, path)
        elif flags & os.O_DIRECTORY:
            raise failure(ENOTDIR, path)
        if flags & os.O_TRUNC and type(node) is File and node.size:
            self._empty(node, directory, name, names)
        return self._install(node, (directory, name), flags)

    def _locate_to_create(
        self, path: Path, dir_fd: int | None, *, follow: bool, exclusive: bool
    ) -> tuple[Directory, str, Node | None]:
        """Resolve for O_CREAT: a slash at the end is EISDIR whatever is there."""
        names = (path,)
        directory, name, slash = self._parent(path, dir_fd, names)
        self._symlinks = 0
        while True:
            if name in (".", ".."):
                raise failure(EEXIST if exclusive else EISDIR, path)
            if slash:
                raise failure(EISDIR, path)
            node = directory.find(name)
            if type(node) is not Symlink or not follow:
                return directory, name, node
            directory, name, slash = self._enter_link(directory, node, names)

    def _empty(self, node: File, directory: Directory, name: str, names: tuple[Path, ...]) -> None:
        try:
            node.resize(0, self.machine.clock)
        except Refused as refused:
            raise failure(refused.code, *names) from None
        if self._recording:
            self._emit(Truncate(path=path_of(directory, name), size=0, ino=node.ino))

    def _open_unnamed(self, path: Path, flags: int, mode: int, dir_fd: int | None) -> int:
        if flags & _O_ACCMODE == os.O_RDONLY:
            raise failure(EINVAL, path)
        names = (path,)
        directory = self._node(path, dir_fd, names, follow=not flags & os.O_NOFOLLOW)
        if type(directory) is not Directory:
            raise failure(ENOTDIR, path)
        if directory.is_top:
            raise failure(EOPNOTSUPP, path)
        if not directory.links and directory.home is not None:
            raise failure(ENOENT, path)
        mode = mode & ~self._umask & 0o7777
        node = self._new(directory, File, mode, names)
        node.linkable = not flags & os.O_EXCL
        node.home = (directory, f"#{node.ino}")
        if self._recording:
            self._emit(Create(path=path_of(*node.home), ino=node.ino, mode=mode, unnamed=True))
        return self._install(node, node.home, flags)

    def _install(self, node: Node, home: tuple[Directory, str], flags: int) -> int:
        """Give a node a description and the lowest free descriptor."""
        node.opens += 1
        fds = self.fds
        if self._free or self._top in fds:
            fd = self._lowest()
        else:
            fd = self._top
            self._top = fd + 1
        fds[fd] = Description(node, home, flags, self)
        if flags & os.O_DIRECT and node.volume is self.machine.main:
            self.machine.unmodelled.add("direct")
        return fd

    def _lowest(self, at_least: int = 0) -> int:
        """Take the lowest free descriptor."""
        fds = self.fds
        if at_least > self._top:
            while at_least in fds:
                at_least += 1
            return at_least
        if at_least <= DESCRIPTOR_BASE:
            free = self._free
            while free:
                fd = heappop(free)
                if fd not in fds:
                    return fd
            fd = self._top
            while fd in fds:
                fd += 1
            self._top = fd + 1
            return fd
        while at_least in fds:
            at_least += 1
        return at_least

    # -- close ---------------------------------------------------------------------------------

    def close(self, fd: int) -> None:
        """Close a descriptor. It is free again even if the call fails."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("close", self._close, fd)
        else:
            self._close(fd)

    def _close(self, fd: int) -> None:
        description = self._detach(fd)
        if description is not None and self._recording and type(description.node) is File:
            node = description.node
            self._emit(Close(path=description.path(), ino=node.ino, wrote=description.wrote))
        if description is not None:
            self._let_go(description)

    def _detach(self, fd: int) -> Description | None:
        """Take a descriptor out of the table; give its description if that was the last one."""
        description = self.fds.pop(fd, None)
        if description is None:
            raise failure(EBADF)
        if fd < self._top:
            heappush(self._free, fd)
        if self._inheritable:
            self._inheritable.discard(fd)
        locks = description.node.locks
        if locks is not None:
            locks.closed(self, description)
        description.references -= 1
        return None if description.references else description

    def _let_go(self, description: Description) -> None:
        """End an open file description."""
        node = description.node
        if node.locks is not None:
            node.locks.ended(description)
        node.opens -= 1
        if not node.opens and not node.links:
            node.volume.free(node)

    # -- dup, fcntl ----------------------------------------------------------------------------

    def dup(self, fd: int) -> int:
        """Give the open file another descriptor, not inheritable (os.dup)."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("dup", self._dup, fd)  # type: ignore[no-any-return]
        return self._dup(fd)

    def _dup(self, fd: int, at_least: int = 0, *, cloexec: bool = True) -> int:
        description = self._description(fd)
        if len(self.fds) >= DESCRIPTOR_LIMIT:
            raise failure(EMFILE)
        new = self._lowest(at_least)
        description.references += 1
        self.fds[new] = description
        if not cloexec:
            self._inheritable.add(new)
        return new

    def dup2(self, fd: int, fd2: int, inheritable: bool = True) -> int:  # noqa: FBT001, FBT002 - os.dup2's
        """Make ``fd2`` name what ``fd`` does, closing what it named.

        Raises:
            SimulationError: ``fd2`` is a descriptor of the real machine (standard output, say).
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("dup2", self._dup2, fd, fd2, inheritable)  # type: ignore[no-any-return]
        return self._dup2(fd, fd2, inheritable)

    def _dup2(self, fd: int, fd2: int, inheritable: bool) -> int:  # noqa: FBT001 - as above
        description = self._description(fd)
        if fd2 < 0:
            raise failure(EBADF)
        if fd2 < DESCRIPTOR_BASE:
            raise SimulationError(
                f"dup2({fd}, {fd2}): a simulated file cannot take the place of descriptor {fd2} "
                "of the real process; pass the file object instead of redirecting"
            )
        if fd2 == fd:
            return fd2
        if fd2 in self.fds:
            self._close(fd2)
        description.references += 1
        self.fds[fd2] = description
        if inheritable:
            self._inheritable.add(fd2)
        return fd2

    def fcntl(self, fd: int, cmd: int, arg: int = 0) -> int:
        """F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL; locks: see posix_lock.

        Raises:
            OSError: EBADF, EINVAL for a command it does not know.
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("fcntl", self._fcntl, fd, cmd, arg)  # type: ignore[no-any-return]
        return self._fcntl(fd, cmd, arg)

    def _fcntl(self, fd: int, cmd: int, arg: int) -> int:
        description = self._description(fd)
        if cmd in (constants.F_DUPFD, constants.F_DUPFD_CLOEXEC):
            if arg < 0:
                raise failure(EINVAL)
            return self._dup(fd, arg, cloexec=cmd == constants.F_DUPFD_CLOEXEC)
        if cmd == constants.F_GETFD:
            return 0 if fd in self._inheritable else constants.FD_CLOEXEC
        if cmd == constants.F_SETFD:
            self._set_cloexec(fd, on=bool(arg & constants.FD_CLOEXEC))
            return 0
        if cmd == constants.F_GETFL:
            path_only = description.flags & os.O_PATH
            return description.flags if path_only else description.flags | _O_LARGEFILE
        if cmd == constants.F_SETFL:
            if description.flags & os.O_PATH:
                raise failure(EBADF)
            description.flags = (description.flags & ~_SETTABLE) | (arg & _SETTABLE)
            description.append = bool(arg & os.O_APPEND)
            return 0
        raise failure(EINVAL)

    def _set_cloexec(self, fd: int, *, on: bool) -> None:
        if on:
            self._inheritable.discard(fd)
        else:
            self._inheritable.add(fd)

    def get_inheritable(self, fd: int) -> bool:
        """Tell whether a child would get the descriptor."""
        self._description(fd)
        return fd in self._inheritable

    def set_inheritable(self, fd: int, inheritable: bool) -> None:  # noqa: FBT001 - os.set_inheritable's
        """Say whether a child would get the descriptor."""
        self._description(fd)
        self._set_cloexec(fd, on=not inheritable)

    def isatty(self, fd: int) -> bool:
        """Tell whether a descriptor is a terminal: never, nor is a bad one (as in CPython)."""
        del fd
        return False
