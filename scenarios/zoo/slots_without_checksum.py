"""Two slots in turn, the newer believed if its length is right: a durable length proves nothing."""

from scenarios.adapters._declare import declares
from scenarios.zoo._base import CRASH, UNSYNCED_DATA, Bug, Store
from scenarios.zoo._slots import GUARANTEES, HEADER, Slots

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="slots_without_checksum",
    guarantee="atomicity",
    profiles=UNSYNCED_DATA,
    held=("kill", "ordered"),
    kind="missing checksum",
    culprit="return (number, value) if number and len(value) == length else None",
    fix="Checksum the slot, so that one whose bytes were lost is told from a whole one.",
    issue="NodeDB 78: a file of the right length, full of zeros",
    since=2,
)


class _Broken(Slots):
    def decode(self, key: str, content: bytes) -> tuple[int, bytes] | None:
        del key
        if len(content) < HEADER.size:
            return None
        number, _, length = HEADER.unpack_from(content)
        value = content[HEADER.size :]
        return (number, value) if number and len(value) == length else None  # culprit


@declares(guarantees=CRASH)
def broken(directory: str) -> Store:
    """Open the store that believes any slot of the right length."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the store that checks its slots."""
    return Slots(directory)
