"""Recovery takes every ``+new`` file for an unfinished write, even the only copy left."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import CRASH, EVERY, POWER_CUT, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="recovery_deletes_good_copy",
    guarantee="atomicity",
    profiles=EVERY,
    held=(),
    kind="recovery destroys data",
    culprit="os.unlink(new)",
    fix="Remove a +new file only where the value itself is there; else rename it into place.",
    issue="kubernetes 55641: clean-up of corrupt checkpoints on start",
    since=2,
    also={"durability": POWER_CUT},
)

# Only on opening is a half-done replacement repaired, so nothing else is claimed.
_GUARANTEES = CRASH


class _TwoSteps(Store):
    """For filesystems whose rename does not replace: remove the old, then rename the new."""

    def recover(self) -> None:
        with self.locked():
            # What we go by must be durable before anything is removed because of it.
            sync_directory(self.directory)
            for name in os.listdir(self.directory):
                if name.endswith("+new"):
                    self.repair(self.path(name), self.path(name.removesuffix("+new")))
            sync_directory(self.directory)

    def repair(self, new: str, path: str) -> None:
        if os.path.exists(path):
            os.unlink(new)
        else:
            os.rename(new, path)

    def save(self, name: str, content: bytes) -> None:
        path = self.path(name)
        self.begin(name, content)
        if os.path.exists(path):
            os.unlink(path)
        os.rename(path + "+new", path)
        sync_directory(self.directory)

    def begin(self, name: str, content: bytes) -> None:
        """Make the new file: it appears under that name whole and durable."""
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, self.path(name + "+new"))
        sync_directory(self.directory)


class _Broken(_TwoSteps):
    def repair(self, new: str, path: str) -> None:
        del path  # "whatever is called +new was not finished"
        os.unlink(new)  # culprit


@declares(guarantees=_GUARANTEES)
def broken(directory: str) -> Store:
    """Open the store whose recovery removes every unfinished-looking file."""
    return _Broken(directory)


@declares(guarantees=_GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the store whose recovery finishes what was begun."""
    return _TwoSteps(directory)
