"""Opening sweeps temporary files without asking whether their writers are still alive."""

import os

from scenarios.zoo._base import EVERY, Bug, Store
from scenarios.zoo._unique import UniqueNames

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="sweep_takes_live_file",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="recovery races a writer",
    culprit="os.unlink(self.path(name))",
    fix="Sweep under the lock that writers hold.",
    issue="every start-up clean-up of a cache directory that a second process is using",
    since=5,
)


class _Broken(UniqueNames):
    def recover(self) -> None:
        for name in os.listdir(self.directory):
            if name.startswith(".tmp-"):
                os.unlink(self.path(name))  # culprit


def broken(directory: str) -> Store:
    """Open the store that sweeps a live writer's file."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that waits for writers first."""
    return UniqueNames(directory)
