"""Locks that conflict and block: flock, POSIX record locks, and locks of open file descriptions.

flock belongs to the open file description; a POSIX lock to the process, and is gone at the first
close of *any* descriptor of the file by that process (fcntl(2)); an OFD lock to the description.
flock and record locks do not see each other, as on Linux.
"""

from __future__ import annotations

import fcntl as constants
import os
from collections.abc import Callable
from dataclasses import dataclass
from errno import EAGAIN, EBADF, EDEADLK, EINVAL
from typing import Final, TypeAlias

from harness.disk.constants import BLOCK
from harness.disk.core import Core, failure
from harness.disk.descriptions import Description
from harness.disk.hooks import Wait, deadlock
from harness.disk.nodes import File
from harness.errors import CallLimitExceeded, Killed, SimulationError

__all__ = ["LockCalls", "LockTable", "Span"]

_END: Final = 2**63
"""Past every offset: where a lock of length 0 ends."""

Owner: TypeAlias = Core | Description


@dataclass(slots=True)
class Span:
    """A record lock on [start, end) of a file."""

    start: int
    end: int
    kind: int
    owner: Owner


class LockTable:
    """The locks on one inode."""

    __slots__ = ("flocks", "spans")

    def __init__(self) -> None:
        self.flocks: dict[Description, int] = {}
        self.spans: list[Span] = []

    def closed(self, process: Core, description: Description) -> None:
        """Drop what a process loses by closing a descriptor of this file."""
        del description
        if self.spans:
            self.spans = [span for span in self.spans if span.owner is not process]

    def ended(self, description: Description) -> None:
        """Drop what ends with an open file description."""
        self.flocks.pop(description, None)
        if self.spans:
            self.spans = [span for span in self.spans if span.owner is not description]

    def flock_conflicts(self, description: Description, kind: int) -> list[Core]:
        return [
            held.owner
            for held, mode in self.flocks.items()
            if held is not description and constants.LOCK_EX in (kind, mode)
        ]

    def span_conflicts(self, wanted: Span) -> list[Span]:
        return [
            span
            for span in self.spans
            if span.owner is not wanted.owner
            and span.start < wanted.end
            and wanted.start < span.end
            and constants.F_WRLCK in (span.kind, wanted.kind)
        ]

    def own_spans(self, wanted: Span) -> list[Span]:
        return [
            span
            for span in self.spans
            if span.owner is wanted.owner and span.start < wanted.end and wanted.start < span.end
        ]

    def set_span(self, wanted: Span) -> None:
        """Replace the owner's locks in a range: F_UNLCK leaves it free."""
        kept: list[Span] = []
        for span in self.spans:
            if span.owner is wanted.owner and span.start < wanted.end and wanted.start < span.end:
                if span.start < wanted.start:
                    kept.append(Span(span.start, wanted.start, span.kind, span.owner))
                if span.end > wanted.end:
                    kept.append(Span(wanted.end, span.end, span.kind, span.owner))
            else:
                kept.append(span)
        if wanted.kind != constants.F_UNLCK:
            kept.append(wanted)
        kept.sort(key=lambda span: (span.start, span.end))
        self.spans = kept


