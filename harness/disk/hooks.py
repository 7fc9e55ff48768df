"""Where faults, crashes, schedules and recorders take hold of the simulated machine.

Fault model of this room: a system call is one indivisible step. Before it takes effect
`Hooks.before` may let it through, refuse it, shrink it, make it fail after the fact, kill the
process, or run other processes first. After a call that changed the machine, `Hooks.record` gets
its record. While a lock cannot be had, `Hooks.blocked` decides who runs. Nothing happens inside a
call.

=============================  ==========================================================
to get                         do, in ``before``
=============================  ==========================================================
a call that fails, no effect   raise ``OSError(errno.ENOSPC, ...)`` (the kernel adds names)
a short read or write          return ``Verdict(limit=n)``
a torn write that fails        return ``Verdict(limit=n, error=errno.EIO)``
fsync that reports an error    return ``Verdict(error=errno.EIO)``
a crash of the process         ``process.kill()`` and raise ``Killed``
a switch                       run another process's thread or greenlet, then return
an interrupted call            raise ``InterruptedError``: the call is tried again, as PEP 475
                               does, so Python code never sees it
=============================  ==========================================================

A failed ``close`` frees its descriptor all the same (as on Linux): an error raised for it is taken
as a Verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from harness.errors import SimulationError
from harness.trace import Record

if TYPE_CHECKING:
    from harness.disk.process import Process

__all__ = ["DO", "Hooks", "Verdict", "Wait"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a call that is let through.

    Attributes:
        limit: Bytes that a call that moves bytes may move at most.
        error: The errno that the call fails with after it took effect as limited.
    """

    limit: int | None = None
    error: int | None = None


DO: Final = Verdict()
"""Let the call through; None says the same."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A lock that cannot be granted now.

    Attributes:
        kind: ``flock``, ``posix`` or ``ofd``.
        path: The file, as in a trace.
        ino: Its inode.
        holders: Numbers of the processes that hold what is waited for, ascending.
        free: Tells whether it could be granted now.
    """

    kind: str
    path: str
    ino: int
    holders: tuple[int, ...]
    free: Callable[[], bool] = field(default=lambda: True, compare=False, repr=False)

    def __str__(self) -> str:
        held = ", ".join(f"process {number}" for number in self.holders)
        return f"a {self.kind} lock on {self.path!r} that {held} holds"


class Hooks:
    """Override what you need; what is not overridden costs nothing.

    `harness.disk.calls` lists every call with its arguments, by which ``before`` knows it.
    """

    def before(self, process: Process, call: str, **details: Any) -> Verdict | None:
        """See every system call, reads too, before it takes effect.

        Args:
            process: Who calls.
            call: The method's name on `Process`.
            details: The call's arguments by name, and ``paths``: what it is about, as in a trace
                (for a descriptor: the file's present name), and ``ino``: the descriptor's
                inode or None.

        Raises:
            OSError: The call fails so, and nothing else happens.
            Killed: The process dies here; call ``process.kill()`` first.
        """

    def record(self, record: Record) -> None:
        """Get the record of each call that changed the machine, after it took effect."""

    def blocked(self, process: Process, wait: Wait) -> None:
        """Let somebody else run because ``process`` waits for a lock.

        Return to try again; raise to give up. Never called from inside another call.

        Raises:
            SimulationError: By default: nobody else can run, so this would wait for ever.
        """
        raise SimulationError(deadlock(process.number, wait))


def deadlock(number: int, wait: Wait) -> str:
    """Word the error for a wait that cannot end."""
    return f"process {number} waits for ever for {wait}: no other process can run to release it"
