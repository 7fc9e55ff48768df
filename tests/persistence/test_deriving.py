"""Traces cut into effects: what each call becomes, and which traces are refused."""

import json
from base64 import b64encode

import pytest

from harness.errors import UsageError
from harness.persistence import constrain, derive, profile
from harness.persistence.effects import Cut, Data, Name, Size, Tail
from harness.trace import load_lines


def effects_of(*records):
    lines = []
    for record in records:
        one = dict(record)
        if isinstance(one.get("data"), bytes):
            one["data"] = b64encode(one["data"]).decode()
        if one["op"] == "image":
            files = one.get("files", {})
            one["files"] = {path: b64encode(data).decode() for path, data in files.items()}
        lines.append(json.dumps(one))
    return derive(load_lines(lines, "t.jsonl"))


def parts(*records):
    return [effect.part for effect in effects_of(*records).effects]


def write(path, offset, data, **more):
    return {"op": "write", "path": path, "offset": offset, "data": data, **more}


def test_a_write_is_a_data_effect_a_page_and_a_size_where_it_grows():
    image = {"op": "image", "files": {"t": b"O" * 5000}}
    assert parts(image, write("t", 4000, b"N" * 5000)) == [
        "data 4000..4096",
        "data 4096..8192",
        "size 8192",
        "data 8192..9000",
        "size 9000",
    ]
    assert parts(image, write("t", 0, b"")) == []


def test_only_pages_without_a_block_are_fresh():
    effects = effects_of(
        {"op": "image", "files": {"t": b"O" * 100}},
        write("t", 50, b"N" * 5000),
        write("t", 4096, b"M"),
        {"op": "truncate", "path": "t", "size": 100},
        write("t", 4096, b"L"),
    ).effects
    pages = [(e.call, e.page, e.fresh) for e in effects if isinstance(e, Data)]
    assert pages == [(1, 0, False), (1, 1, True), (2, 1, False), (4, 1, True)]


def test_a_truncation_is_a_cut_or_a_size():
    image = {"op": "image", "files": {"t": b"O" * 5000}}
    down, up = ({"op": "truncate", "path": "t", "size": size} for size in (100, 9000))
    assert parts(image, down) == ["cut 100", "zeros from 100"]
    assert parts(image, {**down, "size": 4096}) == ["cut 4096"]
    assert parts(image, up) == ["size 9000"]
    assert parts(image, {**up, "size": 5000}) == []


def test_a_rename_sets_one_name_and_removes_the_other():
    image = {"op": "image", "files": {"a": b"A", "d/b": b"B"}}
    effects = effects_of(image, {"op": "rename", "src": "a", "dst": "d/b"})
    added, removed = effects.effects
    assert isinstance(added, Name)
    assert isinstance(removed, Name)
    assert (added.part, removed.part) == ("name d/b", "no name a")
    assert added.subject == removed.subject == added.ino
    assert effects.renames == {1: (added.ino, added.was)}


def test_two_names_of_one_file_renamed_onto_each_other_is_nothing():
    image = {"op": "image", "files": {"a": b"A"}}
    link, rename = ({"op": op, "src": "a", "dst": "b"} for op in ("link", "rename"))
    assert parts(image, link, rename) == ["name b"]


def test_records_without_inode_follow_the_names():
    effects = effects_of(
        {"op": "create", "path": "a"},
        {"op": "rename", "src": "a", "dst": "b"},
        write("b", 0, b"N"),
        {"op": "fsync", "path": "b"},
    )
    created, written = effects.effects[0], effects.effects[-1]
    assert isinstance(written, Size)
    assert written.ino == created.ino == effects.syncs[0].ino


