"""Injecting a fault: hooks of the simulated machine that make calls fail as a text says.

Two faults of one operation are one text (``fsync #1: EIO, once; then unlink #1: EIO, once``): the
second is aimed at the calls made once the first has struck, which are those of the store's own
clean-up.
"""

from __future__ import annotations

import errno
from fnmatch import fnmatchcase
from typing import Any, Final

from harness.disk import Hooks, Process, Verdict, Wait
from harness.disk.descriptions import Description
from harness.errors import Hung, Killed
from harness.faults import AnyFault, Fault, Full, Seen
from harness.image import Image
from harness.trace import Fdatasync, Frame, Fsync, Record, Write

__all__ = ["FaultHooks"]

_SYNCS: Final = ("fsync", "fdatasync")


class _Aim:
    """A failing call, aimed at the calls from now on.

    Attributes:
        fault: Which.
        fired: How often it struck.
    """

    __slots__ = ("_matched", "_pending", "fault", "fired")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.fired = 0
        self._matched = 0
        self._pending: int | None = None

    def strikes(self, call: str, details: dict[str, Any]) -> Verdict | OSError | None:
        """Say what becomes of a call: an error, fewer bytes, or nothing in particular."""
        fault = self.fault
        failure = OSError(getattr(errno, fault.error or "EIO"), fault.error)
        if self._pending is not None and details["ino"] == self._pending and call == fault.call:
            self.fired += 1
            if not fault.sticky:
                self._pending = None
            return failure
        if not self._matches(call, details["paths"]):
            return None
        self._matched += 1
        if self._matched < fault.number or (self._matched > fault.number and not fault.sticky):
            return None
        self.fired += 1
        if fault.after is None:
            return failure
        if fault.error is not None:
            if self._matched > fault.number:
                return failure
            self._pending = details["ino"]
        return Verdict(limit=fault.after)

    def _matches(self, call: str, paths: tuple[str, ...]) -> bool:
        if self.fault.call not in ("*", call):
            return False
        pattern = self.fault.pattern
        return pattern is None or any(
            fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern)
            for path in paths
        )


