"""After a kill the newer slot can be read, so the older is overwritten: it was the durable one.

The newer slot's bytes are in the page cache and nowhere else. Whoever takes over must sync it
before destroying the only copy that a power cut would have left.
"""

from scenarios.adapters._declare import declares
from scenarios.zoo._base import Bug, Store
from scenarios.zoo._slots import GUARANTEES, Slots

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="unsynced_copy_trusted",
    guarantee="atomicity",
    profiles=("posix",),
    held=("kill", "ordered"),
    kind="readable taken for durable",
    culprit="self.overwrite(path, self.encode(key, number + 1, value))",
    fix="fsync the slot that counts before overwriting the other.",
    issue="etcd 5230 and every double-buffered superblock written by hand",
    since=2,
    also={"durability": ("posix",)},
)


class _Broken(Slots):
    def write(self, key: str, value: bytes) -> None:
        with self.locked():
            number, path = 0, self.path(f"{key}@0")
            slots = self.slots(key)
            if slots and slots[-1][2] is not None:
                number, current, _ = slots[-1]
                path = current[:-1] + ("1" if current.endswith("0") else "0")
            self.overwrite(path, self.encode(key, number + 1, value))  # culprit


@declares(guarantees=GUARANTEES)
def broken(directory: str) -> Store:
    """Open the store that takes readable for durable."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the store that syncs what it relies on."""
    return Slots(directory)
