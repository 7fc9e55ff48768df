"""System calls on names: make, remove, move, list."""

from __future__ import annotations

import os
from errno import (
    EBADF,
    EBUSY,
    EEXIST,
    EINVAL,
    EISDIR,
    EMLINK,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    EPERM,
    EXDEV,
)
from typing import Final

from harness.disk.constants import PATH_MAX
from harness.disk.core import Core, Path, check_name, encode, failure
from harness.disk.descriptions import path_of
from harness.disk.nodes import Directory, File, Node, Symlink
from harness.errors import SimulationError
from harness.image import DIRECTORY, FILE, SYMLINK
from harness.trace import Link, Mkdir, Rename, Rmdir, Unlink
from harness.trace import Symlink as SymlinkRecord

__all__ = ["NameCalls"]

_LINKS_MAX: Final = 65_000
"""Names a file may have: EXT4_LINK_MAX."""

_KINDS: Final = {File: FILE, Directory: DIRECTORY, Symlink: SYMLINK}


class NameCalls(Core):
    """mkdir, rmdir, unlink, rename, link, symlink, readlink, listdir, scandir.

    Everything runs as root: permission bits are kept and shown, never a reason to refuse.
    """

    __slots__ = ()

    # -- making --------------------------------------------------------------------------------

    def mkdir(self, path: Path, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """Make a directory."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("mkdir", self._mkdir, path, mode, dir_fd)
        else:
            self._mkdir(path, mode, dir_fd)

    def _mkdir(self, path: Path, mode: int, dir_fd: int | None) -> None:
        names = (path,)
        above, name, _ = self._place(path, dir_fd, names)
        self._must_be_free(above, name, names)
        # The setgid and setuid bits of mkdir's mode are ignored (mkdir(2), NOTES).
        node = self._new(above, Directory, mode & ~self._umask & 0o1777, names)
        above.put(name, node, self.machine.clock)
        node.links = 1
        if self._recording:
            self._emit(Mkdir(path=path_of(above, name), ino=node.ino))

    def symlink(self, target: Path, path: Path, *, dir_fd: int | None = None) -> None:
        """Make a symbolic link at ``path``."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("symlink", self._symlink, target, path, dir_fd)
        else:
            self._symlink(target, path, dir_fd)

    def _symlink(self, target: Path, path: Path, dir_fd: int | None) -> None:
        names = (target, path)
        text = target if isinstance(target, str) else target.decode("utf-8", "surrogateescape")
        if "\0" in text:
            raise ValueError("embedded null byte")
        if not text:
            raise failure(ENOENT, *names)
        if len(encode(text)) >= PATH_MAX:
            raise failure(ENAMETOOLONG, *names)
        above, name, slash = self._place(path, dir_fd, names)
        self._must_be_free(above, name, names)
        if slash:
            raise failure(ENOENT, *names)
        node = self._new(above, Symlink, 0o777, names)
        node.links = 1
        node.target = text
        above.put(name, node, self.machine.clock)
        if self._recording:
            self._emit(SymlinkRecord(target=text, path=path_of(above, name)))

    def _must_be_free(self, above: Directory, name: str, names: tuple[Path, ...]) -> None:
        if name in (".", "..") or above.find(name) is not None:
            raise failure(EEXIST, *names)
        if not above.links and above.home is not None:
            raise failure(ENOENT, *names)  # removed, but still somebody's current directory

    def link(
        self,
        src: Path,
        dst: Path,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Give a file another name.

        As CPython's os.link: link(2), which follows no symbolic link, unless a dir_fd is given or
        ``follow_symlinks`` is False; linkat(2) then, with AT_SYMLINK_FOLLOW as told.
        """
        self.calls += 1
        if self.calls > self._limit:
            self._watched("link", self._link, src, dst, src_dir_fd, dst_dir_fd, follow_symlinks)
        else:
            self._link(src, dst, src_dir_fd, dst_dir_fd, follow_symlinks)

    def _link(
        self,
        src: Path,
        dst: Path,
        src_dir_fd: int | None,
        dst_dir_fd: int | None,
        follow_symlinks: bool,  # noqa: FBT001 - os.link's
    ) -> None:
        names = (src, dst)
        follow = follow_symlinks and (src_dir_fd is not None or dst_dir_fd is not None)
        magic = self._magic(src)
        if magic is not None:
            node: Node = magic.node
            shown = magic.path()
        else:
            directory, name, _, found = self._locate(src, src_dir_fd, names, follow=follow)
            if found is None:
                raise failure(ENOENT, *names)
            node = found
            shown = path_of(directory, name)
        above, name, slash = self._place(dst, dst_dir_fd, names)
        if name in (".", "..") or above.find(name) is not None:
            raise failure(EEXIST, *names)
        if slash:
            raise failure(ENOENT, *names)
        if node.volume is not above.volume or (magic is not None and not follow):
            raise failure(EXDEV, *names)  # unfollowed, it is the link in /proc itself
        if not above.links and above.home is not None:
            raise failure(ENOENT, *names)
        if type(node) is Directory:
            raise failure(EPERM, *names)
        if node.names() == 0 and not (type(node) is File and node.linkable):
            raise failure(ENOENT, *names)  # all names gone: nothing links it again
        if node.names() >= _LINKS_MAX:
            raise failure(EMLINK, *names)
        node.links += 1
        node.touched(self.machine.clock)
        above.put(name, node, self.machine.clock)
        if self._recording:
            self._emit(Link(src=shown, dst=path_of(above, name), ino=node.ino))

    # -- removing ------------------------------------------------------------------------------

    def unlink(self, path: Path, *, dir_fd: int | None = None) -> None:
        """Remove a name of a file or symbolic link; the inode goes with its last holder."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("unlink", self._unlink, path, dir_fd)
        else:
            self._unlink(path, dir_fd)

    def _unlink(self, path: Path, dir_fd: int | None) -> None:
        names = (path,)
        above, name, slash = self._parent(path, dir_fd, names)
        if name in (".", ".."):
            raise failure(EISDIR, path)
        node = above.find(name)
        if node is None:
            raise failure(ENOENT, path)
        if type(node) is Directory:
            raise failure(EISDIR, path)
        if slash:
            raise failure(ENOTDIR, path)
        shown = path_of(above, name) if self._recording else ""
        self._drop(above, name, node)
        if self._recording:
            self._emit(Unlink(path=shown))

    def _drop(self, above: Directory, name: str, node: Node) -> None:
        """Take a name off a node."""
        links = node.names()
        now = self.machine.clock
        above.remove(name, now)
        node.links = links - 1
        node.touched(now)
        if links == 1 and not node.opens:
            node.volume.free(node)

    def rmdir(self, path: Path, *, dir_fd: int | None = None) -> None:
        """Remove an empty directory."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("rmdir", self._rmdir, path, dir_fd)
        else:
            self._rmdir(path, dir_fd)

    def _rmdir(self, path: Path, dir_fd: int | None) -> None:
        above, name, _ = self._parent(path, dir_fd, (path,))
        if name == ".":
            raise failure(EBUSY if above.is_top else EINVAL, path)
        if name == "..":
            raise failure(ENOTEMPTY, path)
        node = above.find(name)
        if node is None:
            raise failure(ENOENT, path)
        if type(node) is not Directory:
            raise failure(ENOTDIR, path)
        if above.is_top:
            raise failure(EBUSY, path)
        if not node.empty():
            raise failure(ENOTEMPTY, path)
        shown = path_of(above, name) if self._recording else ""
        self.machine.forget_directories()
        self._drop(above, name, node)
        if self._recording:
            self._emit(Rmdir(path=shown))

    # -- moving --------------------------------------------------------------------------------

    def rename(
        self,
        src: Path,
        dst: Path,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
    ) -> None:
        """Move a name, over an existing one or not, in one step (os.rename and os.replace)."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("rename", self._rename, src, dst, src_dir_fd, dst_dir_fd)
        else:
            self._rename(src, dst, src_dir_fd, dst_dir_fd)

    def _rename(self, src: Path, dst: Path, src_dir_fd: int | None, dst_dir_fd: int | None) -> None:
        # The order of checks is that of do_renameat2 and vfs_rename in fs/namei.c.
        names = (src, dst)
        above, name, slash = self._parent(src, src_dir_fd, names, check=False)
        to, new_name, new_slash = self._parent(dst, dst_dir_fd, names, check=False)
        if above.volume is not to.volume:
            raise failure(EXDEV, *names)
        if name in (".", "..") or new_name in (".", ".."):
            raise failure(EBUSY, *names)
        check_name(name, names)
        node = above.find(name)
        if node is None:
            raise failure(ENOENT, *names)
        check_name(new_name, names)
        target = to.find(new_name)
        is_directory = type(node) is Directory
        if not is_directory and (slash or new_slash):
            raise failure(ENOTDIR, *names)
        if is_directory and _within(to, node):
            raise failure(EINVAL, *names)
        if type(target) is Directory and above is not to and _within(above, target):
            raise failure(ENOTEMPTY, *names)
        if target is node:
            return
        if above.is_top or to.is_top:
            raise failure(EBUSY, *names)
        if target is None:
            if not to.links and to.home is not None:
                raise failure(ENOENT, *names)
        elif is_directory:
            if type(target) is not Directory:
                raise failure(ENOTDIR, *names)
            if not target.empty():
                raise failure(ENOTEMPTY, *names)
        elif type(target) is Directory:
            raise failure(EISDIR, *names)
        if self._recording:
            shown, new_shown = path_of(above, name), path_of(to, new_name)
        now = self.machine.clock
        if is_directory:
            self.machine.forget_directories()
        if target is not None:
            self._drop(to, new_name, target)
        above.remove(name, now)
        to.put(new_name, node, now)
        node.touched(now)
        if self._recording:
            self._emit(Rename(src=shown, dst=new_shown))

    # -- looking -------------------------------------------------------------------------------

    def readlink(self, path: Path, *, dir_fd: int | None = None) -> str:
        """Give the target of a symbolic link."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("readlink", self._readlink, path, dir_fd)  # type: ignore[no-any-return]
        return self._readlink(path, dir_fd)

    def _readlink(self, path: Path, dir_fd: int | None) -> str:
        magic = self._magic(path)
        if magic is not None:
            deleted = "" if magic.node.names() else " (deleted)"
            return self.machine.absolute(magic.path()) + deleted
        node = self._node(path, dir_fd, (path,), follow=False)
        if type(node) is not Symlink:
            raise failure(EINVAL, path)
        return node.target

    def listdir(self, path: Path | int) -> list[str]:
        """List a directory, by path or descriptor, in code point order."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("listdir", self._listdir, path)  # type: ignore[no-any-return]
        return self._listdir(path)

    def _listdir(self, path: Path | int) -> list[str]:
        return self._directory(path).list()

    def scandir(self, path: Path | int) -> list[tuple[str, int, int]]:
        """List a directory with what getdents tells of each name: kind and inode number.

        Kinds are those of `harness.image`: FILE, DIRECTORY, SYMLINK.
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("scandir", self._scandir, path)  # type: ignore[no-any-return]
        return self._scandir(path)

    def _scandir(self, path: Path | int) -> list[tuple[str, int, int]]:
        directory = self._directory(path)
        found = []
        for name in directory.list():
            node = directory.find(name)
            assert node is not None
            found.append((name, _KINDS[type(node)], node.ino))
        return found

    def _directory(self, path: Path | int) -> Directory:
        if type(path) is int:
            description = self.fds.get(path)
            if description is None or description.flags & os.O_PATH:
                raise failure(EBADF, path)
            node = description.node
        else:
            assert not isinstance(path, int)
            node = self._node(path, None, (path,), follow=True)
        if type(node) is not Directory:
            raise failure(ENOTDIR, path)
        return node

    # -- what there is not ---------------------------------------------------------------------

    def mkfifo(self, path: Path, mode: int = 0o666, *, dir_fd: int | None = None) -> None:
        """Refuse: the machine has no pipes with names.

        Raises:
            SimulationError: Always.
        """
        raise SimulationError(
            f"mkfifo({path!r}, {mode:#o}, dir_fd={dir_fd}): the simulated machine has files, "
            "directories and symbolic links only"
        )

    def mknod(
        self, path: Path, mode: int = 0o600, device: int = 0, *, dir_fd: int | None = None
    ) -> None:
        """Refuse all but a regular file, which mknod can make too.

        Raises:
            SimulationError: A device, pipe or socket is asked for.
        """
        if mode & 0o170000 not in (0, 0o100000):
            raise SimulationError(
                f"mknod({path!r}, {mode:#o}, {device}): the simulated machine has files, "
                "directories and symbolic links only"
            )
        self.calls += 1
        if self.calls > self._limit:
            self._watched("mknod", self._mknod, path, mode, device, dir_fd)
        else:
            self._mknod(path, mode, device, dir_fd)

    def _mknod(self, path: Path, mode: int, _device: int, dir_fd: int | None) -> None:
        names = (path,)
        above, name, slash = self._place(path, dir_fd, names)
        self._must_be_free(above, name, names)
        if slash:
            raise failure(ENOENT, path)
        self._create(above, name, mode & ~self._umask & 0o7777, names)


def _within(directory: Directory, ancestor: Node) -> bool:
    """Tell whether a directory is another one or below it."""
    while directory is not ancestor:
        if directory.parent is directory:
            return False
        directory = directory.parent
    return True
