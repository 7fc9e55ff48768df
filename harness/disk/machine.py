"""The simulated computer: two filesystems, a clock, and processes."""

from __future__ import annotations

from typing import Final

from harness.disk.constants import (
    BOOT_TIME_NS,
    DESCRIPTOR_BASE,
    FIRST_PID,
    MOUNT,
    SYMLINKS_MAX,
    TEMPORARY,
    TICK_NS,
)
from harness.disk.core import Core
from harness.disk.descriptions import path_of
from harness.disk.hooks import Hooks
from harness.disk.nodes import Directory, File, Symlink
from harness.disk.process import Process
from harness.disk.volume import Volume
from harness.image import EMPTY, ROOT, BootSource, Image

__all__ = ["UNMODELLED", "Machine"]

UNMODELLED: Final = {
    "direct": "no profile models O_DIRECT: it is judged like writing through the page cache",
    "mode": "no profile models chmod: after a crash a file has the mode it was made with",
    "owner": "no profile models chown: after a crash every file has the default owner",
    "temporary": "no profile keeps what a store leaves in /tmp: it is gone after any crash, a kill "
    "included, which on a real machine leaves it",
    "times": "no profile models utime: after a crash every file has the times of the restart",
    "xattr": "no profile models extended attributes: they are refused with ENOTSUP",
}
"""What a store may do that leaves something on disk which a trace does not hold, in words."""

_OWN: Final = (MOUNT + "/", TEMPORARY + "/")

_TEMPORARY_INODES: Final = 1 << 40
"""Inodes of /tmp begin here, so that in a trace no number means two files."""


class Machine:
    """One simulated computer, booted from an image.

    Attributes:
        seed: What the machine's random numbers are to come from (used by the rerouting).
        call_limit: System calls that a process may make between two `Process.reset_calls`.
        main: The filesystem at `MOUNT`.
        processes: Those made so far, in order.
        aliases: Real directories that stand for simulated ones: pairs of absolute paths without a
            slash at their end. The rerouting takes a path below the first as one below the second.
        escapes: What was stopped because it would have changed the real machine.
        unmodelled: What was done that no persistence model speaks of; keys of `UNMODELLED`.

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
        self.aliases: tuple[tuple[str, str], ...] = ()
        self.escapes: list[str] = []
        self.unmodelled: set[str] = set()
        self.waiting: dict[Core, list[Core]] = {}
        self._slept_ns = 0
        self.main = Volume(image, 41, "", capacity_bytes, capacity_inodes)
        self._top: Directory | None = None
        self.directories: dict[str, Directory] = {MOUNT: self.main.root}
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

    @property
    def top(self) -> Directory:
        """The directory that the two filesystems are mounted in; made when somebody gets there."""
        top = self._top
        if top is None:
            top = Directory(Volume(EMPTY, 40, "/"), ROOT, 0o755, BOOT_TIME_NS)
            temporary = Volume(EMPTY, 42, TEMPORARY, first_number=_TEMPORARY_INODES)
            temporary.root.mode = 0o1777
            top.is_top = True
            top.known = {MOUNT[1:]: self.main.root, TEMPORARY[1:]: temporary.root}
            self._top = top
        return top

    @property
    def temporary(self) -> list[str]:
        """Names that are in /tmp now."""
        found = None if self._top is None else self._top.find(TEMPORARY[1:])
        return found.list() if isinstance(found, Directory) else []

    def above(self, directory: Directory) -> Directory:
        """Give what ``..`` is in a directory."""
        parent = directory.parent
        return self.top if parent is directory else parent

    def process(self) -> Process:
        """Start a process: own descriptors, umask 0o022, current directory `MOUNT`."""
        number = len(self.processes) + 1
        process = Process(self, number, FIRST_PID + number, self.main.root)
        self.processes.append(process)
        return process

    @property
    def clock(self) -> int:
        """Nanoseconds since the epoch: a system call takes a microsecond, sleep what it says."""
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
        """Tell whether a path is on this machine: `MOUNT`, /tmp or below, after ``..`` and links.

        A path below them without ``..`` is one by its text alone: the image is not asked. A
        symbolic link that points elsewhere does not lead away: following it is ENOENT.

        Args:
            path: Absolute, or relative to `MOUNT`. A descriptor's path in /proc counts as owned.
        """
        if ".." not in path and (path[:1] != "/" or path.startswith(_OWN)):
            return True
        pending = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        parts: list[str] = [] if path.startswith("/") else [MOUNT[1:]]
        directory: Directory | None = self.main.root if parts else self.top
        followed = 0
        while pending:
            part = pending.pop()
            if part == "..":
                if parts:
                    parts.pop()
                directory = self._descend(parts)
                continue
            node = None if directory is None else directory.find(part)
            if isinstance(node, Symlink) and followed < SYMLINKS_MAX:
                followed += 1
                target = node.target
                if target.startswith("/") and not self.owns(target):
                    return True
                pending += [part for part in reversed(target.split("/")) if part not in ("", ".")]
                if target.startswith("/"):
                    parts, directory = [], self.top
            else:
                parts.append(part)
                directory = node if isinstance(node, Directory) else None
        if parts[:1] in ([MOUNT[1:]], [TEMPORARY[1:]]):
            return True
        return parts[:3] == ["proc", "self", "fd"] and int_or_zero(parts[3:]) >= DESCRIPTOR_BASE

    def _descend(self, parts: list[str]) -> Directory | None:
        """Give the directory at plain names from the top, if there is one."""
        directory = self.top
        for part in parts:
            node = directory.find(part)
            if not isinstance(node, Directory):
                return None
            directory = node
        return directory

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

    def absolute(self, trace_path: str) -> str:
        """Turn a path of a trace into an absolute one."""
        if trace_path.startswith("/"):
            return trace_path
        return MOUNT if trace_path == "." else f"{MOUNT}/{trace_path}"

    def absolute_of(self, directory: Directory) -> str:
        """Give a directory's absolute path."""
        return "/" if directory.is_top else self.absolute(path_of(directory, "."))


def int_or_zero(parts: list[str]) -> int:
    """Read the descriptor's number in a path of /proc/self/fd."""
    return int(parts[0]) if len(parts) == 1 and parts[0].isdecimal() else 0
