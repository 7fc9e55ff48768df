"""Where reports go."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["report_directories"]


def report_directories(directory: Path | None, subjects: list[str]) -> list[Path | None]:
    """Give each subject its report directory: the one asked for, or one below it for each.

    Args:
        directory: What ``--report`` says; None for no report.
        subjects: The subjects of the run.
    """
    if directory is None or len(subjects) == 1:
        return [directory] * len(subjects)
    found: list[Path | None] = []
    for subject in subjects:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", subject).strip("-.") or "store"
        place, number = directory / name, 2
        while place in found:
            place, number = directory / f"{name}-{number}", number + 1
        found.append(place)
    return found
