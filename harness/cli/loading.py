"""Finding the subject from the command line: somebody else's module, imported with care."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.subjects import Subject

__all__ = ["find_subject"]


def find_subject(name: str, beside: Path | None = None) -> Subject:
    """Find a subject, as `harness.subjects.load` does.

    Args:
        name: ``module:attribute`` or ``path/to/file.py:attribute``.
        beside: Another directory to look for modules in: the configuration's.

    Raises:
        UsageError: There is none, or importing it ended the program.
    """
    from harness.subjects import load  # noqa: PLC0415 - slow to import

    if beside is not None and str(beside) not in sys.path:
        sys.path.insert(0, str(beside))
    try:
        return load(name)
    except SystemExit as stop:
        raise UsageError(
            f"subject {name!r}: importing it called sys.exit({stop.code!r}); "
            'guard that with if __name__ == "__main__"'
        ) from stop
