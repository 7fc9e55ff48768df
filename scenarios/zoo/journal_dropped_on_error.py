"""Recovery cannot read the journal, takes it for garbage, and removes it."""

import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import EVERY, Bug, Store, read_file
from scenarios.zoo._journal import GUARANTEES, Journal

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="journal_dropped_on_error",
    guarantee="recovery",
    profiles=EVERY,
    held=(),
    kind="error taken for damage",
    culprit='read_file(self.path(".journal"))',
    fix="Let the error out: what cannot be read now may be read at the next opening.",
    issue="dockershim: a checkpoint that cannot be read is deleted (kubernetes 43030, 62937)",
    since=4,
)


class _Broken(Journal):
    def repair(self) -> None:
        try:
            read_file(self.path(".journal"))  # culprit
        except FileNotFoundError:
            return
        except OSError:
            os.unlink(self.path(".journal"))
            return
        super().repair()


@declares(guarantees=GUARANTEES)
def broken(directory: str) -> Store:
    """Open the store that throws its journal away when it cannot be read."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the store that does not open then."""
    return Journal(directory)
