"""The litmus tests of the literature: small scripts, with what each profile allows beside them.

One file each under ``litmus/``: what it asks, the calls, and below the line every image without a
torn page, ``*`` before those that are possible when all calls have returned.
``HARNESS_UPDATE=1 pytest tests/persistence/test_litmus.py`` rewrites what is below the line; read
the difference before committing it. What the literature or the measurements settle is asserted in
the second half of this file, which nothing rewrites.
"""

import os
from functools import cache
from pathlib import Path

import pytest

from harness.explore import Explorer
from harness.persistence import PROFILES, constrain, derive, profile
from harness.trace import (
    Close,
    Create,
    Fsync,
    Image,
    Link,
    Mkdir,
    Rename,
    Truncate,
    Unlink,
    Write,
)

from .ground import Tree

HERE = Path(__file__).with_name("litmus")
NAMES = sorted(path.stem for path in HERE.glob("*.txt"))
SETS_MAX = 20_000
LISTED_MAX = 40
LINE = "----\n"


def content(text):
    letter, count = text.split("*")
    return letter.encode() * int(count)


def parse(text):
    """Read a script: one call a line, files named as they were when they came to be."""
    labels = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        verb, *args = line.split()
        match verb, args:
            case "image", _:
                entries = dict(entry.split("=") for entry in args if "=" in entry)
                files = {path: content(text) for path, text in entries.items()}
                dirs = [entry.rstrip("/") for entry in args if entry.endswith("/")]
                yield Image(files=files, dirs=dirs)
            case (("create" | "tmpfile"), [path]):
                labels[path] = 100 + len(labels)
                yield Create(path=path, ino=labels[path], unnamed=verb == "tmpfile")
            case "write", [path, offset, text]:
                data = content(text)
                yield Write(path=path, ino=labels.get(path), offset=int(offset), data=data)
            case "truncate", [path, size]:
                yield Truncate(path=path, ino=labels.get(path), size=int(size))
            case "fsync", [path]:
                yield Fsync(path=path, ino=labels.get(path))
            case "close", [path]:
                yield Close(path=path, ino=labels.get(path), wrote=True)
            case "rename", [src, dst]:
                yield Rename(src=src, dst=dst)
            case "link", [src, dst]:
                yield Link(src=src, dst=dst)
            case "linkfile", [path, dst]:
                yield Link(src="", dst=dst, ino=labels[path])
            case "unlink", [path]:
                yield Unlink(path=path)
            case "mkdir", [path]:
                yield Mkdir(path=path)
            case _:
                raise AssertionError(f"not a call: {line}")


@cache
def script(name):
    return (HERE / f"{name}.txt").read_text("utf-8").partition(LINE)[0]


def explorer_of(name, model, budget=2 * SETS_MAX):
    records = list(parse(script(name)))
    for i, record in enumerate(records, int(not isinstance(records[0], Image))):
        record.i = i
    return Explorer(constrain(derive(records), profile(model)), budget=budget)


@cache
def outcomes(name, model):
    """Every image, with whether it needs a torn page and whether it is possible at the end."""
    explorer = explorer_of(name, model)
    found = {}
    for state in explorer.states():
        image = explorer.image(state)
        tree = Tree.of(image.files(), image.dirs())
        torn, end = found.get(tree, (True, False))
        found[tree] = (
            torn and state.torn is not None,
            end or state.possible_after(explorer.constraints.effects.calls),
        )
    assert explorer.exhaustive
    return found


def whole(name, model):
    return {tree for tree, (torn, _) in outcomes(name, model).items() if not torn}


def at_the_end(name, model):
    return {tree for tree, (_, end) in outcomes(name, model).items() if end}


def answer(name):
    groups = {}
    for model in PROFILES:
        count = explorer_of(name, model).count()
        if count is None or count > SETS_MAX:
            shown = [f"  too many to list: {count} sets of effects"]
        else:
            found = outcomes(name, model)
            kept = [(str(tree), end) for tree, (torn, end) in found.items() if not torn]
            torn = len(found) - len(kept)
            shown = [f"  {len(kept)} images" + (f", {torn} with a torn page" if torn else "")]
            if len(kept) <= LISTED_MAX:
                shown += [f"  {'*' if end else ' '} {tree}" for tree, end in sorted(kept)]
            else:
                shown += [f"  * {tree}" for tree, end in sorted(kept) if end][:LISTED_MAX]
        groups.setdefault("\n".join(shown), []).append(model)
    return "".join(f"{', '.join(models)}:\n{shown}\n" for shown, models in groups.items())


