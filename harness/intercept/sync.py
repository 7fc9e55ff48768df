"""``threading``'s locks, threads' identities, queues of C, selectors: what a scheduler must see.

A stand-in does nothing unless the calling thread is listed in `SCHEDULED`: then what it makes comes
from there. Everything else of ``threading`` and ``queue`` (Condition, Semaphore, Event, Barrier,
Queue) is CPython's own Python code over these, so it is simulated with them.

``_thread.allocate_lock`` itself stays, because the import system takes its locks from it; a module
that captured it is served.
"""

from __future__ import annotations

import queue
import selectors
import threading
from _thread import get_ident
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from harness.disk import Process
from harness.errors import Killed
from harness.intercept import real
from harness.intercept.current import ACTIVE
from harness.intercept.modulelocks import module_lock
from harness.intercept.registry import stand_in, stand_in_class_attribute, stands_for
from harness.intercept.scheduled import SCHEDULED, Scheduled

__all__ = ["BELONGS", "SCHEDULED", "Scheduled"]


BELONGS: Final[dict[int, Process]] = {}
"""Identifier of each thread that a simulated process has started to that process."""


class _Maker:
    """Stands for a function or type that makes a lock or a queue.

    Usable wherever the type is: in ``isinstance``, as a base class, in annotations.
    """

    def __init__(self, original: Any, make: Callable[[Any], Any]) -> None:
        self.original = original
        self.make = make
        self.__name__ = getattr(original, "__name__", "")
        self.__module__ = getattr(original, "__module__", None) or "threading"

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        scheduled = SCHEDULED.get(get_ident())
        if arguments or options:
            return self.original(*arguments, **options)
        if scheduled is None:
            return module_lock(self.original)
        return self.make(scheduled)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(self.original, type) and isinstance(instance, self.original)

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.original,)

    def __or__(self, other: Any) -> Any:
        return self.original | other

    def __ror__(self, other: Any) -> Any:
        return other | self.original

    def __getitem__(self, item: Any) -> Any:
        return self.original[item]


class _Waiter:
    """What a thread of a simulated process waits on in a Condition, as long as that lives.

    Event, Queue, Semaphore, Barrier and Future wait on one, too. No exception can be raised in a
    thread that waits for a real lock, so the end of its process wakes it. So the real threads of a
    store that is opened a thousand times do not pile up, and an operation that waits for a thread
    in which a kill struck ends with it.
    """

    def __init__(self, process: Process) -> None:
        self._lock = real.thread.allocate_lock()
        self._process = process

    def release(self) -> None:
        with suppress(RuntimeError):  # woken by both: what it waits for, and the end
            self._lock.release()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - as a lock has it
        if self._lock.acquire(False):  # noqa: FBT003 - likewise
            return True
        if not blocking:
            return False
        process = self._process
        process.mourners[self.release] = None
        try:
            got = not process.dead and self._lock.acquire(True, timeout)  # noqa: FBT003 - likewise
        finally:
            process.mourners.pop(self.release, None)
        if process.dead:
            raise Killed("the process of this thread is dead")
        return got


class _WaiterMaker(_Maker):
    """Stands for what Condition takes its waiters from."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        process = BELONGS.get(get_ident()) or ACTIVE.get(get_ident())
        if process is not None and get_ident() not in SCHEDULED:
            return _Waiter(process)
        return super().__call__(*arguments, **options)


def _lock(scheduled: Scheduled) -> Any:
    return scheduled.lock()


stand_in(("threading",), "Lock", _Maker(threading.Lock, _lock))
stand_in(
    ("threading",),
    "_allocate_lock",
    _WaiterMaker(threading._allocate_lock, _lock),  # type: ignore[attr-defined]  # noqa: SLF001
)
stand_in(("threading",), "RLock", _Maker(threading.RLock, lambda scheduled: scheduled.rlock()))
stand_in(
    ("queue",),
    "SimpleQueue",
    _Maker(
        queue.SimpleQueue,
        lambda _: queue._PySimpleQueue(),  # type: ignore[attr-defined]  # noqa: SLF001
    ),
)


class _Identity:
    """Stands for ``get_ident``."""

    __name__ = "get_ident"

    def __call__(self) -> int:
        ident = get_ident()
        scheduled = SCHEDULED.get(ident)
        return ident if scheduled is None else scheduled.ident()


stand_in(("threading",), "get_ident", _Identity())

_real_join: Final[Any] = threading.Thread.join


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    scheduled = SCHEDULED.get(get_ident())
    if scheduled is None or scheduled.join(self, timeout):
        _real_join(self, timeout)


stand_in_class_attribute(threading.Thread, "join", _join)


def _looking(
    select: Callable[[float], list[Any]], timeout: float | None, process: Process
) -> list[Any]:
    """Wait for an event loop's events in a thread, and end with the thread's process.

    Nothing wakes a selector from outside; so it looks up, often at first, for a process that dies
    mostly does so soon.
    """
    end = None if timeout is None else real.time.monotonic() + timeout
    look = 0.001
    while True:
        left = look if end is None else min(look, max(end - real.time.monotonic(), 0))
        events = select(left)
        if process.dead:
            raise Killed("the process of this thread is dead")
        if events or (end is not None and real.time.monotonic() >= end):
            return events
        look = min(2 * look, 0.05)


def _selecting(original: Any) -> Callable[..., list[Any]]:
    """Make an event loop's wait one that is seen: what it waits for, another thread sends."""

    def select(self: Any, timeout: float | None = None) -> list[Any]:
        scheduled = SCHEDULED.get(get_ident())
        if scheduled is not None:
            return scheduled.select(lambda: original(self, 0), timeout)
        process = BELONGS.get(get_ident())
        if process is not None:
            return _looking(lambda seconds: original(self, seconds), timeout, process)
        return original(self, timeout)  # type: ignore[no-any-return]

    return select


for _owner in (
    selectors.SelectSelector, selectors._PollLikeSelector, selectors.EpollSelector,  # noqa: SLF001
):  # fmt: skip
    stand_in_class_attribute(_owner, "select", _selecting(vars(_owner)["select"]))


@stands_for("register_at_fork")
def _register_at_fork(original: Any, **options: Any) -> None:
    """Forget it: a simulated process never forks, and its module must not live for ever."""
    if SCHEDULED.get(get_ident()) is None:
        original(**options)


@stands_for("register", modules=("atexit",))
def _register_at_exit(original: Any, function: Any, /, *arguments: Any, **options: Any) -> Any:
    """Forget it likewise: the interpreter's end is not the simulated process's."""
    if SCHEDULED.get(get_ident()) is None:
        original(function, *arguments, **options)
    return function
