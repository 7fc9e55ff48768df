"""The simulated computer: two filesystems, a clock, and processes."""

from __future__ import annotations

from typing import Final

from harness.disk.constants import BOOT_TIME_NS, FIRST_PID, MOUNT, TEMPORARY, TICK_NS
from harness.disk.core import Core
from harness.disk.descriptions import path_of
from harness.disk.hooks import Hooks
from harness.disk.nodes import Directory, File
from harness.disk.process import Process
from harness.disk.volume import Volume
from harness.image import EMPTY, ROOT, BootSource, Image

__all__ = ["Machine"]

_TEMPORARY_INODES: Final = 1 << 40
"""Inodes of /tmp begin here, so that in a trace no number means two files."""


class Machine:
    """One simulated computer, booted from an image.

    Attributes:
        seed: What the machine's random numbers are to come from (used by the rerouting).
        call_limit: System calls that a process may make between two `Process.reset_calls`.
        main: The filesystem at `MOUNT`.
        temporary: The filesystem at /tmp: a rename between the two is EXDEV.
        processes: Those made so far, in order.

    Args:
        image: What the main filesystem holds at first; never changed.
        seed: See attributes.
        capacity_bytes: Room for data on the main filesystem, in whole blocks of 4096 bytes.
        capacity_inodes: Inodes that the main filesystem may hold, its root included.
        hooks: See `harness.disk.hooks`; None is fastest.
        call_limit: See attributes.
    """

    MOUNT: Final = MOUNT

    def __init__(
        self,
        image: BootSource = EMPTY,
        *,
        seed: int = 0,
        capacity_bytes: int | None = None,
        capacity_inodes: int | None = None,
        hooks: Hooks | None = None,
        call_limit: int = 1_000_000,
    ) -> None:
        self.seed = seed
        self.call_limit = call_limit
        self.processes: list[Process] = []
        self.waiting: dict[Core, list[Core]] = {}
        self._slept_ns = 0
        self.main = Volume(image, 41, "", capacity_bytes, capacity_inodes)
        self.temporary = Volume(EMPTY, 42, TEMPORARY, first_number=_TEMPORARY_INODES)
        self.temporary.root.mode = 0o1777
        # The directory that both are mounted in: it holds nothing else and nothing can be added.
        self.top = top = Directory(Volume(EMPTY, 40, "/"), ROOT, 0o755, BOOT_TIME_NS)
        top.known = {MOUNT[1:]: self.main.root, TEMPORARY[1:]: self.temporary.root}
        self.main.root.parent = self.temporary.root.parent = top
        self.directories: dict[str, Directory] = {}
        self.forget_directories()
        self.records = self.asks = False
        self._hooks: Hooks | None = None
        self.hooks = hooks

    @property
    def hooks(self) -> Hooks | None:
        """Who takes part in system calls; may be set at any time between calls."""
        return self._hooks

    @hooks.setter
    def hooks(self, hooks: Hooks | None) -> None:
        self._hooks = hooks
        # What is not overridden is not called: recording alone need not look at every read.
        self.records = hooks is not None and type(hooks).record is not Hooks.record
        self.asks = hooks is not None and type(hooks).before is not Hooks.before
        for process in self.processes:
            process.rearm()

    def process(self) -> Process:
        """Start a process: own descriptors, umask 0o022, current directory `MOUNT`."""
        number = len(self.processes) + 1
        process = Process(self, number, FIRST_PID + number, self.main.root)
        self.processes.append(process)
        return process

    @property
    def clock(self) -> int:
        """Nanoseconds since the epoch: each system call takes a microsecond, sleep what it says."""
        calls = 0
        for process in self.processes:
            calls += process.calls
        return BOOT_TIME_NS + self._slept_ns + calls * TICK_NS

    def advance(self, nanoseconds: int) -> None:
        """Move the clock on: what sleeping, or looking at it, costs."""
        self._slept_ns += nanoseconds

    def image(self) -> Image:
        """Picture what the page cache of the main filesystem holds now: what a kill leaves."""
        return self.main.image()

    def owns(self, path: str) -> bool:
        """Tell whether a path is on this machine: below `MOUNT` or /tmp, after ``..`` and links.

        Relative paths are taken from `MOUNT`. A descriptor's path in /proc is one of its own too.
        """
        parts: list[str] = [] if path.startswith("/") else [MOUNT[1:]]
        for part in path.split("/"):
            if part == "..":
                if parts:
                    parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        if parts[:1] in ([MOUNT[1:]], [TEMPORARY[1:]]):
            return True
        return parts[:3] == ["proc", "self", "fd"] and int_or_zero(parts[3:]) >= 2**20

    def replace_content(self, ino: int, data: bytes) -> None:
        """Put other bytes into a file beneath the processes: rot, or pages that reverted.

        No system call, no record, no time stamp.

        Raises:
            KeyError: No such file was ever reached on the main filesystem.
        """
        node = self.main.nodes[ino]
        if not isinstance(node, File):
            raise KeyError(ino)
        node.replace(data)

    def forget_directories(self) -> None:
        """Drop the remembered look-ups: a directory moved or went."""
        self.directories.clear()
        self.directories[MOUNT] = self.main.root
        self.directories[TEMPORARY] = self.temporary.root

    def absolute(self, trace_path: str) -> str:
        """Turn a path of a trace into an absolute one."""
        if trace_path.startswith("/"):
            return trace_path
        return MOUNT if trace_path == "." else f"{MOUNT}/{trace_path}"

    def absolute_of(self, directory: Directory) -> str:
        """Give a directory's absolute path."""
        return "/" if directory is self.top else self.absolute(path_of(directory, "."))


def int_or_zero(parts: list[str]) -> int:
    """Read the descriptor's number in a path of /proc/self/fd."""
    return int(parts[0]) if len(parts) == 1 and parts[0].isdecimal() else 0
