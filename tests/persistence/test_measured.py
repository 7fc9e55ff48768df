"""The models against the world: what real filesystems were seen to hold after a power cut."""

import os
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from .ground import FILESYSTEMS, PROGRAMS, allowed, possible, summary

SNAPSHOT = Path(__file__).with_name("unobserved.txt")
PAIRS = [(program, filesystem) for program in PROGRAMS for filesystem in FILESYSTEMS]


def ids(value):
    return value if isinstance(value, str) else None


@pytest.mark.parametrize("model", ["own", "posix"])
@pytest.mark.parametrize(("program", "filesystem"), PAIRS, ids=ids)
def test_every_outcome_seen_is_allowed_whenever_it_was_seen(program, filesystem, model):
    trees = allowed(program, filesystem if model == "own" else model)
    wrong = []
    for outcome in PROGRAMS[program].observed[filesystem]:
        spans = trees.get(outcome.tree, frozenset())
        # In the middle of call n + 1, n had returned.
        missing = [
            n for n in range(outcome.first, outcome.last + 1) if not spans & {2 * n, 2 * n + 1}
        ]
        if missing:
            wrong.append(f"{outcome.tree} after {missing}")
    assert wrong == []


def test_the_ground_is_whole():
    assert len(PROGRAMS) == 17
    assert sum(len(seen) for p in PROGRAMS.values() for seen in p.observed.values()) > 500


# -- what must never be allowed ---------------------------------------------------------------


def trees(program, model):
    return [dict(tree.files) for tree in allowed(program, model)]


@pytest.mark.parametrize(("program", "model"), [*PAIRS, *((p, "posix") for p in PROGRAMS)], ids=ids)
def test_no_byte_appears_that_was_never_written(program, model):
    for tree in trees(program, model):
        for data in tree.values():
            assert not data.strip(b"NO\0")


@pytest.mark.parametrize("program", PROGRAMS)
def test_btrfs_tears_no_page(program):
    for tree in trees(program, "btrfs"):
        for path, data in tree.items():
            for at in range(0, len(data), 4096):
                page = data[at : at + 4096]
                if program == "L5" and at == 8192:  # O and N share it: old, new, or size alone
                    rest = page.removeprefix(b"O" * 2048)
                    assert rest in {b"", b"N" * 2048, bytes(2048)}
                else:
                    assert len(set(page)) == 1, path


@pytest.mark.parametrize("model", [*FILESYSTEMS, "posix"])
def test_a_rename_inside_a_directory_shows_one_of_its_names(model):
    for program in ("L1", "L2", "L3", "L14"):
        for tree in trees(program, model):
            assert "t" in tree
            # Before the rename both files are there as what they are, after it one is.
            assert ("tmp" in tree) <= (tree["t"] == b"O" * 8192)
            assert b"O" not in tree["t"] or tree["t"] == b"O" * 8192
    for tree in trees("L8", model):
        assert ("B" in tree) != ("C" in tree)
    for tree in trees("L16", model):
        assert not {"A", "B"} <= tree.keys()


@pytest.mark.parametrize("model", [*FILESYSTEMS, "posix"])
def test_a_rename_between_directories_never_shows_neither_name(model):
    for tree in trees("L13", model):
        assert tree
        assert len(tree) == 1 or model in {"btrfs", "posix"}
        assert set(tree.values()) == {b"O" * 8192}


@pytest.mark.parametrize("model", ["ext4", "ext4-dioread-lock", "xfs"])
def test_a_journal_keeps_names_in_order(model):
    for program, first, second in (("L6", "A", "B"), ("L6b", "x/A", "y/B"), ("L11", "A", "B")):
        for tree in trees(program, model):
            assert first in tree or second not in tree
    for tree in trees("L8", model):
        assert "A" in tree or "C" not in tree


def test_btrfs_keeps_names_in_order_without_an_fsync():
    for program, first, second in (("L6", "A", "B"), ("L6b", "x/A", "y/B")):
        for tree in trees(program, "btrfs"):
            assert first in tree or second not in tree


def test_an_fsync_of_btrfs_is_committed_as_a_whole():
    # B without A means that the log tree is on disk, and with it all of B.
    for tree in trees("L11", "btrfs"):
        if "B" in tree and "A" not in tree:
            assert tree["B"] == b"N" * 10240
    # Both names are in the directory that was synced.
    for tree in trees("L8", "btrfs"):
        assert "A" in tree or "C" not in tree


@pytest.mark.parametrize("program", ["L1", "L14"])
def test_a_replace_on_ext4_has_its_full_size(program):
    for tree in trees(program, "ext4"):
        if "tmp" not in tree and tree["t"][:1] != b"O":
            assert len(tree["t"]) == 10240


@pytest.mark.parametrize("program", ["L1", "L14"])
def test_a_replace_on_ext4_with_dioread_lock_is_old_or_new(program):
    for tree in trees(program, "ext4-dioread-lock"):
        assert tree["t"] in {b"O" * 8192, b"N" * 10240}


