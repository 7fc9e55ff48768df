"""The simulated machine's fixed numbers."""

from typing import Final

__all__ = [
    "BLOCK",
    "BOOT_TIME_NS",
    "DESCRIPTOR_BASE",
    "DESCRIPTOR_LIMIT",
    "FILE_SIZE_MAX",
    "FIRST_PID",
    "MOUNT",
    "NAME_MAX",
    "PATH_MAX",
    "SYMLINKS_MAX",
    "TEMPORARY",
    "TICK_NS",
    "WRITE_MAX",
]

MOUNT: Final = "/simulated"
"""Root directory of the main filesystem, and where processes start."""

TEMPORARY: Final = "/tmp"  # noqa: S108 - the path on the simulated machine
"""Root directory of the second filesystem."""

DESCRIPTOR_BASE: Final = 2**20
"""Lowest descriptor: far above any real one, so that a call that was not rerouted gets EBADF."""

DESCRIPTOR_LIMIT: Final = 1024
"""Descriptors a process may hold (RLIMIT_NOFILE's usual soft limit); EMFILE beyond."""

BLOCK: Final = 4096
"""Page, block and st_blksize, in bytes."""

NAME_MAX: Final = 255
"""Bytes in a name."""

PATH_MAX: Final = 4096
"""Bytes in a path, its terminating NUL included."""

SYMLINKS_MAX: Final = 40
"""Symbolic links followed in one look-up (MAXSYMLINKS in include/linux/namei.h)."""

FILE_SIZE_MAX: Final = 2**63 - 1
"""MAX_LFS_FILESIZE on a 64-bit machine."""

WRITE_MAX: Final = 0x7FFFF000
"""Bytes one read or write moves at most (MAX_RW_COUNT in include/linux/fs.h)."""

BOOT_TIME_NS: Final = 1_700_000_000_000_000_000
"""The virtual clock at boot, and the time stamps of everything the image holds."""

TICK_NS: Final = 1_000
"""What a system call takes on the virtual clock."""

FIRST_PID: Final = 1000
"""Process number n has this pid plus n."""
