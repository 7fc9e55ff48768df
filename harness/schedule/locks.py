"""``threading.Lock`` and ``RLock`` as a scheduled writer gets them: they block on the scheduler.

Who holds a lock, and where it was made, is known, so that a deadlock can be told. Used outside a
schedule (a store looked at after its writers ended), they work as long as nobody has to wait.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.errors import SimulationError
from harness.intercept import real
from harness.intercept.modulelocks import ModuleLock
from harness.intercept.sync import SCHEDULED

if TYPE_CHECKING:
    from types import TracebackType

    from harness.schedule.writer import Writer

__all__ = ["Making", "SimulatedLock", "SimulatedRLock", "made_here"]

_TIMEOUT_NONE: Final = -1
_HERE: Final = str(Path(__file__).parent.parent) + "/"


def _writer() -> Writer | None:
    found = SCHEDULED.get(real.thread.get_ident())
    return None if type(found) is Making else found  # type: ignore[return-value]


class SimulatedLock:
    """A mutual exclusion lock.

    Args:
        made: Where it was made: ``file:line``, or the module that keeps it.
        quiet: See below.

    Attributes:
        holder: Who took it last, while it is held; None also if nobody scheduled did.
        quiet: Whether taking it while it is free, and releasing it, are no switch points.
    """

    __slots__ = ("__weakref__", "depth", "holder", "made", "quiet")

    kind: Final = "threading.Lock"

    def __init__(self, made: str, *, quiet: bool = False) -> None:
        self.made = made
        self.quiet = quiet
        self.depth = 0
        self.holder: Writer | None = None

    def acquire(self, blocking: bool = True, timeout: float = _TIMEOUT_NONE) -> bool:  # noqa: FBT001, FBT002 - threading's own signature
        if not blocking and timeout != _TIMEOUT_NONE:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if blocking and timeout < 0 and timeout != _TIMEOUT_NONE:
            raise ValueError("timeout value must be a non-negative number")
        writer = _writer()
        if writer is not None and (self.depth or not self.quiet):
            if not writer.wait_for_lock(self, blocking=blocking, timeout=timeout):
                return False
        elif self.depth:
            if not blocking or timeout >= 0:
                return False
            raise SimulationError(f"waits for ever for {self}: no other writer can run")
        self.depth = 1
        self.holder = writer
        if writer is not None:
            writer.locks.append(self)
        return True

    def release(self) -> None:
        writer = _writer()
        if writer is not None and not self.quiet:
            writer.before_release(self)
        if not self.depth:
            raise RuntimeError("release unlocked lock")
        if self.holder is not None and self in self.holder.locks:
            self.holder.locks.remove(self)
        self.depth = 0
        self.holder = None
        if writer is not None:
            writer.engine.progressed()

    def locked(self) -> bool:
        return self.depth > 0

    __enter__ = acquire

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _is_owned(self) -> bool:
        # What Condition asks; for a plain lock it means: held by somebody.
        return self.depth > 0

    def _at_fork_reinit(self) -> None:
        self.depth = 0
        self.holder = None

    def __str__(self) -> str:
        return f"the {self.kind} made at {self.made}"


class SimulatedRLock(SimulatedLock):
    """The same, which its holder can take again."""

    __slots__ = ()

    kind = "threading.RLock"  # type: ignore[misc]

    def acquire(self, blocking: bool = True, timeout: float = _TIMEOUT_NONE) -> bool:  # noqa: FBT001, FBT002 - threading's own signature
        if self.depth and self.holder is _writer():
            self.depth += 1
            return True
        return super().acquire(blocking, timeout)

    __enter__ = acquire

    def release(self) -> None:
        if not self.depth or self.holder is not _writer():
            raise RuntimeError("cannot release un-acquired lock")
        if self.depth > 1:
            self.depth -= 1
        else:
            super().release()

    def _is_owned(self) -> bool:
        return self.depth > 0 and self.holder is _writer()

    def _release_save(self) -> int:
        depth, self.depth = self.depth, 1
        self.release()
        return depth

    def _acquire_restore(self, depth: int) -> None:
        self.acquire()
        self.depth = depth

    def _recursion_count(self) -> int:
        return self.depth if self._is_owned() else 0


class Making:
    """Makes simulated locks while a module is run that no writer runs."""

    def lock(self) -> SimulatedLock:
        return made_here(SimulatedLock)

    def rlock(self) -> SimulatedLock:
        return made_here(SimulatedRLock)

    def own(self, lock: ModuleLock) -> Any:
        return lock.original

    def select(self, look: Callable[[], list[Any]], timeout: float | None) -> list[Any]:
        del timeout
        return look()

    def ident(self) -> int:
        return real.thread.get_ident()  # type: ignore[no-any-return]

    def spawn(self, function: Any) -> Any:
        return function

    def join(self, thread: Any, timeout: float | None) -> bool:
        del thread, timeout
        return True


def made_here(kind: type[SimulatedLock]) -> SimulatedLock:
    """Make a lock that knows where it is made.

    One that the standard library's own code makes (an executor, an event loop) is quiet: what it
    guards is CPython's business, not the store's.

    Args:
        kind: Of which kind.
    """
    frame: Any = sys._getframe(1)  # noqa: SLF001 - the documented way to see one's callers
    while frame is not None:
        name = frame.f_code.co_filename
        if not (name.startswith(_HERE) and "/reference/" not in name) and not name.endswith(
            ("/threading.py", "/queue.py")
        ):
            module = str(frame.f_globals.get("__name__"))
            quiet = module.partition(".")[0] in sys.stdlib_module_names
            return kind(f"{Path(name).name}:{frame.f_lineno}", quiet=quiet)
        frame = frame.f_back
    return kind("?")
