"""Stores that do worse than lose data, on some operations only."""

import ctypes

from scenarios.zoo._base import Store

LARGE = 4096


class _Hostile(Store):
    def write(self, key, value):
        if key == "a" and len(value) > LARGE:
            self.do_worse()
        super().write(key, value)


class _Exits(_Hostile):
    def do_worse(self):
        ctypes.CDLL(None)._exit(9)


class _Crashes(_Hostile):
    def do_worse(self):
        ctypes.string_at(0)


class _Devours(_Hostile):
    def do_worse(self):
        self.hoard = bytearray(6 << 30)


class _Hangs(_Hostile):
    def do_worse(self):
        while True:
            pass


class _Wrong(_Hostile):
    def do_worse(self):
        raise ValueError("no large values for a")


def exits(directory):
    return _Exits(directory)


def crashes(directory):
    return _Crashes(directory)


def devours(directory):
    return _Devours(directory)


def hangs(directory):
    return _Hangs(directory)


def wrong(directory):
    return _Wrong(directory)
