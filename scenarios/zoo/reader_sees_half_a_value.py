"""Writers lock, readers don't, and values are overwritten in place."""

from scenarios.adapters._declare import declares
from scenarios.zoo._base import CRASH, EVERY, Bug, Store, read_file, unseal
from scenarios.zoo._journal import Journal

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="reader_sees_half_a_value",
    guarantee="isolation",
    profiles=EVERY,
    held=(),
    kind="missing lock",
    culprit="return unseal(key, read_file(self.path(key)))",
    fix="Take the lock for reading too, or replace values by rename.",
    issue="ALICE and before: a half-written value is as visible as a whole one",
    since=5,
)


class _Broken(Journal):
    def read(self, key: str) -> bytes:
        return unseal(key, read_file(self.path(key)))  # culprit


# A half-applied value stays until the next operation, so nothing is promised about failing calls.
_GUARANTEES = (*CRASH, "integrity", "isolation")


@declares(guarantees=_GUARANTEES)
def broken(directory: str) -> Store:
    """Open the store whose readers do not wait for writers."""
    return _Broken(directory)


@declares(guarantees=_GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the store whose readers do."""
    return Journal(directory)
