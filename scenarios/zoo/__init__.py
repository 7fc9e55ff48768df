"""The zoo: stores with one realistic bug each, and the same store without it.

Each file is one bug: ``BUG`` declares what must be found and where, ``broken(directory)`` opens the
store that has it, ``fixed(directory)`` its twin. Both behave the same as long as nothing fails.
What is not the bug lives in the files that begin with an underscore.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from scenarios.zoo._base import Bug

__all__ = ["all_bugs", "names"]


def names() -> list[str]:
    """Module names of all bugs, sorted."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if not name.startswith("_"))


def all_bugs(since: int | None = None) -> list[Bug]:
    """The declarations of all bugs, sorted by name.

    Args:
        since: Only those that an engine of this generation or an earlier one can judge.
    """
    bugs: list[Bug] = [import_module(f"{__name__}.{name}").BUG for name in names()]
    return [bug for bug in bugs if since is None or bug.since <= since]
