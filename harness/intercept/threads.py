"""Threads that a simulated process starts belong to it."""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from harness.disk import Process
from harness.errors import Killed
from harness.intercept.current import ACTIVE
from harness.intercept.handing import handed, within
from harness.intercept.registry import stands_for
from harness.intercept.sync import SCHEDULED

__all__: list[str] = []


def _started(process: Process, function: Callable[..., Any]) -> Callable[..., Any]:
    scheduled = SCHEDULED.get(get_ident())
    function = within(process, handed(function))
    return function if scheduled is None else scheduled.spawn(function)


@stands_for("start_new_thread", "start_new", modules=("_thread", "threading"))
def _start_new_thread(original: Any, function: Any, *arguments: Any, **options: Any) -> Any:
    process = ACTIVE.get(get_ident())
    if process is not None:
        function = _started(process, function)
    return original(function, *arguments, **options)


@stands_for("start_joinable_thread", modules=("_thread", "threading"))
def _start_joinable_thread(original: Any, function: Any, *arguments: Any, **options: Any) -> Any:
    process = ACTIVE.get(get_ident())
    if process is not None:
        function = _started(process, function)
    return original(function, *arguments, **options)


@stands_for("_make_invoke_excepthook", modules=("threading",))
def _make_invoke_excepthook(original: Any) -> Any:
    """Let a thread whose process was killed end in silence, as threads of a dead process do."""
    invoke = original()
    if ACTIVE.get(get_ident()) is None:
        return invoke

    def invoke_excepthook(thread: Any) -> None:
        if not isinstance(sys.exception(), Killed):
            invoke(thread)

    return invoke_excepthook
