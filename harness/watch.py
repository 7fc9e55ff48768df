"""A watchdog for subjects that never return.

Loops that make system calls are stopped by the machine's call limit, which is exact. One that only
computes, or waits for a lock of its own, is stopped by the clock: the single place where real time
can decide anything, and only ever whether a subject hangs.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from harness.errors import Hung

__all__ = ["SECONDS_DEFAULT", "watched"]

SECONDS_DEFAULT: Final = 20.0
"""Real seconds that one recorded operation, or one whole recovery, may take."""


@contextmanager
def watched(seconds: float = SECONDS_DEFAULT) -> Iterator[None]:
    """Raise `Hung` inside the block if it takes longer than allowed.

    Works on the main thread only, where Python delivers signals; elsewhere the block runs
    unwatched.

    Args:
        seconds: Real seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Hung(f"did not return within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
