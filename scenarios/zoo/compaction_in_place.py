"""Recovery compacts the log by emptying and rewriting it: a crash during recovery loses all."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import EVERY, Bug, Store, write_all
from scenarios.zoo._log import GUARANTEES, VALUE, Log

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="compaction_in_place",
    guarantee="recovery",
    profiles=EVERY,
    held=(),
    kind="recovery not repeatable",
    culprit="os.ftruncate(descriptor, 0)",
    fix="Compact into a temporary file, sync it, and rename it over the log.",
    issue="etcd 10219: a crash while the state just recovered is being saved again",
    since=2,
    also={"durability": EVERY, "atomicity": EVERY},
)


class _Compacting(Log):
    """Rewrites the log on opening, once it holds more than the state needs."""

    def recover(self) -> None:
        with self.locked():
            state = self.state()
            compact = b"".join(self.encode(VALUE, key, state[key]) for key in sorted(state))
            if len(self.content()) > len(compact):
                self.rewrite(compact)

    def rewrite(self, compact: bytes) -> None:
        self.save(".log", compact)


class _Broken(_Compacting):
    def rewrite(self, compact: bytes) -> None:
        descriptor = os.open(self.path(".log"), os.O_WRONLY)
        try:
            os.ftruncate(descriptor, 0)  # culprit
            write_all(descriptor, compact)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@declares(guarantees=GUARANTEES)
def broken(directory: str) -> Store:
    """Open the log that compacts itself in place."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the log that compacts itself into a new file."""
    return _Compacting(directory)
