"""zict's File mapping, where dask.distributed spills what does not fit into memory.

Package: zict 3.0.0. What it claims, in its docstring: "If it already exists, existing files will be
imported as mapping elements", so it is judged on what it imports; "Note this shouldn't be used for
interprocess persistence, as keys are cached in memory", so ``durability`` is not claimed and it is
a single writer.

Write protocol (``File.__setitem__``, zict/file.py; confirmed by strace)::

    self.discard(key) -> os.remove(<key>#<n>)  unlink of the old value's file
    open(<key>#<n+1>, "wb")                    openat(O_WRONLY|O_CREAT|O_TRUNC)
    fh.write(value)                            write ...
    close

Expected
- ``atomicity`` violated on every profile: the old value is removed before the new one is there
  (``self.discard(key)``), and the new file bears its final name while it is being written, so that
  a dead writer leaves the key absent, empty, or cut.
- ``recovery`` held under ``kill`` and ``ordered``: whatever lies there opens, lists and reads, and
  the next write goes to a new name. Under ``posix`` a lost unlink leaves two files for one key;
  which one counts is the order of ``os.listdir`` (``self.filenames[...] = fn`` in ``__init__``),
  and the other comes back once that one is deleted. Whether a run shows it depends on that order,
  so no verdict is declared.
- ``listing`` held: the names it lists are the files it opens.
"""

from __future__ import annotations

from collections.abc import Iterable

from zict import File

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "zict==3.0.0"

EXPECTED: Expected = {
    "kill": {"atomicity": "violated", "recovery": "held", "listing": "held"},
    "ordered": {"atomicity": "violated", "recovery": "held", "listing": "held"},
    "posix": {"atomicity": "violated", "listing": "held"},
}
UNCLAIMED: Expected = {
    "kill": {"durability": "held"},
    "ordered": {"durability": "violated"},
    "posix": {"durability": "violated"},
}


class Store:
    """The mapping with its bytearrays turned into bytes."""

    def __init__(self, directory: str) -> None:
        self._files = File(directory)

    def write(self, key: str, value: bytes) -> None:
        self._files[key] = value

    def read(self, key: str) -> bytes:
        return bytes(self._files[key])

    def delete(self, key: str) -> None:
        del self._files[key]

    def list(self) -> Iterable[str]:
        return list(self._files)


@declares(
    guarantees=("atomicity", "recovery", "listing", "integrity", "clean-failure", "hygiene"),
    single_writer=True,
)
def open_store(directory: str) -> Store:
    """Open the mapping in a directory."""
    return Store(directory)
