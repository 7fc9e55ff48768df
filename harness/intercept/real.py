"""The real functions, kept before anything is rerouted.

They sit inside plain namespaces, not in module globals, because rerouting replaces every module
global that is one of them, and would replace these as well.
"""

from __future__ import annotations

import _io
import _thread
import builtins
import fcntl as fcntl_module
import posix
import threading
import time as time_module
from types import SimpleNamespace
from typing import Any, Final

__all__ = ["fcntl", "io", "open_file", "os", "thread", "time"]

os: Final[Any] = SimpleNamespace(**vars(posix))
io: Final[Any] = SimpleNamespace(**vars(_io))
fcntl: Final[Any] = SimpleNamespace(**vars(fcntl_module))
time: Final[Any] = SimpleNamespace(**vars(time_module))
thread: Final[Any] = SimpleNamespace(
    start_new_thread=_thread.start_new_thread,
    start_joinable_thread=getattr(_thread, "start_joinable_thread", None),
    get_native_id=threading.get_native_id,
    get_ident=_thread.get_ident,
    allocate_lock=_thread.allocate_lock,
    RLock=threading.RLock,
)
open_file: Final[Any] = SimpleNamespace(open=builtins.open)