@pytest.mark.parametrize("name", NAMES)
def test_litmus(name):
    path = HERE / f"{name}.txt"
    text = script(name) + LINE + answer(name)
    if os.environ.get("HARNESS_UPDATE"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


# -- settled elsewhere ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "in_order"),
    [
        # 3, and a kill may also stop the second append where a page ends.
        ("chrome-appends", 3 + 1),
        ("create-rename", 4),
        ("create-rename-synced", 4),
        ("replace", 4),
        ("replace-synced", 4),
        ("two-appends", 5),
        ("two-appends-synced", 5),
    ],
)
def test_a_disk_in_order_has_the_outcomes_ferrite_counts(name, in_order):
    # Ferrite (ASPLOS'16), rosette/litmus/*.rkt, test-seqfs: whole calls in order, as after a kill.
    assert len(whole(name, "kill")) == in_order


@pytest.mark.parametrize(("name", "count"), [("create-rename", 5), ("create-rename-synced", 4)])
def test_ext4_of_its_day_has_the_outcomes_ferrite_counts(name, count):
    # rosette/litmus/create-rename.rkt, test-ext4: before dioread_nolock was the default.
    assert len(whole(name, "ext4-dioread-lock")) == count


def test_ext4_has_no_prefix_property_as_ferrite_finds():
    # rosette/litmus/append-chrome.rkt: a counterexample on ext4, none in order.
    for model, holds in (("kill", True), ("ordered", True), ("ext4-dioread-lock", False)):
        value = b"A" * 2509 + b"B" * 13 + b"C" * 2500
        logs = [dict(tree.files)["log"] for tree in whole("chrome-appends", model)]
        assert all(value.startswith(log) for log in logs) == holds


def files(trees):
    return [dict(tree.files) for tree in trees]


def test_a_replace_without_fsync():
    end = {model: {f["t"] for f in files(whole("replace", model))} for model in PROFILES}
    assert end["kill"] == end["ordered"] == end["ext4-dioread-lock"] == {b"O", b"NN"}
    assert end["ext4"] == {b"O", b"NN", b"\0\0"}
    assert end["xfs"] == end["btrfs"] == {b"O", b"NN", b""}
    assert end["posix"] == {b"O", b"NN", b"\0\0", b""}


@pytest.mark.parametrize("model", PROFILES)
def test_a_replace_with_both_syncs_is_new_at_the_end(model):
    assert files(at_the_end("replace-synced-directory", model)) == [{"t": b"NN"}]
    for tree in files(outcomes("replace-synced-directory", model)):
        assert tree["t"] in {b"O", b"NN"}


@pytest.mark.parametrize("model", PROFILES)
def test_a_large_replacement_is_old_or_new(model):
    explorer = explorer_of("large-file", model, budget=300)
    for state in explorer.states():
        assert explorer.image(state).files()["t"] in {b"OOO", b"N" * 69632}


@pytest.mark.parametrize("model", PROFILES)
def test_a_rename_never_loses_both_names(model):
    for tree in files(outcomes("rename-over", model)):
        assert tree in ({"a": b"AAA", "b": b"BBB"}, {"b": b"AAA"})
    for name in ("cross-directory-rename", "cross-directory-rename-source"):
        for tree in files(outcomes(name, model)):
            assert b"OOO" in tree.values()
    for tree in files(outcomes("hard-link", model)):
        assert tree or model in {"btrfs", "posix"}


def test_a_directory_is_a_name_in_its_parent():
    # Nobody synced the root: the whole store may be missing where an fsync brings only its own.
    lost = {m for m in PROFILES if any(not t.dirs for t in at_the_end("new-directory-synced", m))}
    assert lost == {"btrfs", "posix"}


def test_what_went_ahead_does_not_take_later_names_along():
    for tree in files(outcomes("synced-ahead", "btrfs")):
        assert "C" not in tree or "A" in tree
    assert {"B": b""} in files(outcomes("synced-ahead", "btrfs"))


def test_bytes_cut_off_are_seen_again_only_where_the_tail_is_data():
    for model in PROFILES:
        seen = any(
            tree["t"][100:500].strip(b"\0") and len(tree["t"]) == 500
            for tree in files(whole("truncate-down-and-up", model))
        )
        assert seen == (model in {"xfs", "posix"})


@pytest.mark.parametrize("model", PROFILES)
def test_a_tmpfile_that_was_synced_is_linked_whole(model):
    for tree in files(outcomes("tmpfile-link", model)):
        assert tree.get("a", b"NN") == b"NN"


def test_what_a_rename_or_a_close_waits_for_is_all_of_the_file():
    values = {f["t"] for f in files(whole("replace-patched", "ext4-dioread-lock"))}
    assert values == {b"O", b"MM"}
    assert b"NN" in {f["t"] for f in files(whole("replace-patched", "xfs"))}
    for model, after in (("ext4-dioread-lock", {b"MM"}), ("ext4", {b"MM", b"NN", b"\0\0"})):
        trees = files(whole("rewrite-patched", model))
        assert {tree["t"] for tree in trees if "done" in tree} == after
    assert b"" in {tree["t"] for tree in files(whole("rewrite-patched", "xfs")) if "done" in tree}
