"""A new process of the simulated machine begins with the store's modules as after their import.

With one writer, processes come one after another by the thousand, and most leave nothing behind
that the next could meet. So the modules are run again (`harness.schedule.modules`) only where the
last process was struck, killed, or gave an error, still lives, or died with threads that waited for
work (the module may know them); and once for each workload. A process that opens the store again
keeps its modules.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Final

from harness.intercept.current import current
from harness.quiet import bury
from harness.schedule.modules import BURIALS, Source, as_in, parts_of, run_again, source_of
from harness.subjects import Subject, owning

if TYPE_CHECKING:
    from harness.disk import Process

__all__ = ["fresh"]

_KNOWN: Final = 4
"""Processes whose modules are known still: no more take turns on one machine."""


@contextmanager
def fresh(subject: Subject) -> Iterator[None]:
    """Give each simulated process modules of its own while a block runs; nests.

    Args:
        subject: The store. One whose modules keep nothing that can change is left as it is.
    """
    source = source_of(subject)
    if source is None:
        yield
        return
    modules = _Modules(subject, source)
    try:
        with owning(modules):
            yield
    finally:
        modules.put_back()


class _Modules:
    """The modules of the simulated processes of one store.

    Attributes:
        factory: The store's, as imported.
        latest: The store as the last process to open it has it.
    """

    def __init__(self, subject: Subject, source: Source) -> None:
        self.factory = subject.factory
        self.latest = self._subject = subject
        self._source = source
        self._imported = self._present = parts_of(source)
        self._worn = True
        self._known: dict[Process, tuple[Subject, dict[str, ModuleType]]] = {}

    def wear(self) -> None:
        """Say that the present modules may hold what no new process meets."""
        self._worn = True

    def opening(self) -> Subject:
        """Give the store as the process that opens it now has it."""
        process = current()
        if process is None:
            return self.latest
        if process in self._known:
            self.latest, modules = self._known[process]
            self._install(modules)
            return self.latest
        if self._worn or any(
            subject is self.latest and (other.bereft or not other.dead)
            for other, (subject, _) in self._known.items()
        ):
            self._renew()
        while len(self._known) >= _KNOWN:
            del self._known[next(iter(self._known))]
        self._known[process] = self.latest, self._present
        return self.latest

    def put_back(self) -> None:
        """Leave the interpreter as it was."""
        self._known.clear()
        self._install(self._imported)

    def _renew(self) -> None:
        bury(BURIALS)
        modules = run_again(self._source)
        found = None if modules is None else as_in(self._subject, self._source, modules)
        if modules is None or found is None:
            return
        self._worn = False
        self.latest = found
        self._install(modules)

    def _install(self, modules: dict[str, ModuleType]) -> None:
        # What is imported while the store runs, and what pickles look up, is the process's own.
        if modules is self._present:
            return
        for name in parts_of(self._source):
            del sys.modules[name]
        sys.modules.update(modules)
        self._present = modules
