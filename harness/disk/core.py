"""What all system calls of a process stand on: its state, its dealings with hooks.

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
    errorcode,
)
from typing import TYPE_CHECKING, Any, TypeVar, cast

from harness.disk.calls import CALLS
from harness.disk.constants import DESCRIPTOR_BASE
from harness.disk.descriptions import Description, path_of

# Not when it is needed: an import looks at files, and they would be the subject's calls.
from harness.disk.failures import failed_record
from harness.disk.hooks import Verdict
from harness.disk.lookups import Lookups, Path, check_name, encode, failure
from harness.disk.nodes import Directory, File, Node, Symlink
from harness.errors import CallLimitExceeded, Killed
from harness.trace import Close, Create, Fdatasync, Fsync, Record, Sync, Write

if TYPE_CHECKING:
    from harness.disk.machine import Machine
    from harness.disk.process import Process

__all__ = ["Core", "Path", "check_name", "encode", "failure"]

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

_TELLS = (Write, Fsync, Fdatasync, Sync, Close)
"""Records that can carry the error of a call that took effect: the rest tells what did."""


class Core(Lookups):
    """State of one simulated process.

    Attributes:
        number: From 1, in order of creation.
        dead: It was killed; every call raises Killed.
        calls: System calls made so far.
    """

    __slots__ = (
        "_counted_from",
        "_emitted",
        "_free",
        "_inheritable",
        "_limit",
        "_recording",
        "_top",
        "_umask",
        "_verdict",
        "bereft",
        "calls",
        "dead",
        "mourners",
        "number",
    )

    def __init__(self, machine: Machine, number: int, pid: int, cwd: Directory) -> None:
        super().__init__(machine, pid, cwd)
        self.number = number
        self.dead = False
        self.bereft = False  # whether threads of its waited when it died
        # What is called when it dies: its threads wait for real locks, and have to be woken.
        self.mourners: dict[Callable[[], object], None] = {}
        self.calls = 0
        self._counted_from = 0
        self._limit = machine.call_limit
        self._umask = 0o022
        self._free: list[int] = []
        self._top = DESCRIPTOR_BASE
        self._inheritable: set[int] = set()
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
        record = failed_record(self, call, args)
        if record is not None:
            self._verdict = None
            record.error = errorcode.get(code, str(code))
            self._emit(record)

    # -- for all calls --------------------------------------------------------------------------

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
