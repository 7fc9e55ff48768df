"""System calls that look at inodes and set what is not content."""

from __future__ import annotations

import os
import stat
import sys
from errno import EBADF, EOPNOTSUPP
from typing import Any

from harness.disk.constants import BLOCK, NAME_MAX
from harness.disk.core import Core, Path, failure
from harness.disk.nodes import Inode, Node, Symlink
from harness.disk.volume import Volume

__all__ = ["AttributeCalls"]


class AttributeCalls(Core):
    """stat and its kin, chmod, chown, utime, xattr.

    Changes of attributes are not in a trace: no persistence model here speaks of them, and
    `Machine.unmodelled` remembers that there were some.
    """

    __slots__ = ()

    def stat(
        self, path: Path, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> os.stat_result:
        """Tell about a file by name."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("stat", self._stat, path, dir_fd, follow_symlinks)  # type: ignore[no-any-return]
        return self._stat(path, dir_fd, follow_symlinks)

    def _stat(self, path: Path, dir_fd: int | None, follow: bool) -> os.stat_result:  # noqa: FBT001 - os.stat's
        return self._node(path, dir_fd, (path,), follow=follow).stat()

    def fstat(self, fd: int) -> os.stat_result:
        """Tell about an open file."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("fstat", self._fstat, fd)  # type: ignore[no-any-return]
        return self._fstat(fd)

    def _fstat(self, fd: int) -> os.stat_result:
        description = self.fds.get(fd)
        if description is None:
            raise failure(EBADF)
        return description.node.stat()

    def access(
        self, path: Path, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> bool:
        """Tell whether root may use a file so: whenever it is there.

        X_OK of a regular file asks for one execute bit, of root too (generic_permission in
        fs/namei.c).
        """
        self.calls += 1
        if self.calls > self._limit:
            try:
                return self._watched("access", self._access, path, mode, dir_fd, follow_symlinks)  # type: ignore[no-any-return]
            except OSError:
                return False  # os.access says so of every error
        return self._access(path, mode, dir_fd, follow_symlinks)

    def _access(self, path: Path, mode: int, dir_fd: int | None, follow: bool) -> bool:  # noqa: FBT001 - os.access's
        if mode & ~(os.R_OK | os.W_OK | os.X_OK):
            return False
        try:
            node = self._node(path, dir_fd, (path,), follow=follow)
        except OSError:
            return False
        found = node.stat().st_mode
        return not mode & os.X_OK or not stat.S_ISREG(found) or bool(found & 0o111)

    def statvfs(self, path: Path) -> os.statvfs_result:
        """Tell about the filesystem that a name is on."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("statvfs", self._statvfs, path)  # type: ignore[no-any-return]
        return self._statvfs(path)

    def _statvfs(self, path: Path) -> os.statvfs_result:
        return _room(self._node(path, None, (path,), follow=True).volume)

    def fstatvfs(self, fd: int) -> os.statvfs_result:
        """Tell about the filesystem that an open file is on."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("fstatvfs", self._fstatvfs, fd)  # type: ignore[no-any-return]
        return self._fstatvfs(fd)

    def _fstatvfs(self, fd: int) -> os.statvfs_result:
        return _room(self._description(fd).node.volume)

    # -- setting -------------------------------------------------------------------------------

    def chmod(
        self, path: Path, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> None:
        """Set permission bits by name."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("chmod", self._chmod, path, mode, dir_fd, follow_symlinks)
        else:
            self._chmod(path, mode, dir_fd, follow_symlinks)

    def _chmod(self, path: Path, mode: int, dir_fd: int | None, follow: bool) -> None:  # noqa: FBT001 - os.chmod's
        node = self._node(path, dir_fd, (path,), follow=follow)
        if type(node) is Symlink:
            raise failure(EOPNOTSUPP, path)
        self._set_mode(node, mode)

    def fchmod(self, fd: int, mode: int) -> None:
        """Set permission bits of an open file."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("fchmod", self._fchmod, fd, mode)
        else:
            self._fchmod(fd, mode)

    def _fchmod(self, fd: int, mode: int) -> None:
        self._set_mode(self._open_node(fd), mode)

    def _set_mode(self, node: Inode, mode: int) -> None:
        self._note(node, "mode")
        node.mode = mode & 0o7777
        node.touched(self.machine.clock)
        node.volume.changed = True

    def chown(
        self,
        path: Path,
        uid: int,
        gid: int,
        *,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Set owner and group by name; -1 leaves one as it is."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("chown", self._chown, path, uid, gid, dir_fd, follow_symlinks)
        else:
            self._chown(path, uid, gid, dir_fd, follow_symlinks)

    def _chown(
        self,
        path: Path,
        uid: int,
        gid: int,
        dir_fd: int | None,
        follow: bool,  # noqa: FBT001 - os.chown's
    ) -> None:
        self._set_owner(self._node(path, dir_fd, (path,), follow=follow), uid, gid)

    def fchown(self, fd: int, uid: int, gid: int) -> None:
        """Set owner and group of an open file."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("fchown", self._fchown, fd, uid, gid)
        else:
            self._fchown(fd, uid, gid)

    def _fchown(self, fd: int, uid: int, gid: int) -> None:
        self._set_owner(self._open_node(fd), uid, gid)

    def _set_owner(self, node: Inode, uid: int, gid: int) -> None:
        self._note(node, "owner")
        old_uid, old_gid = node.owner
        node.owner = (old_uid if uid == -1 else uid, old_gid if gid == -1 else gid)
        node.touched(self.machine.clock)

    def utime(
        self,
        path: Path,
        times_ns: tuple[int, int] | None = None,
        *,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Set times of access and change, in nanoseconds; None for now."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("utime", self._utime, path, times_ns, dir_fd, follow_symlinks)
        else:
            self._utime(path, times_ns, dir_fd, follow_symlinks)

    def _utime(
        self,
        path: Path,
        times_ns: tuple[int, int] | None,
        dir_fd: int | None,
        follow: bool,  # noqa: FBT001 - os.utime's
    ) -> None:
        # Before 3.13 CPython leaves the file name out of the error.
        names = (path,) if sys.version_info >= (3, 13) else ()
        self._set_times(self._node(path, dir_fd, names, follow=follow), times_ns)

    def futime(self, fd: int, times_ns: tuple[int, int] | None = None) -> None:
        """Set times of an open file (os.utime of a descriptor)."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("futime", self._futime, fd, times_ns)
        else:
            self._futime(fd, times_ns)

    def _futime(self, fd: int, times_ns: tuple[int, int] | None) -> None:
        self._set_times(self._open_node(fd), times_ns)

    def _set_times(self, node: Inode, times_ns: tuple[int, int] | None) -> None:
        self._note(node, "times")
        now = self.machine.clock
        atime, mtime = (now, now) if times_ns is None else times_ns
        node.times = (atime, mtime, now)

    def _note(self, node: Inode, what: str) -> None:
        """Remember that an attribute was set which no persistence model speaks of."""
        if node.volume is self.machine.main:
            self.machine.unmodelled.add(what)

    def _open_node(self, fd: int) -> Node:
        description = self._description(fd)
        if description.flags & os.O_PATH:
            raise failure(EBADF)
        return description.node

    # -- extended attributes: there are none ---------------------------------------------------

    def getxattr(self, path: Path | int, attribute: Path, *, follow_symlinks: bool = True) -> bytes:
        """Refuse: these filesystems are mounted without extended attributes.

        Raises:
            OSError: ENOTSUP, as where they are off.
        """
        return self._no_xattr("getxattr", path, attribute, follow_symlinks)  # type: ignore[no-any-return]

    def setxattr(
        self,
        path: Path | int,
        attribute: Path,
        value: bytes,
        flags: int = 0,
        *,
        follow_symlinks: bool = True,
    ) -> None:
        """Refuse, see getxattr."""
        self._no_xattr("setxattr", path, attribute, value, flags, follow_symlinks)

    def removexattr(
        self, path: Path | int, attribute: Path, *, follow_symlinks: bool = True
    ) -> None:
        """Refuse, see getxattr."""
        self._no_xattr("removexattr", path, attribute, follow_symlinks)

    def listxattr(self, path: Path | int, *, follow_symlinks: bool = True) -> list[str]:
        """Refuse, see getxattr."""
        return self._no_xattr("listxattr", path, follow_symlinks)  # type: ignore[no-any-return]

    def _no_xattr(self, call: str, *args: Any) -> Any:
        self.calls += 1
        if self.calls > self._limit:
            return self._watched(call, self._refuse_xattr, *args)
        return self._refuse_xattr(*args)

    def _refuse_xattr(self, *args: Any) -> Any:
        path = args[0]
        if isinstance(path, int):
            self._open_node(path)
        else:
            assert isinstance(path, str | bytes)
            self._node(path, None, (path,), follow=bool(args[-1]))
        raise failure(EOPNOTSUPP, path)


def _room(volume: Volume) -> os.statvfs_result:
    blocks, free, inodes, free_inodes = volume.room()
    return os.statvfs_result(
        (BLOCK, BLOCK, blocks, free, free, inodes, free_inodes, free_inodes, 0, NAME_MAX)
    )