class LockCalls(Core):
    """flock and record locks."""

    __slots__ = ()

    def flock(self, fd: int, operation: int) -> None:
        """Take or drop the lock of an open file description.

        A lock that is converted is dropped first, and lost if the new one cannot be had
        (flock(2), "not guaranteed to be atomic"; flock_lock_inode in fs/locks.c).

        Raises:
            OSError: EAGAIN (BlockingIOError) with LOCK_NB, EINVAL, EBADF.
            SimulationError: It would wait for ever.
        """
        self.calls += 1
        if self.calls > self._limit:
            self._watched("flock", self._flock, fd, operation)
        else:
            self._flock(fd, operation)

    def _flock(self, fd: int, operation: int) -> None:
        kind = operation & ~constants.LOCK_NB
        if kind not in (constants.LOCK_SH, constants.LOCK_EX, constants.LOCK_UN):
            raise failure(EINVAL)
        description = self._description(fd)
        if description.flags & os.O_PATH:
            raise failure(EBADF)
        table = self._table(description)
        if kind == constants.LOCK_UN:
            table.flocks.pop(description, None)
            return
        if table.flocks.get(description) == kind:
            return
        table.flocks.pop(description, None)
        while conflicts := table.flock_conflicts(description, kind):
            if operation & constants.LOCK_NB:
                raise failure(EAGAIN)
            self._wait(
                "flock",
                description,
                conflicts,
                lambda: not table.flock_conflicts(description, kind),
            )
        table.flocks[description] = kind

    def would_wait(self, fd: int, operation: int, **_: object) -> Wait | None:
        """Tell what an flock call may have to wait for, before it is made.

        None for one that never waits, and for one that drops a lock before it waits: that one has
        to be made first.
        """
        kind = operation & ~constants.LOCK_NB
        description = self.fds.get(fd)
        if (
            operation & constants.LOCK_NB
            or kind not in (constants.LOCK_SH, constants.LOCK_EX)
            or description is None
            or description.flags & os.O_PATH
        ):
            return None
        table = self._table(description)
        if description in table.flocks:
            return None

        return Wait(
            "flock",
            description.path(),
            description.node.ino,
            tuple(sorted({one.number for one in table.flock_conflicts(description, kind)})),
            lambda: not table.flock_conflicts(description, kind),
        )

    def posix_lock(
        self, fd: int, cmd: int, kind: int, start: int = 0, length: int = 0, whence: int = 0
    ) -> tuple[int, int, int, int, int]:
        """Record locks: F_GETLK, F_SETLK, F_SETLKW, and F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW.

        Args:
            fd: The file.
            cmd: Which of them.
            kind: F_RDLCK, F_WRLCK or F_UNLCK.
            start: In bytes from ``whence``.
            length: In bytes; 0 to the end and beyond; negative: the bytes before ``start``.
            whence: SEEK_SET, SEEK_CUR or SEEK_END.

        Returns:
            What struct flock holds afterwards: type, whence, start, length, pid. Only the two
            GETLKs change it: F_UNLCK as type if nothing is in the way.

        Raises:
            OSError: EAGAIN for F_SETLK, EDEADLK for F_SETLKW in a cycle of waiting processes,
                EBADF (also for a kind of lock that the file is not open for), EINVAL.
            SimulationError: It would wait for ever.
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched(  # type: ignore[no-any-return]
                "posix_lock", self._posix_lock, fd, cmd, kind, start, length, whence
            )
        return self._posix_lock(fd, cmd, kind, start, length, whence)

    def _posix_lock(
        self, fd: int, cmd: int, kind: int, start: int, length: int, whence: int
    ) -> tuple[int, int, int, int, int]:
        description = self._description(fd)
        if description.flags & os.O_PATH:
            raise failure(EBADF)
        ofd = cmd in (constants.F_OFD_GETLK, constants.F_OFD_SETLK, constants.F_OFD_SETLKW)
        if not ofd and cmd not in (constants.F_GETLK, constants.F_SETLK, constants.F_SETLKW):
            raise failure(EINVAL)
        low, high = self._range(description, start, length, whence)
        wanted = Span(low, high, kind, description if ofd else self)
        table = self._table(description)
        if cmd in (constants.F_GETLK, constants.F_OFD_GETLK):
            if kind == constants.F_UNLCK and ofd:
                conflicts = table.own_spans(wanted)  # asks for one's own locks, since Linux 6.3
            elif kind in (constants.F_RDLCK, constants.F_WRLCK):
                conflicts = table.span_conflicts(wanted)
            else:
                raise failure(EINVAL)
            if not conflicts:
                return constants.F_UNLCK, whence, start, length, 0
            span = conflicts[0]
            pid = span.owner.pid if isinstance(span.owner, Core) else -1
            extent = 0 if span.end == _END else span.end - span.start
            return span.kind, os.SEEK_SET, span.start, extent, pid
        if kind not in (constants.F_RDLCK, constants.F_WRLCK, constants.F_UNLCK):
            raise failure(EINVAL)
        if kind == constants.F_RDLCK and not description.readable:
            raise failure(EBADF)
        if kind == constants.F_WRLCK and not description.writable:
            raise failure(EBADF)
        while kind != constants.F_UNLCK and (conflicts := table.span_conflicts(wanted)):
            if cmd in (constants.F_SETLK, constants.F_OFD_SETLK):
                raise failure(EAGAIN)
            holders = [_process(span.owner) for span in conflicts]
            if not ofd and self._closes_cycle(conflicts):
                raise failure(EDEADLK)
            self._wait(
                "ofd" if ofd else "posix",
                description,
                holders,
                lambda: not table.span_conflicts(wanted),
            )
        table.set_span(wanted)
        return kind, whence, start, length, 0

    @staticmethod
    def _range(description: Description, start: int, length: int, whence: int) -> tuple[int, int]:
        """Turn struct flock's fields into [low, high) (flock64_to_posix_lock in fs/locks.c)."""
        if whence == os.SEEK_CUR:
            start += description.position
        elif whence == os.SEEK_END:
            node = description.node
            start += node.size if isinstance(node, File) else BLOCK
        elif whence != os.SEEK_SET:
            raise failure(EINVAL)
        low, high = start, start + length
        if length < 0:
            low, high = high, start
        elif length == 0:
            high = _END
        if low < 0:
            raise failure(EINVAL)
        return low, high

    @staticmethod
    def _table(description: Description) -> LockTable:
        node = description.node
        if node.locks is None:
            node.locks = LockTable()
        return node.locks

    def _wait(
        self,
        kind: str,
        description: Description,
        holders: list[Core],
        free: Callable[[], bool],
    ) -> None:
        """Let somebody else run, or find that nobody can."""
        machine = self.machine
        wait = Wait(
            kind,
            description.path(),
            description.node.ino,
            tuple(sorted({holder.number for holder in holders})),
            free,
        )
        self.calls += 1
        if self.calls - self._counted_from > machine.call_limit:
            raise CallLimitExceeded(f"process {self.number} waits again and again for {wait}")
        if machine.hooks is None:
            raise SimulationError(deadlock(self.number, wait))
        if kind == "posix":
            machine.waiting[self] = holders
        try:
            machine.hooks.blocked(self.itself, wait)
        finally:
            machine.waiting.pop(self, None)
        if self.dead:
            raise Killed(f"process {self.number} is dead")

    def _closes_cycle(self, conflicts: list[Span]) -> bool:
        """Tell whether waiting for these would close a cycle of POSIX lock waiters.

        As posix_locks_deadlock in fs/locks.c, which does not look at OFD locks.
        """
        pending = [span.owner for span in conflicts if isinstance(span.owner, Core)]
        seen: set[int] = set()
        while pending:
            process = pending.pop()
            if process is self:
                return True
            if process.number not in seen:
                seen.add(process.number)
                pending += self.machine.waiting.get(process, [])
        return False


def _process(owner: Owner) -> Core:
    return owner if isinstance(owner, Core) else owner.owner
