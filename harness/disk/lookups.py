"""Look-ups: from a path to a directory and a name, as fs/namei.c does it.

The usual path, absolute and into a directory looked up before, costs one split and two dictionary
look-ups; everything else walks.
"""

from __future__ import annotations

from errno import EBADF, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EROFS
from os import strerror
from typing import TYPE_CHECKING, TypeAlias

from harness.disk.constants import MOUNT, NAME_MAX, PATH_MAX, SYMLINKS_MAX
from harness.disk.descriptions import Description
from harness.disk.nodes import Directory, File, Node, Symlink

if TYPE_CHECKING:
    from harness.disk.machine import Machine

__all__ = ["Lookups", "Path", "check_name", "encode", "failure"]

Path: TypeAlias = str | bytes

_BELOW_MOUNT = MOUNT + "/"

_MAGIC = frozenset({"/proc/", b"/proc/", "/dev/f", b"/dev/f"})

_DOTS = frozenset({".", ".."})

_MESSAGES: dict[int, str] = {}


def failure(code: int, *names: Path | int) -> OSError:
    """Make the OSError that CPython would raise: subclass by errno, text, file names as given."""
    message = _MESSAGES.get(code)
    if message is None:
        message = _MESSAGES[code] = strerror(code)
    if not names:
        return OSError(code, message)
    if len(names) == 1:
        return OSError(code, message, names[0])
    return OSError(code, message, names[0], None, names[1])


