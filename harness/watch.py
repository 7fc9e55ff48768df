"""A watchdog for subjects that never return.

Loops that make system calls are stopped by the machine's call limit, which is exact. One that only
computes, or waits for a lock of its own, is stopped by the clock: the single place where real time
can decide anything, and only ever whether a subject hangs.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from harness.errors import Hung
from harness.intercept import suspended

__all__ = ["SECONDS_DEFAULT", "watched"]

SECONDS_DEFAULT: Final = 20.0
"""Real seconds that one recorded operation, or one whole recovery, may take."""

SECONDS_LATER: Final = 5.0
"""The same, once something has hung in this process: a subject that hangs does so often."""

_EXPIRIES_MAX: Final = 3

_hung = False


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

    expiries = 0
    if _hung:
        seconds = min(seconds, SECONDS_LATER)

    def expire(number: int, frame: FrameType | None) -> None:
        nonlocal expiries
        global _hung  # noqa: PLW0603 - it is this process that has less patience from now on
        del number, frame
        _hung = True
        expiries += 1
        if expiries > _EXPIRIES_MAX:
            _give_up()
        # Once more, for one that swallows whatever is raised in it.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        raise Hung(f"did not return within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _give_up() -> None:
    """End the process: the subject swallows every exception in a loop, so nothing else ends it."""
    with suspended():
        os.write(2, b"harness: the subject never returns, and swallows whatever would end it\n")
        os._exit(4)
