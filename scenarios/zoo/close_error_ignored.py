"""The error that close reports (quota, network filesystem) is ignored; what follows succeeds."""

import contextlib
import os

from scenarios.zoo._base import POWER_CUT, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="close_error_ignored",
    guarantee="clean-failure",
    profiles=POWER_CUT,
    held=(),
    kind="error swallowed",
    culprit="os.close(descriptor)",
    fix="Sync before closing, through the same descriptor, and let close's error pass.",
    issue="close(2): a failed write-back may be reported by close and by nothing after it",
    since=4,
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, content)
        finally:
            with contextlib.suppress(OSError):
                os.close(descriptor)  # culprit
        # A sync through another descriptor does not learn of errors that were reported before it.
        again = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(again)
        finally:
            os.close(again)
        os.rename(temporary, self.path(name))
        sync_directory(self.directory)


def broken(directory: str) -> Store:
    """Open the store that ignores what close says."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that does not."""
    return Store(directory)
