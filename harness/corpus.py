"""A corpus: reproductions kept in the user's repository until what they show is mended.

``harness check --corpus DIR`` puts one file a finding there; plain ``pytest`` runs them first, each
a test of its own. A file that is there stays as it is: it is the user's, under version control.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.errors import UsageError
from harness.report import write_atomically

__all__ = ["SUFFIX", "entries", "keep"]

SUFFIX: Final = ".repro.json"


def keep(directory: Path, repros: Mapping[str, bytes]) -> list[Path]:
    """Put reproductions into a corpus.

    Args:
        directory: The corpus; made if absent.
        repros: The files' content, by the finding's id.

    Returns:
        The files that were not there yet.

    Raises:
        UsageError: They cannot be written.
    """
    if not repros:
        return []
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"corpus {str(directory)!r} cannot be made: {error.strerror}; give another directory"
        ) from None
    new = []
    for name, data in sorted(repros.items()):
        path = directory / f"{name}{SUFFIX}"
        if not path.exists():
            write_atomically(path, data + b"\n")
            new.append(path)
    return new


def entries(directory: Path) -> list[Path]:
    """List the reproductions of a corpus; anything else in it is somebody else's."""
    return sorted(directory.glob(f"*{SUFFIX}"))
