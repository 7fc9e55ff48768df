"""The simulated disk: a POSIX kernel in memory, one method a system call.

`Machine` boots from an image; `Machine.process` gives a `Process`, whose methods are the system
calls; `Hooks` is where crashes, faults, schedules and recorders take hold.

Two programs run on the same image do the same: no host clock, pid, or hash order shows through.
What differs from a real machine, on purpose: everything runs as root, times of access are not kept,
directories show st_nlink 1 and st_size 4096, listings are sorted, a path outside the two
filesystems does not exist, pipes and devices cannot be made.
"""

from harness.disk.calls import CALLS, Call
from harness.disk.constants import (
    BLOCK,
    BOOT_TIME_NS,
    DESCRIPTOR_BASE,
    DESCRIPTOR_LIMIT,
    MOUNT,
    NAME_MAX,
    TEMPORARY,
)
from harness.disk.hooks import DO, Hooks, Verdict, Wait
from harness.disk.machine import UNMODELLED, Machine
from harness.disk.process import Process

__all__ = [
    "BLOCK",
    "BOOT_TIME_NS",
    "CALLS",
    "DESCRIPTOR_BASE",
    "DESCRIPTOR_LIMIT",
    "DO",
    "MOUNT",
    "NAME_MAX",
    "TEMPORARY",
    "UNMODELLED",
    "Call",
    "Hooks",
    "Machine",
    "Process",
    "Verdict",
    "Wait",
]
