"""A reading is remembered for one disk, and not taken for that of another."""

import os

from harness.history import record
from harness.image import Image, from_tree
from harness.intercept import rerouted
from harness.ops import Workload, write
from harness.power_cuts import Readings
from harness.quiet import quiet
from harness.subjects import MISSING, load


class Swung:
    """A symbolic link of the key's name points to the file that counts."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def path(self, key):
        return os.path.join(self.directory, key)

    def write(self, key, value):
        with open(self.path("of-" + key), "wb") as file:
            file.write(value)
        os.symlink("of-" + key, self.path(key))

    def read(self, key):
        with open(self.path(key), "rb") as file:
            return file.read()

    def delete(self, key):
        os.unlink(self.path(key))

    def list(self):
        return [name for name in os.listdir(self.directory) if "-" not in name]


def swung(directory):
    return Swung(directory)


def linked(image, target):
    """The same disk with a link `a` in the store."""
    store = image.directories[1]["store"]
    directories = {ino: dict(names) for ino, names in image.directories.items()}
    directories[store]["a"] = 90
    return Image(directories, image.contents, {90: target})


def test_disks_that_differ_in_a_symbolic_link_are_read_each():
    with rerouted(), quiet():
        subject = load("tests/faults/test_readings.py:swung")
        readings = Readings(record(subject, Workload("one", (write("a", b"1"),))))
        bare = from_tree({"store/of-a": b"1", "store/of-b": b"2"})
        read = [
            readings.of_disk(disk).values["a"]
            for disk in (bare, linked(bare, "of-a"), linked(bare, "of-b"), bare)
        ]
    assert read == [MISSING, b"1", b"2", MISSING]
    assert readings.executed == 3


def test_what_an_image_holds_does_not_depend_on_numbers_but_on_links():
    one = Image({1: {"a": 2, "b": 2}}, {2: b"x"}, link_counts={2: 2})
    same = Image({1: {"b": 7, "a": 7}}, {7: b"x"}, link_counts={7: 2})
    other = Image({1: {"a": 2, "b": 3}}, {2: b"x", 3: b"x"})
    assert one.held() == same.held()
    assert one.files() == other.files()
    assert one.held() != other.held()
