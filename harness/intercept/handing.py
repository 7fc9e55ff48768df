"""Who handed a thread what it runs.

A store on ``asyncio`` or an executor makes its system calls in a worker thread, and often hands it
a function of the standard library (``asyncio.to_thread(os.replace, ...)``, aiofiles): nothing on
that thread's stack is the store's. What was on the stack of the thread that handed the work over is
kept beside it, so that a trace can name the store's own line.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from functools import partial
from types import CodeType, FrameType
from typing import Any, Final, TypeAlias

from harness.disk import Process
from harness.intercept.current import ACTIVE, active
from harness.intercept.registry import stand_in_class_attribute
from harness.intercept.sync import BELONGS

__all__ = ["HANDED", "handed", "within"]

Places: TypeAlias = tuple[tuple[CodeType, int], ...]
"""Code and line of each frame, innermost first; not the frames, which would go on and stay."""

HANDED: Final[dict[int, Places]] = {}
"""Thread identifier to the stack that what it runs now was handed over with."""

_DEPTH_MAX: Final = 64


def _stack(frame: FrameType | None) -> Places:
    places: list[tuple[CodeType, int]] = []
    while frame is not None and len(places) < _DEPTH_MAX:
        places.append((frame.f_code, frame.f_lineno or 0))
        frame = frame.f_back
    return *places, *HANDED.get(get_ident(), ())[: _DEPTH_MAX - len(places)]


def _call(function: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Call a function from Python, although it is wrapped in what calls from C.

    The interpreter's profiling hook, which tells who gives a file its bytes, is not told of a C
    function that C calls: aiofiles hands over partials, ``asyncio.to_thread`` a context's ``run``.
    """
    while type(function) is partial:
        arguments = function.args + arguments
        options = {**function.keywords, **options}
        function = function.func
    runs = getattr(function, "__name__", "") == "run"
    if runs and arguments and type(getattr(function, "__self__", None)) is Context:
        return function(_call, arguments[0], arguments[1:], options)
    return function(*arguments, **options)


def handed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap what another thread is to run, so that it is known there who handed it over.

    Args:
        function: What is handed over; the caller's stack is the one that is kept.
    """
    stack = _stack(sys._getframe(1))  # noqa: SLF001 - the documented way to see one's callers

    def run(*arguments: Any, **options: Any) -> Any:
        ident = get_ident()
        before = HANDED.get(ident)
        HANDED[ident] = stack
        try:
            return _call(function, arguments, options)
        finally:
            if before is None:
                del HANDED[ident]
            else:
                HANDED[ident] = before

    run.__wrapped__ = function  # type: ignore[attr-defined]
    return run


_real_submit: Final[Any] = ThreadPoolExecutor.submit


def within(process: Process, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap what a thread runs, so that the thread belongs to a process while it does."""

    def run(*arguments: Any, **options: Any) -> Any:
        ident = get_ident()
        before = BELONGS.get(ident)
        with active(process):
            BELONGS[ident] = process
            try:
                return function(*arguments, **options)
            finally:
                if before is None:
                    del BELONGS[ident]
                else:
                    BELONGS[ident] = before

    run.__wrapped__ = function  # type: ignore[attr-defined]
    return run


def _acting_for(process: Process, function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a process's thread act for the process that hands it something.

    A pool that a module keeps may have threads that an earlier process started. A thread of none
    stays real.
    """
    for_process = within(process, function)

    def run(*arguments: Any, **options: Any) -> Any:
        own = ACTIVE.get(get_ident()) in (None, process)
        return (function if own else for_process)(*arguments, **options)

    return run


def _submit(self: Any, fn: Any, /, *arguments: Any, **options: Any) -> Any:
    process = ACTIVE.get(get_ident())
    if process is not None and callable(fn):
        fn = _acting_for(process, handed(fn))
    return _real_submit(self, fn, *arguments, **options)


stand_in_class_attribute(ThreadPoolExecutor, "submit", _submit)