def test_a_stale_path_means_the_inode_that_was_opened():
    effects = effects_of(
        {"op": "create", "path": "a", "ino": 7},
        {"op": "rename", "src": "a", "dst": "b"},
        {"op": "create", "path": "a", "ino": 8},
        write("a", 0, b"N", ino=7),
        {"op": "unlink", "path": "b"},
        write("a", 1, b"M", ino=7),
        {"op": "fsync", "path": "a", "ino": 7},
    )
    first, other = (effects.effects[k].ino for k in (0, 3))
    assert {e.ino for e in effects.effects if isinstance(e, Data)} == {first}
    assert effects.syncs[0].ino == first != other


def test_the_image_may_say_which_inode_a_file_is():
    effects = effects_of(
        {"op": "image", "files": {"a": b"A"}, "inos": {"a": 12}},
        {"op": "unlink", "path": "a"},
        write("a", 0, b"N", ino=12),
    )
    assert isinstance(effects.effects[-1], Data)


def test_a_call_that_failed_did_only_what_really_happened():
    image = {"op": "image", "files": {"t": b""}}
    assert parts(image, write("t", 0, b"NN", error="ENOSPC")) == ["data 0..2", "size 2"]
    for record in (
        {"op": "rename", "src": "missing", "dst": "t"},
        {"op": "create", "path": "no/where"},
        {"op": "truncate", "path": "t", "size": 10},
        {"op": "fsync", "path": "t"},
    ):
        effects = effects_of(image, {**record, "error": "EIO"})
        assert effects.effects == effects.syncs == []
        assert effects.calls == 1


def test_symbolic_links_are_followed():
    effects = effects_of(
        {"op": "image", "files": {"real/f": b"O"}},
        {"op": "symlink", "target": "real", "path": "link"},
        {"op": "symlink", "target": "../real/f", "path": "real/alias"},
        write("link/f", 0, b"N"),
        write("link/alias", 0, b"M"),
        {"op": "fsync", "path": "link/f"},
        {"op": "create", "path": "link/new"},
    )
    written = [e.ino for e in effects.effects if isinstance(e, Data)]
    assert written == [effects.syncs[0].ino] * 2
    assert effects.effects[-1].directory == effects.effects[1].directory


def test_the_other_filesystem_leaves_no_effect():
    records = [
        {"op": "create", "path": "/tmp/x", "ino": 9},
        write("/tmp/x", 0, b"N", ino=9),
        {"op": "mkdir", "path": "/tmp/d"},
        {"op": "rename", "src": "/tmp/x", "dst": "/tmp/y"},
        {"op": "fsync", "path": "/tmp", "dir": True},
    ]
    effects = effects_of(*records)
    assert effects.effects == effects.syncs == []
    assert effects.calls == len(records)


def test_marks_are_no_calls():
    effects = effects_of({"op": "mark", "event": "invoke"}, {"op": "sync"})
    assert effects.calls == 1
    assert effects.syncs[0].call == 1
    assert effects.records[0].i == 2


