"""The persistence models that ship, each a row of switches and a table of cited rules.

"measured" names a program of the power-cut outcomes in tests/persistence/fs-outcomes.json: real
ext4, xfs and btrfs on Linux 6.18, remounted from prefixes and subsets of their logged block writes.
"""

from __future__ import annotations

from typing import Final

from harness.errors import UsageError
from harness.persistence.model import Model, Rule

__all__ = ["PROFILES", "profile"]

_PAGE_CACHE: Final = Rule(
    "a page, a size and a name reach the disk as they last were in memory: a later version of one "
    "stands for all earlier ones",
    "Linux page cache; mm/page-writeback.c write_cache_pages() submits whole folios",
)
_TORN: Final = Rule(
    "one page being written may be torn: its first sectors new, the rest old",
    "ALICE (OSDI'14) table 1; disks promise no more than a 512-byte sector",
)
_HOLES: Final = Rule(
    "bytes below a durable size whose data is not durable read as zeros",
    "unwritten extents and holes: measured L1, L9; kernel fs/ext4/inode.c, fs/xfs/xfs_aops.c",
)

_KILL: Final = Model(
    name="kill",
    title="the process dies, the kernel lives",
    rules=(
        Rule("a call that returned is there, in order with all others", "POSIX write(2)"),
        Rule(
            "the write during which the process dies may stop at any page boundary",
            "measured with SIGKILL; kernel mm/filemap.c generic_perform_write() checks "
            "fatal_signal_pending() between folios",
        ),
    ),
    order="returned",
    torn=False,
)

_ORDERED: Final = Model(
    name="ordered",
    title="a disk that persists in order",
    rules=(
        Rule("what is on disk is a prefix of what was done", "ALICE (OSDI'14) section 3.1"),
        Rule("a returned fsync of anything makes everything before it durable", "as above"),
        Rule("inside a write the pages are in order, each with the size that shows it", "as above"),
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
        ),
        _PAGE_CACHE,
        Rule(
            "a size may be durable before the data it shows: zeros, even over the whole length",
            "measured L1, L9 (zero 10240); dioread_nolock allocates unwritten extents, "
            "fs/ext4/inode.c ext4_writepages()",
        ),
        Rule("sizes grow page by page, in any relation to names", "measured L9, L11 (8192)"),
        Rule(
            "a rename over an existing name completes the size first, never the data: a replace "
            "without fsync reads old, new, or zeros",
            "measured L1, L14; fs/ext4/namei.c ext4_rename() calls ext4_alloc_da_blocks()",
        ),
        Rule(
            "a close after a truncation to nothing completes the size before any later name",
            "fs/ext4/file.c ext4_release_file(), EXT4_STATE_DA_ALLOC_CLOSE",
        ),
        Rule("renaming onto a fresh name waits for nothing", "measured L16"),
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
        ),
        _PAGE_CACHE,
        Rule(
            "a size comes after the last page it shows; pages before that in any order, holes "
            "read as zeros",
            "measured L1, L5, L9; fs/xfs/xfs_aops.c xfs_end_ioend() sets the size after the I/O",
        ),
        Rule(
            "no flush on rename: a replace without fsync may leave an empty, short or holed file",
            "measured L1, L14; fs/xfs/xfs_inode.c xfs_rename() has none",
        ),
        Rule(
            "the page a truncation ends in is zeroed as data: growing again may show bytes cut off",
            "fs/xfs/xfs_iops.c xfs_setattr_size(): iomap_truncate_page() before the log item",
        ),
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
        ),
        Rule(
            "fsync of a file brings it and its own names, fsync of a directory its names; neither "
            "brings earlier names of others",
            "measured L11 (B without A), L13; fs/btrfs/tree-log.c",
        ),
        Rule(
            "a rename between directories may show both names after an fsync of one, never neither",
            "measured L13; fs/btrfs/tree-log.c btrfs_log_new_name()",
        ),
        _PAGE_CACHE,
        Rule(
            "overwrites are copy-on-write: each page old or new, never torn inside",
            "measured L4, L11b; fs/btrfs/inode.c cow_file_range()",
        ),
        Rule(
            "extending data comes before the size that shows it",
            "measured L1, L5, L9; fs/btrfs/inode.c btrfs_finish_ordered_io()",
        ),
        Rule("a replace without fsync may be empty", "measured L1, L14"),
    ),
    names="log-tree",
    size_needs_data=True,
    torn=False,
)

_POSIX: Final = Model(
    name="posix",
    title="the least that holds on all of them",
    rules=(
        Rule("no order but fsync's", "POSIX.1-2024 fsync(); ALICE (OSDI'14) table 1"),
        Rule("fsync of a file brings its data and size, not its name", "fsync(2), NOTES"),
        Rule("fsync of a directory brings its names", "fsync(2), NOTES"),
        _PAGE_CACHE,
        Rule("pages, sizes and zeros are independent", "the union of the measured file systems"),
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
