"""Locks that a module keeps: one for all of this interpreter, one a process on a real machine.

Standard library modules, and packages that are not run anew for each simulated process, make a lock
when they are imported (``concurrent.futures`` has one that every ``submit`` takes). Left real, it
would be shared by writers whose processes share nothing, and a writer that waits for it would never
be seen to wait. So while calls are rerouted, such a global is replaced by a stand-in that asks the
calling thread's scheduler for the lock of its process; every other thread gets the real one.

Not seen: a lock that such a module made earlier and keeps in an instance or a class. Who waits for
one of those is stopped by the watchdog.
"""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any, Final

from harness.intercept.captures import Undo, put_back
from harness.intercept.scheduled import SCHEDULED

__all__ = ["ModuleLock", "module_lock", "replace_module_locks"]

_KINDS: Final = (type(threading.Lock()), type(threading.RLock()))

_LEFT_REAL: Final = frozenset({
    "harness", "importlib", "threading", "_thread",  # what the scheduler itself runs on
    "multiprocessing",  # and what it is shared out with
    "_pytest", "execnet", "hypothesis", "pluggy", "pyfakefs", "pytest", "xdist",
})  # fmt: skip


class ModuleLock:
    """Stands for a lock that a module keeps.

    Args:
        original: The real lock, for threads that nobody schedules.
        module: Who keeps it.

    Attributes:
        again: Whether its holder can take it again.
        quiet: Whether taking it, while it is free, is no switch point. So for the standard
            library's: what they guard is CPython's business, not the store's.
    """

    __slots__ = ("__weakref__", "module", "original", "quiet")

    again = False

    def __init__(self, original: Any, module: str) -> None:
        self.original = original
        self.module = module
        self.quiet = _top(module) in sys.stdlib_module_names

    def _own(self) -> Any:
        scheduled = SCHEDULED.get(get_ident())
        return self.original if scheduled is None else scheduled.own(self)

    def acquire(self, *arguments: Any, **options: Any) -> bool:
        return self._own().acquire(*arguments, **options)  # type: ignore[no-any-return]

    def release(self) -> None:
        self._own().release()

    def locked(self) -> bool:
        return self._own().locked()  # type: ignore[no-any-return]

    def __enter__(self) -> bool:
        return self._own().acquire()  # type: ignore[no-any-return]

    def __exit__(self, *_: object) -> None:
        self._own().release()

    def __getattr__(self, name: str) -> Any:
        # What else a lock has depends on the Python: _at_fork_reinit, _recursion_count, ...
        return getattr(self._own(), name)


class ModuleRLock(ModuleLock):
    """The same, which its holder can take again; a Condition asks one for more."""

    __slots__ = ()

    again = True


def module_lock(make: Callable[[], Any]) -> Any:
    """Make a real lock; one made while a module is imported is that module's.

    Args:
        make: What makes it.
    """
    original = make()
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to see one's callers
    while frame is not None:
        caller = frame.f_back
        if frame.f_code.co_name == "<module>" and _imports(caller):
            name = frame.f_globals.get("__name__")
            return original if _left_real(name) else _stand_in(original, name)
        frame = caller
    return original


def replace_module_locks() -> Undo:
    """Put stand-ins in place of locks that modules keep as globals."""
    undo: Undo = []
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType):
            continue
        namespace = vars(module)
        name = namespace.get("__name__")
        if _left_real(name):
            continue
        for key, value in list(namespace.items()):
            if type(value) in _KINDS:
                namespace[key] = _stand_in(value, name)
                undo.append(put_back(namespace, key, namespace[key], value))
    return undo


def _imports(frame: FrameType | None) -> bool:
    """Tell whether code runs for the import system: a script that is run is no import."""
    return frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")


def _top(name: str) -> str:
    return name.partition(".")[0]


def _left_real(name: Any) -> bool:
    return not isinstance(name, str) or _top(name) in _LEFT_REAL


def _stand_in(original: Any, module: Any) -> Any:
    """Give what stands for a lock; anything else, a queue, as it is."""
    if type(original) not in _KINDS:
        return original
    kind = ModuleRLock if type(original) is _KINDS[1] else ModuleLock
    return kind(original, module)
