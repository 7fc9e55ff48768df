"""What all system calls of a process stand on: its state, its look-ups, its dealings with hooks.

Speed matters here: recoveries make these calls by the million. With no hooks a call costs one
counter and one comparison before its work; everything else lies behind that comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import (
    EBADF,
    EBUSY,
    EEXIST,
    EINTR,
    EINVAL,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOSPC,
    ENOTDIR,
    ENOTEMPTY,
    ENXIO,
    EPERM,
    EROFS,
    errorcode,
)
from os import strerror
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from harness.disk.calls import CALLS
from harness.disk.constants import (
    DESCRIPTOR_BASE,
    MOUNT,
    NAME_MAX,
    PATH_MAX,
    SYMLINKS_MAX,
)
from harness.disk.descriptions import Description, path_of
from harness.disk.hooks import Verdict
from harness.disk.nodes import Directory, File, Node, Symlink
from harness.errors import CallLimitExceeded, Killed
from harness.trace import Close, Create, Fdatasync, Fsync, Record, Sync, Write

if TYPE_CHECKING:
    from harness.disk.machine import Machine
    from harness.disk.process import Process

__all__ = ["Core", "Path", "failure"]

Path: TypeAlias = str | bytes

_ARGUMENT_ERRORS = frozenset(
    {
        EBADF,
        EBUSY,
        EEXIST,
        EINVAL,
        EISDIR,
        ELOOP,
        ENAMETOOLONG,
        ENOENT,
        ENOTDIR,
        ENOTEMPTY,
        ENXIO,
        EPERM,
    }
)
"""Errors that say the call asked for something that is not so: a failed look-up, not in a trace."""

_N = TypeVar("_N", File, Directory, Symlink)

_BELOW_MOUNT = MOUNT + "/"

_TELLS = (Write, Fsync, Fdatasync, Sync, Close)
"""Records that can carry the error of a call that took effect: the rest tells what did."""

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


class Core:
    """State of one simulated process.

    Attributes:
        machine: Where it runs.
        number: From 1, in order of creation.
        pid: What getpid says.
        dead: It was killed; every call raises Killed.
        calls: System calls made so far.
        fds: Descriptor to open file description.
    """

    __slots__ = (
        "_counted_from",
        "_cwd",
        "_directories",
        "_emitted",
        "_free",
        "_inheritable",
        "_limit",
        "_recording",
        "_symlinks",
        "_top",
        "_umask",
        "_verdict",
        "calls",
        "dead",
        "fds",
        "machine",
        "number",
        "pid",
    )

    def __init__(self, machine: Machine, number: int, pid: int, cwd: Directory) -> None:
        self.machine = machine
        self.number = number
        self.pid = pid
        self.dead = False
        self.calls = 0
        self._directories = machine.directories
        self.fds: dict[int, Description] = {}
        self._counted_from = 0
        self._limit = machine.call_limit
        self._cwd = cwd
        self._umask = 0o022
        self._free: list[int] = []
        self._top = DESCRIPTOR_BASE
        self._inheritable: set[int] = set()
        self._symlinks = 0
        self._recording = False
        self._verdict: Verdict | None = None
        self._emitted = False
        self.rearm()

    def rearm(self) -> None:
        """Set the one number that every call compares its count with."""
        hooks = self.machine.hooks
        self._recording = hooks is not None and self.machine.records
        slow = self.dead or hooks is not None
        self._limit = -1 if slow else self._counted_from + self.machine.call_limit

    def reset_calls(self) -> None:
        """Begin to count anew towards the call limit: a new operation starts."""
        self._counted_from = self.calls
        self.rearm()

    @property
    def itself(self) -> Process:
        """This process, as the class that hooks know: `Process` is the only one ever made."""
        return cast("Process", self)

    # -- hooks ---------------------------------------------------------------------------------

    def _watched(self, call: str, run: Callable[..., Any], *args: Any) -> Any:
        """Run one call with hooks, or find out why it may not run."""
        machine = self.machine
        while True:
            if self.dead:
                raise Killed(f"process {self.number} is dead")
            if self.calls - self._counted_from > machine.call_limit:
                raise CallLimitExceeded(
                    f"process {self.number} made more than {machine.call_limit} system calls in "
                    f"one operation; the last was {call}"
                )
            hooks = machine.hooks
            if hooks is None:
                return run(*args)
            verdict = None
            if machine.asks:
                shape = CALLS[call]
                details = dict(zip(shape.parameters, args, strict=True))
                details["paths"], details["ino"] = self._about(call, args)
                try:
                    verdict = hooks.before(self.itself, call, **details)
                except OSError as error:
                    if call == "close" and args[0] in self.fds:
                        # Done all the same; and PEP 475 lets no EINTR out.
                        verdict = None if error.errno == EINTR else Verdict(error=error.errno)
                    elif error.errno == EINTR:
                        self.calls += 1
                        continue
                    else:
                        code = error.errno or EINVAL
                        self._record_failure(call, args, code)
                        raise failure(code, *self._file_names(call, args)) from None
                if self.dead:
                    raise Killed(f"process {self.number} is dead")
            break
        self._verdict = verdict
        self._emitted = False
        try:
            result = run(*args)
            if verdict is not None and verdict.error is not None:
                if not self._emitted:
                    self._record_failure(call, args, verdict.error)
                raise failure(verdict.error, *self._file_names(call, args))
        except OSError as error:
            if not self._emitted and error.errno not in _ARGUMENT_ERRORS:
                self._record_failure(call, args, error.errno or EINVAL)
            raise
        finally:
            self._verdict = None
        return result

    def _about(self, call: str, args: tuple[Any, ...]) -> tuple[tuple[str, ...], int | None]:
        """Say which names and which inode a call is about."""
        shape = CALLS[call]
        names = []
        ino = None
        for position in shape.descriptors:
            description = self.fds.get(args[position])
            if description is not None:
                names.append(description.path())
                ino = description.node.ino if ino is None else ino
        for path, at in shape.paths:
            if type(args[path]) is int:
                description = self.fds.get(args[path])
                if description is not None:
                    names.append(description.path())
            else:
                names.append(self.trace_path(args[path], None if at < 0 else args[at]))
        return tuple(names), ino

    @staticmethod
    def _file_names(call: str, args: tuple[Any, ...]) -> tuple[Path, ...]:
        if call == "symlink":
            return (args[0], args[1])
        return tuple(args[path] for path, _ in CALLS[call].paths)

    def trace_path(self, path: Path, dir_fd: int | None = None) -> str:
        """Give a path as a trace writes it, following what can be followed; never fails."""
        try:
            directory, name, _ = self._parent(path, dir_fd, ())
        except (OSError, ValueError):
            text = path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
            prefix = self.machine.MOUNT + "/"
            return text.removeprefix(prefix)
        return path_of(directory, name)

    def peek(self, path: Path, dir_fd: int | None = None) -> Node | None:
        """Give what a path names, if anything; never fails."""
        try:
            return self._locate(path, dir_fd, (), follow=True)[3]
        except (OSError, ValueError):
            return None

    def _emit(self, record: Record) -> None:
        """Hand a record over; only called where `_recording` holds."""
        record.process = self.number
        verdict = self._verdict
        if verdict is not None and verdict.error is not None and isinstance(record, _TELLS):
            # A name or size that changed did change, whatever the caller was told: an error on
            # such a record would say that it did not.
            record.error = errorcode.get(verdict.error, str(verdict.error))
        self._emitted = True
        hooks = self.machine.hooks
        if hooks is not None:
            hooks.record(record)

    def _record_failure(self, call: str, args: tuple[Any, ...], code: int) -> None:
        if not self._recording:
            return
        from harness.disk.failures import failed_record  # noqa: PLC0415 - only on this rare path

        record = failed_record(self, call, args)
        if record is not None:
            self._verdict = None
            record.error = errorcode.get(code, str(code))
            self._emit(record)

    # -- look-ups ------------------------------------------------------------------------------

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

    def _new(self, above: Directory, kind: type[_N], mode: int, names: tuple[Path, ...]) -> _N:
        """Make an inode, without a name yet, on the filesystem of ``above``.

        Raises:
            OSError: ENOSPC when no inode is left.
        """
        volume = above.volume
        ino = volume.number()
        if ino is None:
            raise failure(ENOSPC, *names)
        node = kind(volume, ino, mode, self.machine.clock)
        volume.nodes[ino] = node
        return node

    def _create(self, above: Directory, name: str, mode: int, names: tuple[Path, ...]) -> File:
        """Make a regular file with a name."""
        node = self._new(above, File, mode, names)
        node.links = 1
        above.put(name, node, node.times[1])
        if self._recording:
            self._emit(Create(path=path_of(above, name), ino=node.ino, mode=mode))
        return node

    def _file(self, fd: int, *, write: bool) -> tuple[Description, File]:
        """Give the open regular file behind a descriptor.

        Raises:
            OSError: EBADF, EISDIR.
        """
        description = self.fds.get(fd)
        if description is None or not (description.writable if write else description.readable):
            raise failure(EBADF)
        node = description.node
        if type(node) is not File:
            raise failure(EISDIR)
        return description, node


def check_name(name: str, names: tuple[Path | int, ...]) -> None:
    """Raise what a name that cannot be gives."""
    if "\0" in name:
        raise ValueError("embedded null byte")
    if len(encode(name)) > NAME_MAX:
        raise failure(ENAMETOOLONG, *names)


def encode(text: str) -> bytes:
    """Give the bytes of a name; surrogates stand for bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape")
