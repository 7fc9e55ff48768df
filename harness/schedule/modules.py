"""Module state of a simulated process's own.

Real processes share no Python object. Here all run in one interpreter, so a counter, cache or lock
that a store's module keeps would be shared between them, which hides races and invents others.
Where the store's own module keeps state that can change, each simulated process gets a copy of the
module, run anew.

Limits: only the module (or file) that has the factory is copied; what it imports is shared, and so
is what the standard library keeps.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.subjects import Subject

__all__ = ["copies_of"]


def copies_of(subject: Subject) -> Iterator[Subject]:
    """Give the store again and again, each with module state of its own."""
    while True:
        yield subject