class Lookups:
    """What a process needs to resolve paths.

    Attributes:
        machine: Where it runs.
        fds: Descriptor to open file description.
        pid: What getpid says.
    """

    __slots__ = ("_cwd", "_directories", "_symlinks", "fds", "machine", "pid")

    def __init__(self, machine: Machine, pid: int, cwd: Directory) -> None:
        self.machine = machine
        self.pid = pid
        self.fds: dict[int, Description] = {}
        self._cwd = cwd
        self._directories = machine.directories
        self._symlinks = 0

    @property
    def cwd(self) -> Directory:
        """The current directory."""
        return self._cwd

    def _description(self, fd: int) -> Description:
        try:
            return self.fds[fd]
        except KeyError:
            raise failure(EBADF) from None

    def _parent(
        self,
        path: Path,
        dir_fd: int | None,
        names: tuple[Path | int, ...],
        *,
        check: bool = True,
    ) -> tuple[Directory, str, bool]:
        """Resolve all of a path but its last component.

        Args:
            path: As the caller gave it.
            dir_fd: Where a relative one starts; None for the current directory.
            names: What an error names.
            check: Look at the last component's length too. A call with two paths does that itself,
                after both walks, as the kernel does.

        Returns:
            The directory, the last component (it may be "." or ".."), and whether a slash
            followed it.

        Raises:
            OSError: As the kernel's link_path_walk.
        """
        if type(path) is str:
            head, _, name = path.rpartition("/")
            if name and name not in _DOTS:
                found = self._directories.get(head) if head else None
                if found is not None or (not head and path[0] != "/" and dir_fd is None):
                    if (check and len(name) > NAME_MAX // 4) or "\0" in name:
                        check_name(name, names)
                    return found or self._cwd, name, False
        else:
            assert not isinstance(path, str)
            path = path.decode("utf-8", "surrogateescape")
        self._symlinks = 0
        if not path:
            raise failure(ENOENT, *names)
        if "\0" in path:
            raise ValueError("embedded null byte")
        if len(path) >= PATH_MAX // 4 and len(encode(path)) >= PATH_MAX:
            raise failure(ENAMETOOLONG, *names)
        absolute = path[0] == "/"
        rest = path
        if path.startswith(_BELOW_MOUNT) and len(path) > len(_BELOW_MOUNT):
            start = self.machine.main.root
            rest = path[len(_BELOW_MOUNT) :]
        elif absolute:
            start = self.machine.top
        elif dir_fd is None:
            start = self._cwd
        else:
            description = self.fds.get(dir_fd)
            if description is None:
                raise failure(EBADF, *names)
            if type(description.node) is not Directory:
                raise failure(ENOTDIR, *names)
            start = description.node
        directory, name, slash = self._walk(start, rest, names)
        if check and len(name) > NAME_MAX // 4:
            check_name(name, names)
        if absolute and not slash and not self._symlinks and name not in (".", ".."):
            # Remembered until a directory moves or goes; see Machine.forget_directories.
            self._directories[path.rpartition("/")[0]] = directory
        return directory, name, slash

    def _walk(
        self, directory: Directory, path: str, names: tuple[Path | int, ...]
    ) -> tuple[Directory, str, bool]:
        parts = [part for part in path.split("/") if part]
        if not parts:
            return directory, ".", True
        last = parts.pop()
        for part in parts:
            node = self._step(directory, part, names)
            while type(node) is Symlink:
                node = self._follow(directory, node, names)
            if node is None:
                raise failure(ENOENT, *names)
            if type(node) is not Directory:
                raise failure(ENOTDIR, *names)
            directory = node
        return directory, last, path[-1] == "/"

    def _step(self, directory: Directory, part: str, names: tuple[Path | int, ...]) -> Node | None:
        if part == ".":
            return directory
        if part == "..":
            return self.machine.above(directory)
        if len(part) > NAME_MAX // 4:
            check_name(part, names)
        return directory.find(part)

    def _follow(
        self, directory: Directory, link: Symlink, names: tuple[Path | int, ...]
    ) -> Node | None:
        """Resolve a symbolic link that stands in ``directory``, to the end."""
        above, name, slash = self._enter_link(directory, link, names)
        node = self._step(above, name, names)
        while type(node) is Symlink:
            node = self._follow(above, node, names)
        if slash and node is not None and type(node) is not Directory:
            raise failure(ENOTDIR, *names)
        return node

    def _locate(
        self,
        path: Path,
        dir_fd: int | None,
        names: tuple[Path | int, ...],
        *,
        follow: bool,
    ) -> tuple[Directory, str, bool, Node | None]:
        """Resolve a path: directory, last name, trailing slash, and the node if there is one.

        A symbolic link in last place is followed where ``follow`` says so or a slash stands after
        it; the directory and name are then those of its target, even if there is no such file.
        """
        if type(path) is str:
            # The usual case first: an absolute path into a directory looked up before.
            head, _, name = path.rpartition("/")
            found = self._directories.get(head)
            if found is not None and name and len(name) <= NAME_MAX // 4 and "\0" not in name:
                known = found.known.get(name)
                if known is None or type(known) is int:
                    known = None if name in _DOTS else found.find(name)
                if type(known) is File or type(known) is Directory:
                    return found, name, False, known
        if follow and path[:6] in _MAGIC:
            description = self._magic(path)
            if description is not None:
                return (*description.home, False, description.node)
        directory, name, slash = self._parent(path, dir_fd, names)
        if name == ".":
            return directory, name, slash, directory
        node = self.machine.above(directory) if name == ".." else directory.find(name)
        if type(node) is Symlink and (follow or slash):
            self._symlinks = 0
            while type(node) is Symlink and (follow or slash):
                directory, name, below = self._enter_link(directory, node, names)
                slash = slash or below
                node = self._step(directory, name, names)
        if slash and node is not None and type(node) is not Directory:
            raise failure(ENOTDIR, *names)
        return directory, name, slash, node

    def _enter_link(
        self, directory: Directory, link: Symlink, names: tuple[Path | int, ...]
    ) -> tuple[Directory, str, bool]:
        """Walk to where a symbolic link in ``directory`` points, all but the last component."""
        self._symlinks += 1
        if self._symlinks > SYMLINKS_MAX:
            raise failure(ELOOP, *names)
        start = self.machine.top if link.target[0] == "/" else directory
        directory, name, slash = self._walk(start, link.target, names)
        if len(name) > NAME_MAX // 4:
            check_name(name, names)
        return directory, name, slash

    def _node(
        self, path: Path, dir_fd: int | None, names: tuple[Path | int, ...], *, follow: bool
    ) -> Node:
        """Resolve a path to what it names.

        Raises:
            OSError: ENOENT and the others of a walk.
        """
        node = self._locate(path, dir_fd, names, follow=follow)[3]
        if node is None:
            raise failure(ENOENT, *names)
        return node

    def _magic(self, path: Path) -> Description | None:
        """Resolve /proc/self/fd/N, by which an O_TMPFILE is given a name."""
        text = path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
        for prefix in ("/proc/self/fd/", "/dev/fd/", f"/proc/{self.pid}/fd/"):
            if text.startswith(prefix) and text[len(prefix) :].isdecimal():
                return self.fds.get(int(text[len(prefix) :]))
        return None

    def _place(
        self, path: Path, dir_fd: int | None, names: tuple[Path | int, ...]
    ) -> tuple[Directory, str, bool]:
        """Resolve where a name is to be made or removed; the machine's own root is read-only."""
        directory, name, slash = self._parent(path, dir_fd, names)
        if directory.is_top and directory.find(name) is None and name[0] != ".":
            raise failure(EROFS, *names)
        return directory, name, slash


def check_name(name: str, names: tuple[Path | int, ...]) -> None:
    """Raise what a name that cannot be gives."""
    if "\0" in name:
        raise ValueError("embedded null byte")
    if len(encode(name)) > NAME_MAX:
        raise failure(ENAMETOOLONG, *names)


def encode(text: str) -> bytes:
    """Give the bytes of a name; surrogates stand for bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape")
