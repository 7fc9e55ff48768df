"""Keeping a subject's side noise, and its dead objects, out of the run.

A store under test may print, log and warn thousands of times while it is crashed. Its dead objects
are worse: a finalizer that Python runs late would act in whatever process is active then. So while
subjects run, what they print goes nowhere, and cyclic garbage is collected only between recoveries,
on behalf of a dead process, where nothing it does can reach a disk.
"""

from __future__ import annotations

import gc
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Final

from harness.disk import Machine
from harness.errors import Killed
from harness.intercept import active

if TYPE_CHECKING:
    from harness.disk import Process

__all__ = ["bury", "quiet"]

_COLLECT_EVERY: Final = 512
"""Recoveries between two collections of cyclic garbage, at most."""

_COLLECT_LEAST: Final = 16
"""The same at least: a collection takes as long as some recoveries."""

_GARBAGE_BYTES: Final = 1 << 25
"""File contents that may wait in garbage for the next collection, about."""

_WHOLE_EVERY: Final = 64
"""Runs between two collections that look through all there is, which under pytest is much."""

_COPIES: Final = 8
"""Copies of what a store holds that one run leaves behind: read, encoded, written, and on disk."""


class _Nowhere(io.TextIOBase):
    """A stream that forgets."""

    def write(self, text: str) -> int:
        return len(text)

    def writable(self) -> bool:
        return True


class _Graveyard:
    """A dead process for dead stores."""

    def __init__(self) -> None:
        self.waiting = 0
        self.every = _COLLECT_EVERY
        self.runs = 0
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        if self._process is None:
            self._process = Machine().process()
            self._process.kill()
        return self._process

    def sweep(self, *, whole: bool) -> None:
        """Collect what has died outside of runs: what is young, and now and then everything.

        What is left out does no harm in the run: it is frozen with what lives.
        """
        gc.collect(2 if whole or self.runs % _WHOLE_EVERY == 0 else 1)
        self.runs += 1

    def collect(self) -> None:
        self.waiting = 0
        with active(self.process):
            gc.collect()


_graveyard = _Graveyard()


def bury(count: int = 1) -> None:
    """Say that a store's objects were dropped; its garbage is collected.

    A store dies with its process, but a table of its module (of weak references, say) would hand
    the dead one to the next process. What is new is collected each time, which costs little;
    everything now and then.

    Args:
        count: How many they count for.
    """
    _graveyard.waiting += count
    if _graveyard.waiting >= _graveyard.every:
        _graveyard.collect()
    else:
        with active(_graveyard.process):
            gc.collect(0)


@contextmanager
def quiet(stored_bytes: int = 0) -> Iterator[None]:
    """Run subjects: no output, no late finalizers, no word of what a dead process tried.

    Args:
        stored_bytes: What the subject is given to store; garbage is collected the more often.
    """
    hook, collecting, every = sys.unraisablehook, gc.isenabled(), _graveyard.every

    def unraisable(problem: sys.UnraisableHookArgs) -> None:
        if not isinstance(problem.exc_value, Killed):
            hook(problem)

    fitting = _GARBAGE_BYTES // max(_COPIES * stored_bytes, 1)
    _graveyard.sweep(whole=fitting <= _COLLECT_LEAST)
    gc.disable()
    # What is there already is not looked through again at each collection.
    gc.freeze()
    _graveyard.every = min(max(fitting, _COLLECT_LEAST), _COLLECT_EVERY)
    sys.unraisablehook = unraisable
    try:
        with (
            redirect_stdout(_Nowhere()),
            redirect_stderr(_Nowhere()),
            warnings.catch_warnings(),
        ):
            # A crashed store leaves files open: that is the point of crashing it.
            # What else it warns of is for its own tests, not an error here if it is one there.
            warnings.simplefilter("ignore")
            try:
                yield
            finally:
                _graveyard.collect()
    finally:
        sys.unraisablehook = hook
        _graveyard.every = every
        gc.unfreeze()
        if collecting:
            gc.enable()