class FaultHooks(Hooks):
    """Injects faults, counts that they fired, and hands everything on to a recorder.

    Args:
        fault: What to inject; None only lists the calls.
        recorder: Who else is to see the run; its ``at`` names the line a fault struck.
        reverts: Whether a failed fsync takes the file's memory back to what is on disk, as btrfs
            does; otherwise the pages stay as they are and are marked clean (ext4, xfs).

    Attributes:
        fired: Calls that the fault made fail, or cut short.
        complete: Whether all of it has struck, what stands behind "then" too.
        at: The subject's frames at the first of them.
        struck: What that call was, in words.
        image: What the disk held right before that, or before the last that was to follow it.
        seen: All calls, where there is no fault.
        behind: The calls after the first that a fault struck, while it lasts; counted from there.
        reverts: See the argument.
        serial: Calls so far.
    """

    def __init__(
        self, fault: AnyFault | None = None, recorder: Any = None, *, reverts: bool = False
    ) -> None:
        self.fault = fault
        self.fired = 0
        self.complete = False
        self.at: tuple[Frame, ...] = ()
        self.struck = ""
        self.image: Image | None = None
        self.seen: list[Seen] = []
        self.behind: list[Seen] = []
        self.serial = 0
        self._recorder = recorder
        self.reverts = reverts
        self._counts: dict[str, int] = {}
        self._asked: int | None = None
        self._durable: dict[int, bytes] = {}
        self._process: Process | None = None
        self._aims: list[_Aim] = []
        self._owed: dict[int, tuple[Description, str]] = {}
        self._aim(fault)

    @property
    def records(self) -> list[Record]:
        """What the recorder has; nothing where there is none."""
        records: list[Record] = [] if self._recorder is None else self._recorder.records
        return records

    def start(self) -> None:
        """Forget the calls seen so far: count from here."""
        self.seen.clear()
        self._counts.clear()
        self.serial = 0

    def clear(self) -> None:
        """End the fault: the disk is well again."""
        self.fault = None
        self._aims = []
        self._owed.clear()

    def rearm(self, fault: AnyFault) -> None:
        """Inject a fault again, counting its calls from now on."""
        self.fault = fault
        self._aim(fault)

    def _aim(self, fault: AnyFault | None) -> None:
        self._aims = [_Aim(fault)] if isinstance(fault, Fault) else []
        self._struck: set[AnyFault] = set()
        self.complete = False
        self.behind.clear()
        self._owed.clear()

    def _go_on(self, fault: AnyFault) -> None:
        """After a fault has struck for the first time, aim what follows it."""
        if fault in self._struck:
            return
        self._struck.add(fault)
        self._counts.clear()
        if fault.then is None:
            self.complete = True
        else:
            self._aims.append(_Aim(fault.then))

    def before(self, process: Process, call: str, **details: Any) -> Verdict | None:
        self.serial += 1
        self._process = process
        self._asked = size = _size(details)
        if self.fault is None:
            self.seen.append(self._look(process, call, details, size))
            return None
        if self.complete:
            self.behind.append(self._look(process, call, details, size))
        # Each counts each call, also one that another makes fail.
        for aim, verdict in [(aim, aim.strikes(call, details)) for aim in self._aims]:
            if verdict is not None:
                if aim.fault not in self._struck:
                    self.image = process.machine.image()
                self._note(call, ", ".join(map(repr, details["paths"])), None)
                self._go_on(aim.fault)
                if aim.fault.killed:
                    process.kill()
                    raise Killed(f"process {process.number} was killed")
                if isinstance(verdict, Verdict):
                    return verdict
                if call in _SYNCS and details["ino"] is not None:
                    self._owe(process, details["fd"], aim.fault.error or "EIO")
                    if self.reverts:
                        self._revert(process, details["ino"])
                try:
                    raise verdict
                finally:
                    # The error would keep this frame, this frame the error, and both of them the
                    # store's: a file that nobody refers to any more would not be closed.
                    del verdict
        if call in _SYNCS:
            self._tell(process, details["fd"])
        return None

    def _look(self, process: Process, call: str, details: dict[str, Any], size: int | None) -> Seen:
        count = self._counts[call] = self._counts.get(call, 0) + 1
        existed = call != "open" or process.peek(details["path"], details["dir_fd"]) is not None
        flags = details.get("flags", 0) if call == "open" else 0
        return Seen(call, count, size, flags, existed, self.serial)

    def record(self, record: Record) -> None:
        if self._recorder is not None:
            self._recorder.record(record)
        if isinstance(self.fault, Full) and (
            record.error in ("ENOSPC", "EDQUOT")
            or (
                isinstance(record, Write)
                and self._asked is not None
                and len(record.data) < self._asked
            )
        ):
            self._note(type(record).__name__.lower(), getattr(record, "path", ""), record.error)
            self._go_on(self.fault)
        if (
            self.reverts
            and isinstance(record, Fsync | Fdatasync)
            and record.error is None
            and record.ino is not None
            and self._process is not None
        ):
            content = self._process.machine.image().contents.get(record.ino)
            if content is not None:
                self._durable[record.ino] = content

    def blocked(self, process: Process, wait: Wait) -> None:
        # Nobody else runs: the store waits for ever, perhaps for a lock it failed to give back.
        raise Hung(f"process {process.number} waits for ever for {wait}")

    def _note(self, call: str, paths: str, error: str | None) -> None:
        if not self.fired:
            self.struck = f"{call}({paths})" + (f" = {error}" if error else "")
            if self._recorder is not None:
                self.at = self._recorder.at()
        self.fired += 1

    def _owe(self, process: Process, fd: int, error: str) -> None:
        """Keep in mind who else has the file open: each open file is told once (errseq_t)."""
        mine = process.fds[fd]
        for one in process.machine.processes:
            for description in one.fds.values():
                if description.node is mine.node and description is not mine:
                    self._owed[id(description)] = description, error

    def _tell(self, process: Process, fd: int) -> None:
        description = process.fds.get(fd)
        owed = self._owed.pop(id(description), None)
        if owed is not None:
            raise OSError(getattr(errno, owed[1]), owed[1])

    def _revert(self, process: Process, ino: int) -> None:
        machine = process.machine
        if ino not in machine.image().contents:
            return  # a directory
        kept = self._durable.get(ino)
        if kept is None:
            try:
                kept = machine.main.boot.content(ino)
            except KeyError:
                kept = b""  # made in this run and never synced
        machine.replace_content(ino, kept)


def _size(details: dict[str, Any]) -> int | None:
    """Bytes that a call is to move."""
    for name in ("data", "buffer"):
        if name in details:
            return memoryview(details[name]).nbytes
    for name in ("n", "count"):
        if isinstance(details.get(name), int):
            return int(details[name])
    if "buffers" in details:
        return sum(memoryview(one).nbytes for one in details["buffers"])
    return None
