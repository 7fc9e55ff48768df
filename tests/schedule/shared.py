"""A store whose module keeps state, and locks of its own."""

import os
import threading

from tests.schedule.conftest import Plain

_lock = threading.Lock()
_written: dict[str, bytes] = {}
_count = 0


class Cached(Plain):
    """Reads what this process wrote from memory; numbers its writes."""

    def write(self, key, value):
        global _count  # noqa: PLW0603 - what is tested
        with _lock:
            _count += 1
            super().write(key, b"%d" % _count)
            _written[key] = value

    def read(self, key):
        return _written[key] if key in _written else super().read(key)


class UnknownKeyError(Exception):
    """No such key."""


def strict(directory):
    return Strict(directory)


class Strict(Plain):
    def read(self, key):
        if not os.path.exists(self._path(key)):
            raise UnknownKeyError(key)
        return super().read(key)


strict.not_found = (UnknownKeyError,)
