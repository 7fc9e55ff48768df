"""Stores that end the process they run in, on one workload of many."""

import ctypes

from scenarios.zoo._base import Store


class _Dying(Store):
    def write(self, key, value):
        if len(value) == 10_240:
            self.end()
        super().write(key, value)


class _Exits(_Dying):
    def end(self):
        ctypes.CDLL(None)._exit(7)  # os._exit would be seen: it ends a simulated process


class _Crashes(_Dying):
    def end(self):
        ctypes.string_at(0)


def exits(directory):
    """Open the store that leaves for good."""
    return _Exits(directory)


def crashes(directory):
    """Open the store that crashes the interpreter."""
    return _Crashes(directory)