IMAGE = {"op": "image", "files": {"t": b"O", "d/f": b"F"}}


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"op": "unlink", "path": "x"}, "nothing is named 'x'"),
        ({"op": "unlink", "path": "d"}, "'d' is a directory"),
        ({"op": "rmdir", "path": "d"}, "'d' is not an empty directory"),
        ({"op": "rmdir", "path": "t"}, "'t' is not an empty directory"),
        ({"op": "rename", "src": "x", "dst": "t"}, "nothing is named 'x'"),
        ({"op": "rename", "src": "t", "dst": "d"}, "'d' is a directory"),
        ({"op": "rename", "src": "d", "dst": "t"}, "'t' is not an empty directory"),
        ({"op": "rename", "src": "d", "dst": "d/e"}, "'d/e' is inside 'd'"),
        ({"op": "rename", "src": ".", "dst": "e"}, "cannot be renamed"),
        ({"op": "create", "path": "t"}, "'t' is there already"),
        ({"op": "create", "path": ""}, "'' is there already"),
        ({"op": "create", "path": "no/x"}, "'no' in 'no/x' is not a directory"),
        ({"op": "create", "path": "t/x"}, "'t' in 't/x' is not a directory"),
        ({"op": "mkdir", "path": "d"}, "'d' is there already"),
        ({"op": "symlink", "target": "t", "path": "d"}, "'d' is there already"),
        ({"op": "link", "src": "t", "dst": "d/f"}, "'d/f' is there already"),
        ({"op": "link", "src": "d", "dst": "e"}, "'d' is a directory"),
        ({"op": "link", "src": "x", "dst": "e"}, "nothing is named 'x'"),
        (write("x", 0, b"N"), "nothing is named 'x'"),
        (write("d", 0, b"N"), "'d' is not a regular file"),
        (write("t", -1, b"N"), "-1 bytes is not a place"),
        (write("t", 1 << 40, b"N"), "reaches 1099511627777 bytes"),
        ({"op": "truncate", "path": "x", "size": 0}, "nothing is named 'x'"),
        ({"op": "truncate", "path": "t", "size": -5}, "-5 bytes is not a place"),
        ({"op": "truncate", "path": "t", "size": 1 << 50}, "reaches 1125899906842624 bytes"),
        ({"op": "fsync", "path": "x"}, "nothing is named 'x'"),
        ({"op": "fdatasync", "path": "x"}, "nothing is named 'x'"),
    ],
)
def test_a_record_that_cannot_follow_is_refused_in_one_line(record, says):
    with pytest.raises(UsageError) as error:
        effects_of(IMAGE, {"op": "sync"}, record)
    message = str(error.value)
    assert says in message
    assert message.startswith(f"trace record 2: {record['op']}: ")
    assert "\n" not in message


def test_links_in_a_circle_end():
    with pytest.raises(UsageError, match="leaves the directory"):
        effects_of(
            {"op": "symlink", "target": "b", "path": "a"},
            {"op": "symlink", "target": "a", "path": "b"},
            write("a", 0, b"N"),
        )
    with pytest.raises(UsageError, match="leaves the directory"):
        effects_of({"op": "symlink", "target": "/etc", "path": "a"}, write("a/x", 0, b"N"))


@pytest.mark.parametrize(
    "image", [{"files": {"../x": b""}}, {"files": {"a": b"", "a/b": b""}}, {"files": {"/a": b""}}]
)
def test_an_impossible_image_is_refused(image):
    with pytest.raises(UsageError, match="trace record 0: image: "):
        effects_of({"op": "image", **image})


def test_a_sync_of_what_has_no_name_any_more_brings_nothing_to_the_names():
    effects = effects_of(
        IMAGE,
        {"op": "mkdir", "path": "e", "ino": 50},
        {"op": "rmdir", "path": "e"},
        {"op": "fsync", "path": "e", "ino": 50, "dir": True},
        {"op": "fsync", "path": "gone", "dir": True},
    )
    assert len(effects.syncs) == 1


def test_a_directory_that_is_synced_does_not_bring_its_own_name():
    records = [
        {"op": "mkdir", "path": "store"},
        {"op": "create", "path": "store/f"},
        {"op": "fsync", "path": "store", "dir": True},
    ]
    for model, own in (("btrfs", False), ("posix", False), ("ext4", True), ("xfs", True)):
        nodes = constrain(effects_of(*records), profile(model)).nodes
        durable = [node.durable <= 6 for node in nodes]
        assert durable == [own, True], model


def test_a_cut_waits_for_data_only_where_sizes_do():
    records = [
        {"op": "create", "path": "t"},
        write("t", 0, b"N" * 4096),
        {"op": "truncate", "path": "t", "size": 100},
    ]
    for model, waits in (("ext4", False), ("posix", False), ("xfs", True), ("btrfs", True)):
        nodes = constrain(effects_of(*records), profile(model)).nodes
        data, cut = (
            next(n for n, node in enumerate(nodes) if isinstance(node.effects[0], kind))
            for kind in (Data, Cut)
        )
        assert (data in nodes[cut].needs) == waits, model
        assert any(isinstance(e, Tail) for node in nodes for e in node.effects)
