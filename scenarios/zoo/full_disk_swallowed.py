"""A failed save is logged and forgotten: the caller is told that all is well."""

import logging
import os

from scenarios.zoo._base import EVERY, Bug, Store, sync_directory, write_all

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="full_disk_swallowed",
    guarantee="clean-failure",
    profiles=EVERY,
    held=(),
    kind="error swallowed",
    culprit="write_all(descriptor, content)",
    fix="Let the OSError reach the caller.",
    issue="kubernetes 94305: /var/lib/kubelet full, failed stores only logged",
    since=4,
)


class _Broken(Store):
    def save(self, name: str, content: bytes) -> None:
        temporary = self.path(".tmp")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                write_all(descriptor, content)  # culprit
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, self.path(name))
            sync_directory(self.directory)
        except OSError as error:
            logging.getLogger(__name__).debug("could not save %s: %s", name, error)


def broken(directory: str) -> Store:
    """Open the store that never fails, or says so."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that lets its caller know."""
    return Store(directory)
