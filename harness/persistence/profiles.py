"""The persistence models that ship, each a row of switches and a table of cited rules.

"measured" names a program of the power-cut outcomes in tests/persistence/fs-outcomes.json: real
ext4, xfs and btrfs on Linux 6.18, remounted from prefixes and subsets of their logged block writes.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from harness.errors import UsageError
from harness.persistence.model import Model, Rule

__all__ = ["PROFILES", "SWITCHES", "profile", "profile_from_mapping"]

_PAGE_CACHE: Final = Rule(
    "a page, a size and a name reach the disk as they last were in memory: a later version of one "
    "stands for all earlier ones",
    "Linux page cache; mm/page-writeback.c write_cache_pages() submits whole folios",
)
_TORN: Final = Rule(
    "one page being written may be torn: its first sectors new, the rest old",
    "ALICE (OSDI'14) table 1; disks promise no more than a 512-byte sector",
    ("torn",),
)
_OVERWRITES: Final = Rule(
    "overwrites happen in place and wait for nothing: any mix of old and new pages",
    "measured L4, L11b",
    ("overwrite",),
)
_HOLES: Final = Rule(
    "bytes below a durable size whose data is not durable read as zeros",
    "unwritten extents and holes: measured L1, L9; kernel fs/ext4/inode.c, fs/xfs/xfs_aops.c",
)

_KILL: Final = Model(
    name="kill",
    title="the process dies, the kernel lives",
    rules=(
        Rule(
            "a call that returned is there, in order with all others; one that runs may not be",
            "POSIX write(2)",
        ),
        Rule(
            "the write during which the process dies may stop at any page boundary",
            "measured with SIGKILL; kernel mm/filemap.c generic_perform_write() checks "
            "fatal_signal_pending() between folios",
            ("content",),
        ),
    ),
    order="returned",
    torn=False,
)

_ORDERED: Final = Model(
    name="ordered",
    title="a disk that persists in order",
    rules=(
        Rule(
            "what is on disk is a prefix of what was done",
            "ALICE (OSDI'14) section 3.1",
            ("name", "content"),
        ),
        Rule(
            "a returned fsync of anything makes everything before it durable",
            "POSIX.1-2024 fsync(); one order of all effects: ALICE (OSDI'14) section 3.1",
        ),
        Rule(
            "inside a write the pages are in order, each with the size that shows it",
            "the order in which mm/filemap.c generic_perform_write() copies them and moves i_size",
        ),
        _TORN,
    ),
    order="effects",
)

_EXT4: Final = Model(
    name="ext4",
    title="ext4, default mount (data=ordered, delayed allocation, auto_da_alloc, dioread_nolock)",
    rules=(
        Rule(
            "names and truncations reach the journal in order; a returned fsync of anything "
            "makes all earlier ones durable",
            "measured L6, L6b, L8, L9, L12; one running jbd2 transaction, fs/jbd2/commit.c",
            ("name", "cut"),
        ),
        _PAGE_CACHE,
        Rule(
            "a size may be durable before the data it shows: zeros, even over the whole length",
            "measured L1, L9 (zero 10240); dioread_nolock allocates unwritten extents, "
            "fs/ext4/inode.c ext4_writepages()",
            ("zeros",),
        ),
        Rule(
            "sizes grow page by page, in any relation to names",
            "measured L9, L11 (8192)",
            ("content",),
        ),
        Rule(
            "a rename over an existing name completes the size first, never the data: a replace "
            "without fsync reads old, new, or zeros",
            "measured L1, L14; fs/ext4/namei.c ext4_rename() calls ext4_alloc_da_blocks()",
            ("replaced",),
        ),
        Rule(
            "a close after a truncation to nothing completes the size before any later name",
            "fs/ext4/file.c ext4_release_file(), EXT4_STATE_DA_ALLOC_CLOSE",
        ),
        Rule("renaming onto a fresh name waits for nothing", "measured L16", ("renamed",)),
        _OVERWRITES,
        _HOLES,
        _TORN,
    ),
    names="journal",
    rename_over="size",
    close_after_cut="size",
)

_EXT4_DIOREAD_LOCK: Final = Model(
    name="ext4-dioread-lock",
    title="ext4 before Linux 5.6, or mounted with dioread_lock",
    rules=(
        _EXT4.rules[0],
        _PAGE_CACHE,
        Rule(
            "newly allocated data is durable before the size that shows it; earlier pages of the "
            "same write may still be missing and read as zeros",
            "measured L9, L12 (zero 8192, N 2048; never zero 10240); data=ordered, "
            "fs/ext4/inode.c ext4_jbd2_inode_add_write()",
            ("content", "zeros"),
        ),
        Rule(
            "growing inside the last block that is already mapped waits for no data",
            "measured L5 (size 12288, zeros)",
        ),
        Rule(
            "a rename over an existing name completes the data first: a replace without fsync "
            "reads old or new",
            "measured L1; fs/ext4/namei.c ext4_rename(), ext4_alloc_da_blocks()",
        ),
        Rule(
            "a close after a truncation to nothing completes the data before any later name",
            "fs/ext4/file.c ext4_release_file()",
        ),
        _EXT4.rules[6],
        _OVERWRITES,
        _TORN,
    ),
    names="journal",
    size_needs_data=True,
    mapped_tail_free=True,
    rename_over="data",
    close_after_cut="data",
)

_XFS: Final = Model(
    name="xfs",
    title="xfs, default mount",
    rules=(
        Rule(
            "names and truncations reach the log in order; a returned fsync of anything makes all "
            "earlier ones durable",
            "measured L6, L6b, L8, L12; one log, fs/xfs/xfs_log_cil.c",
            ("name", "cut"),
        ),
        _PAGE_CACHE,
        Rule(
            "a size comes after the last page it shows; pages before that in any order, holes "
            "read as zeros",
            "measured L1, L5, L9; fs/xfs/xfs_aops.c xfs_end_ioend() sets the size after the I/O",
            ("content", "zeros"),
        ),
        Rule(
            "no flush on rename: a replace without fsync may leave an empty, short or holed file",
            "measured L1, L14; fs/xfs/xfs_inode.c xfs_rename() has none",
            ("replaced", "renamed"),
        ),
        Rule(
            "the page a truncation ends in is zeroed as data: growing again may show bytes cut off",
            "fs/xfs/xfs_iops.c xfs_setattr_size(): iomap_truncate_page() before the log item",
            ("tail",),
        ),
        _OVERWRITES,
        _TORN,
    ),
    names="journal",
    size_needs_data=True,
    cut_tail="data",
)

_BTRFS: Final = Model(
    name="btrfs",
    title="btrfs, single profiles",
    rules=(
        Rule(
            "without any fsync names stay in order: one transaction",
            "measured L6, L6b, L12; fs/btrfs/transaction.c",
            ("name", "cut"),
        ),
        Rule(
            "fsync of a file brings it and its own names, fsync of a directory its names; neither "
            "brings earlier names of others",
            "measured L11 (B without A), L13; fs/btrfs/tree-log.c",
            ("name ahead",),
        ),
        Rule(
            "a rename between directories may show both names after an fsync of one, never neither",
            "measured L13; fs/btrfs/tree-log.c btrfs_log_new_name()",
        ),
        _PAGE_CACHE,
        Rule(
            "overwrites are copy-on-write: each page old or new, never torn inside",
            "measured L4, L11b; fs/btrfs/inode.c cow_file_range()",
            ("overwrite",),
        ),
        Rule(
            "extending data comes before the size that shows it",
            "measured L1, L5, L9; fs/btrfs/inode.c btrfs_finish_ordered_io()",
            ("content", "zeros"),
        ),
        Rule(
            "no flush on rename: a replace without fsync may be empty",
            "measured L1, L14, L16",
            ("replaced", "renamed"),
        ),
    ),
    names="log-tree",
    size_needs_data=True,
    torn=False,
    failed_fsync="revert",
)

_POSIX: Final = Model(
    name="posix",
    title="the least that holds on all of them",
    rules=(
        Rule(
            "no order but fsync's",
            "POSIX.1-2024 fsync(); ALICE (OSDI'14) table 1",
            ("name", "name ahead", "cut", "overwrite", "replaced", "renamed"),
        ),
        Rule("fsync of a file brings its data and size, not its name", "fsync(2), NOTES"),
        Rule("fsync of a directory brings its names", "fsync(2), NOTES"),
        _PAGE_CACHE,
        Rule(
            "pages, sizes and zeros are independent",
            "the union of the measured file systems",
            ("content", "zeros", "tail"),
        ),
        Rule(
            "a rename is atomic inside a directory; between two it may show both names, never "
            "neither",
            "rename(2); measured L13 on btrfs",
        ),
        Rule(
            "a new directory, the store's own too, is a name in its parent",
            "fsync(2), NOTES; measured L11 on btrfs for files",
        ),
        _HOLES,
        _TORN,
    ),
    cut_tail="data",
)

PROFILES: Final = {
    model.name: model
    for model in (_KILL, _ORDERED, _EXT4, _EXT4_DIOREAD_LOCK, _XFS, _BTRFS, _POSIX)
}


def profile(name: str) -> Model:
    """Look a profile up.

    Raises:
        UsageError: There is none of that name.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise UsageError(
            f"unknown profile {name!r}; there are {', '.join(PROFILES)} (`harness list profiles`)"
        ) from None


