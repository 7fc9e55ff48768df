"""A log whose records carry their lengths and nothing else: a durable length over lost bytes."""

from scenarios.adapters._declare import declares
from scenarios.zoo._base import CRASH, UNSYNCED_DATA, Bug, Store
from scenarios.zoo._log import GUARANTEES, HEADER, TOMBSTONE, VALUE, Log

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="log_without_checksum",
    guarantee="atomicity",
    profiles=UNSYNCED_DATA,
    held=("kill", "ordered"),
    kind="missing checksum",
    culprit="return kind in (VALUE, TOMBSTONE) and len(body) == name_size + size",
    fix="Put a checksum over the whole record into its header and check it when reading.",
    issue="prometheus 7530, etcd 2819: zeroed or torn page inside the log",
    since=2,
    also={"durability": UNSYNCED_DATA, "listing": UNSYNCED_DATA},
)


class _Broken(Log):
    def intact(self, record: bytes, kind: int, name_size: int, size: int) -> bool:
        body = record[HEADER.size :]
        return kind in (VALUE, TOMBSTONE) and len(body) == name_size + size  # culprit


@declares(guarantees=(*CRASH, "isolation", "hygiene"))
def broken(directory: str) -> Store:
    """Open the log that believes any record of the right length."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the log that checks its records."""
    return Log(directory)
