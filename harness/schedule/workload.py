"""What several writers do at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.ops import Operation

__all__ = ["ConcurrentWorkload", "Mode"]

Mode: TypeAlias = Literal["processes", "threads"]


@dataclass(frozen=True, slots=True)
class ConcurrentWorkload:
    """What is done to the store, and by whom.

    Attributes:
        name: Where it comes from.
        writers: For each, its operations in order. As a process it opens the store itself before
            them and closes it after them.
        setup: Done by one process before, and durable: the store that the writers find.
        mode: ``processes``: each has its own process, descriptors, locks and store object.
            ``threads``: all share one process and one store object, opened before they start and
            closed after they ended.
        ending: Of threads: what the main thread does after they ended, before it closes the store.
    """

    name: str
    writers: tuple[tuple[Operation, ...], ...]
    setup: tuple[Operation, ...] = ()
    mode: Mode = "processes"
    ending: tuple[Operation, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that occurs, in order of first use."""
        everything = (*self.setup, *(one for writer in self.writers for one in writer))
        return tuple(dict.fromkeys(one.key for one in everything if one.key is not None))
