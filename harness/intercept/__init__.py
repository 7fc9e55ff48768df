"""Rerouting Python to the simulated machine.

``with rerouted():`` puts the stand-ins in place, for the whole interpreter; they do nothing but ask
whether the calling thread acts for a simulated process. ``with active(process):`` says that it
does. Everything else stays real: the harness, pytest, other threads.

What is rerouted: ``os``, ``open`` and ``io``, ``fcntl``, and through them everything that CPython's
standard library does with files; the clock, random numbers and names. What would leave the
simulated machine raises `harness.errors.EscapeError`. What cannot be seen: C code of extension
modules and ctypes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.intercept.current import active, current, suspended

if TYPE_CHECKING:
    from harness.intercept.installing import Installation

__all__ = ["active", "current", "rerouted", "suspended"]

_lock = threading.RLock()
_installation: Installation | None = None
_users = 0


@contextmanager
def rerouted() -> Iterator[None]:
    """Install the rerouting for the length of a block.

    Re-entrant, and shared between threads: the first block to begin installs it, the last to end
    removes it and restores every replaced attribute.
    """
    global _installation, _users  # noqa: PLW0603 - the interpreter has one set of modules
    with _lock:
        if _installation is None:
            # Here, not at the top: `import harness` must not import pyfakefs.
            from harness.intercept.installing import Installation  # noqa: PLC0415

            _installation = Installation()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _installation.remove()
                _installation = None
