"""Stores small enough to enumerate every schedule of."""

import os

import pytest

from harness.intercept import rerouted
from harness.ops import write
from harness.quiet import quiet
from harness.schedule import ConcurrentWorkload
from harness.subjects import Subject

TWO_WRITES = ConcurrentWorkload("two", ((write("a", b"1"),), (write("a", b"22"),)))


class Plain:
    """A file per key, written in place."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def _path(self, key):
        return os.path.join(self.directory, key)

    def write(self, key, value):
        descriptor = os.open(self._path(key), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(descriptor, value)
        os.close(descriptor)

    def read(self, key):
        with open(self._path(key), "rb", buffering=0) as file:
            return file.read()

    def delete(self, key):
        os.unlink(self._path(key))

    def list(self):
        return os.listdir(self.directory)


def subject_of(factory):
    """Make a subject of a class or function in a test."""
    return Subject(factory.__name__, factory)


@pytest.fixture(autouse=True)
def _quiet():
    with rerouted(), quiet():
        yield