@pytest.mark.parametrize("model", ["ext4-dioread-lock", "xfs", "btrfs"])
def test_a_size_comes_after_the_last_page_it_shows(model):
    for program in ("L1", "L7", "L9", "L12", "L16"):
        for tree in trees(program, model):
            for data in tree.values():
                # The bytes that a growth ends with are those written, wherever zeros are before.
                assert not data.endswith(b"\0")


def at_the_end(program, model):
    return [
        dict(tree.files)
        for tree, span in allowed(program, model).items()
        if 2 * PROGRAMS[program].calls in span
    ]


WHOLE = b"N" * 10240


@pytest.mark.parametrize("model", FILESYSTEMS)
def test_what_an_fsync_brought_is_not_lost(model):
    assert all(WHOLE in tree.values() for tree in at_the_end("L2", model))
    assert at_the_end("L3", model) == at_the_end("L14", model) == [{"t": WHOLE}]
    assert at_the_end("L9", model) == [{"A": WHOLE}]
    assert all("C" in tree for tree in at_the_end("L8", model))
    assert all(tree["B"] == WHOLE for tree in at_the_end("L11", model))
    assert all(tree["B"] == WHOLE for tree in at_the_end("L11b", model))
    assert all("y/f" in tree for tree in at_the_end("L13", model))
    assert at_the_end("L18", model) == [{"A": WHOLE, "B": WHOLE}]


def test_what_an_fsync_brought_is_not_lost_on_posix():
    assert at_the_end("L3", "posix") == [{"t": WHOLE}]
    assert all("C" in tree for tree in at_the_end("L8", "posix"))
    assert all(tree["B"] == WHOLE for tree in at_the_end("L11b", "posix"))
    assert all("y/f" in tree for tree in at_the_end("L13", "posix"))
    for program, path in (("L2", "tmp"), ("L9", "A"), ("L11", "B"), ("L18", "A"), ("L18", "B")):
        for tree in at_the_end(program, "posix"):
            assert tree.get(path, WHOLE) == WHOLE


def test_posix_does_not_bring_a_name_with_its_file():
    # The same programs, where each filesystem is better than the least.
    assert {} in at_the_end("L9", "posix")
    assert {} not in at_the_end("L9", "btrfs")
    assert any("B" not in tree for tree in at_the_end("L11", "posix"))


# -- what is allowed and was never seen -------------------------------------------------------

ARGUED = {
    "torn": """A disk promises sectors of 512 bytes, not pages (ALICE table 1). The block log that
        the outcomes were taken from has whole pages only, so no torn page could be seen.""",
    "zeros": """The size is there and some pages are not. Which pages depends on how writeback cuts
        the file into extents and in which order these complete; 10 KiB nearly always made one
        extent of the first two pages and one of the last. A larger file, a fuller disk or memory
        pressure cut elsewhere.""",
    "content": """The file is shorter than it was in memory, at a page's end between those seen: the
        size follows what writeback has completed, which it may cut at any page.""",
    "overwrite": """Some pages old, some new: writeback may begin anywhere (another process's fsync,
        sync_file_range, memory pressure), and pages of two files have no order. Most mixes were
        seen; on btrfs each range is one atomic extent, and the few seen are writeback's choice.""",
    "replaced": """As for zeros and content, under a name that a rename over an older file gave
        without fsync.""",
    "renamed": """As for replaced, where the name was fresh.""",
}


def shown():
    lines = [
        "What the models allow in the measured programs and was never seen.",
        "Rewritten by HARNESS_UPDATE=1 pytest tests/persistence/test_measured.py",
        "",
    ]
    for reason, text in ARGUED.items():
        lines += [*textwrap.wrap(f"{reason}: {' '.join(text.split())}", 100), ""]
    for program, filesystem in PAIRS:
        seen = {outcome.tree for outcome in PROGRAMS[program].observed[filesystem]}
        unseen = [one for one in possible(program, filesystem) if one.tree not in seen]
        counts = Counter(one.kinds for one in unseen)
        lines.append(f"{program} {filesystem}: {len(seen)} seen, {len(unseen)} not")
        for kinds in sorted(counts):
            lines.append(f"  {' + '.join(kinds)}: {counts[kinds]}")
            if kinds != ("torn",):
                lines += sorted(f"    {one.tree}" for one in unseen if one.kinds == kinds)
    return "\n".join(lines) + "\n"


def test_what_was_never_seen_is_listed_and_argued():
    text = shown()
    if os.environ.get("HARNESS_UPDATE"):
        SNAPSHOT.write_text(text, "utf-8")
    assert text == SNAPSHOT.read_text("utf-8")
    for program, filesystem in PAIRS:
        seen = {outcome.tree for outcome in PROGRAMS[program].observed[filesystem]}
        for one in possible(program, filesystem):
            assert one.tree in seen or set(one.kinds) <= ARGUED.keys()


def test_summaries_are_readable():
    assert summary(b"N" * 3 + bytes(2)) == "N*3+0*2"
    assert summary(b"") == "empty"
