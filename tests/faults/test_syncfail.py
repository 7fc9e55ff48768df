"""What a failed sync leaves on disk, by who reports it and what the filesystem does about it."""

from harness.image import from_tree
from harness.syncfail import dropped
from harness.trace import Close, Create, Fsync, Truncate, Write

BASE = from_tree({"f": b"old content"})
(INO,) = BASE.contents

SHRUNK = [
    Truncate(path="f", size=0, ino=INO),
    Write(path="f", offset=0, data=b"new", ino=INO),
    Fsync(path="f", ino=INO, error="EIO"),
]


def test_on_ext4_the_size_is_there_and_the_bytes_are_not():
    made = [Create(path="g", ino=9), Write(path="g", offset=0, data=b"new", ino=9)]
    left = dropped([*made, Fsync(path="g", ino=9, error="EIO")], BASE)
    assert (type(left[1]), left[1].size) == (Truncate, 3)


def test_on_btrfs_the_truncation_goes_back_with_the_bytes():
    left = dropped(SHRUNK, BASE, reverts=True)
    assert [one.error for one in left] == ["EIO", "EIO", "EIO"]
    assert left[1].data == b""


def test_a_close_takes_back_only_what_its_own_file_wrote():
    wrote = [Write(path="f", offset=0, data=b"new", ino=INO)]
    assert dropped([*wrote, Close(path="f", ino=INO, error="EIO")], BASE)[:1] == wrote
    last = Close(path="f", ino=INO, wrote=True, error="EIO")
    assert dropped([*wrote, last], BASE)[0].data == b""
