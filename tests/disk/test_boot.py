"""Booting asks the image for as little as a recovery needs, and for nothing twice."""

import os
from collections import Counter

import pytest

from harness.disk import Machine
from harness.image import Image, from_tree


class Noting:
    """Stand between a machine and its image; keep the questions."""

    def __init__(self, image: Image):
        self.image = image
        self.questions = []

    def __getattr__(self, name):
        answer = getattr(self.image, name)

        def ask(*args):
            self.questions.append((name, *args))
            return answer(*args)

        return ask


@pytest.fixture
def boot():
    return Noting(from_tree({"store/a": b"aaaa", "store/b": b"bb", "other/c": b"c"}))


def names(boot):
    return [question[0] for question in boot.questions]


def test_booting_asks_nothing(boot):
    Machine(boot).process()
    assert boot.questions == []


def test_a_look_up_asks_one_name_and_stat_asks_no_content(boot):
    process = Machine(boot).process()
    process.stat("/simulated/store/a")
    assert sorted(names(boot)) == ["kind", "kind", "links", "lookup", "lookup", "mode", "size"]
    assert boot.questions[0] == ("lookup", 1, "store")
    process.open("store/b", os.O_RDONLY)
    assert "content" not in names(boot)
    assert "entries" not in names(boot)


def test_a_missing_name_asks_once(boot):
    process = Machine(boot).process()
    for _ in range(3):
        assert not process.access("store/zz", os.F_OK)
    assert names(boot).count("lookup") == 2  # "store", and "zz" once


def test_listing_asks_for_names_alone(boot):
    process = Machine(boot).process()
    assert process.listdir("store") == ["a", "b"]
    assert names(boot) == ["lookup", "kind", "entries"]
    process.stat("store/a")
    assert process.listdir("store") == ["a", "b"]
    assert Counter(names(boot))["entries"] == 1
    assert Counter(names(boot))["lookup"] == 1  # the listing answered for "a"


def test_truncating_asks_no_content(boot):
    process = Machine(boot).process()
    process.close(process.open("store/a", os.O_WRONLY | os.O_TRUNC))
    assert "content" not in names(boot)


def test_nothing_is_asked_twice(boot):
    process = Machine(boot).process()
    for _ in range(2):
        for directory in ("store", "other"):
            for name in process.listdir(directory):
                fd = process.open(f"{directory}/{name}", os.O_RDWR)
                process.fstat(fd)
                process.read(fd, 100)
                process.pwrite(fd, b"!", 1)
                process.close(fd)
        process.close(process.open("store/new", os.O_CREAT | os.O_WRONLY))
        process.rename("store/b", "store/bb")
        process.rename("store/bb", "store/b")
    assert [question for question, count in Counter(boot.questions).items() if count > 1] == []


def test_a_removed_name_stays_removed_and_a_listing_shows_it(boot):
    process = Machine(boot).process()
    process.unlink("store/a")
    assert not process.access("store/a", os.F_OK)
    assert process.listdir("store") == ["b"]
    process.mkdir("store/a")
    assert process.listdir("store") == ["a", "b"]
    assert process.machine.image().files() == {"store/b": b"bb", "other/c": b"c"}


def test_two_boots_number_new_inodes_alike_whatever_the_image_numbers():
    low = from_tree({"a": b""})
    high = from_tree({"a": b"", "b": b"", "c": b""})

    def made(image):
        process = Machine(image).process()
        return process.fstat(process.open("new", os.O_CREAT | os.O_RDWR)).st_ino

    assert made(low) == made(high)


def test_hard_links_that_an_image_does_not_count_lose_no_content():
    image = Image({1: {"a": 2, "b": 2}}, {2: b"both"})
    process = Machine(image).process()
    fd = process.open("a", os.O_RDWR)
    process.write(fd, b"BOTH")
    process.close(fd)
    process.unlink("a")
    assert process.read(process.open("b", os.O_RDONLY), 9) == b"BOTH"
