"""Which threads are writers that a scheduler runs, and what it provides for each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

__all__ = ["SCHEDULED", "Scheduled"]


class Scheduled(Protocol):
    """What a scheduler provides for one thread."""

    def lock(self) -> Any:
        """Make a lock."""

    def rlock(self) -> Any:
        """Make a re-entrant lock."""

    def own(self, lock: Any) -> Any:
        """Give its process's lock for one that a module keeps."""

    def select(self, look: Callable[[], list[Any]], timeout: float | None) -> list[Any]:
        """Wait until a selector has something to tell, or, in seconds, for so long."""

    def ident(self) -> int:
        """Give the thread's identity: the same in every run."""

    def spawn(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Get told of a new thread; give what it is to run."""

    def join(self, thread: threading.Thread, timeout: float | None) -> bool:
        """Wait until a thread has ended; tell whether it has."""


SCHEDULED: Final[dict[int, Scheduled]] = {}
"""Thread identifier to its scheduler; absent means that its locks are real."""