def _choices(hint: object) -> tuple[str, ...] | None:
    """Give the values a switch may have; None for an on-or-off one."""
    return get_args(hint) if get_origin(hint) is Literal else None


SWITCHES: Final[Mapping[str, tuple[str, ...] | None]] = MappingProxyType(
    {
        name: _choices(hint)
        for name, hint in get_type_hints(Model).items()
        if hint is bool or get_origin(hint) is Literal
    }
)
"""The switches of `Model`, each with its values; None for one that is on or off."""


def profile_from_mapping(name: str, mapping: Mapping[str, Any]) -> Model:
    """Make a profile of a user's own, as ``[tool.harness.profiles.NAME]`` defines it.

    Args:
        name: What the profile is called.
        mapping: Switches of `Model` by name, with ``-`` or ``_``; ``base``, a profile that ships,
            whose switches apply where none are given (the default is the weakest model); and
            ``title``.

    Raises:
        UsageError: A switch is unknown, or a value is not one of its values.
    """
    given = {key.replace("-", "_"): (key, value) for key, value in mapping.items()}
    if len(given) < len(mapping):
        raise UsageError(f"profile {name!r}: a switch is given twice, with - and _; keep one")
    base = _POSIX
    if "base" in given:
        key, value = given.pop("base")
        if not isinstance(value, str) or value not in PROFILES:
            known = ", ".join(PROFILES)
            raise UsageError(f"profile {name!r}: {key} = {value!r}; give one of {known}")
        base = PROFILES[value]
    title = given.pop("title", ("title", f"{base.title}, with switches of its own"))[1]
    if not isinstance(title, str):
        raise UsageError(f"profile {name!r}: title = {title!r}; give a text")
    switches = {key: _switch(name, key, *pair) for key, pair in given.items()}
    rules = tuple(
        Rule(f"{key} = {value!r}", f"[tool.harness.profiles.{name}]")
        for key, value in switches.items()
    )
    return replace(base, name=name, title=title, rules=(*rules, *base.rules), **switches)


def _switch(profile: str, name: str, key: str, value: object) -> Any:
    """Check one switch, and give its value."""
    if name not in SWITCHES:
        near = difflib.get_close_matches(name, [*SWITCHES, "base", "title"], 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SWITCHES)}"
        raise UsageError(f"profile {profile!r}: unknown switch {key!r}; {hint}")
    choices = SWITCHES[name]
    if choices is None:
        if not isinstance(value, bool):
            raise UsageError(f"profile {profile!r}: {key} = {value!r}; give true or false")
    elif value not in choices:
        raise UsageError(
            f"profile {profile!r}: {key} = {value!r}; give one of {', '.join(choices)}"
        )
    return value
