"""Recovery on a full disk drops the journal to make room, and then repairs from memory.

It takes a crash while a value is overwritten, a disk without room when that is to be repaired, and
a second crash before the repair is durable. Any two of them do no harm.
"""

import errno
import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import EVERY, Bug, Store, sync_directory
from scenarios.zoo._journal import GUARANTEES, Journal

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="journal_dropped_for_room",
    guarantee="recovery",
    profiles=EVERY,
    held=(),
    kind="recovery destroys data",
    culprit='os.unlink(self.path(".journal"))',
    fix="Keep the journal until the repair is durable; refuse to open while there is no room.",
    issue="kubernetes 55641 and 94305 at once: clean-up on start, on a full /var/lib/kubelet",
    since=7,
)


class _Broken(Journal):
    def apply(self, name: str, content: bytes) -> None:
        try:
            super().apply(name, content)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # "All that is in it is in memory, and it takes the room that the value needs."
            os.unlink(self.path(".journal"))  # culprit
            super().apply(name, content)
            # Whoever called this removes the journal when it has returned.
            self.save_journal()

    def save_journal(self) -> None:
        """Leave a journal to remove, an empty one: nothing is to be applied any more."""
        descriptor = os.open(self.path(".journal"), os.O_WRONLY | os.O_CREAT, 0o600)
        os.close(descriptor)
        sync_directory(self.directory)


@declares(guarantees=GUARANTEES)
def broken(directory: str) -> Store:
    """Open the store that makes room where it must not."""
    return _Broken(directory)


@declares(guarantees=GUARANTEES)
def fixed(directory: str) -> Store:
    """Open the store that keeps its journal, and says that the disk is full."""
    return Journal(directory)
