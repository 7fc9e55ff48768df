"""What a loop over crashes or failing calls shows: one of them, and what there is to say of it."""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from harness.diagnose import located
from harness.explore import CrashState, Explorer
from harness.finding import crash_of, trace_hash
from harness.script import format_call
from harness.statelist import show_content
from harness.trace import Frame, Record

__all__ = ["CallFailure", "CrashPoint", "Run", "line_of"]

_LOST_MAX: Final = 6
"""Losses and files that a description lists; the rest is counted."""


@dataclass(frozen=True)
class CrashPoint:
    """One crash, and the disk it left: the one that the loop body runs on.

    Attributes:
        profile: The persistence model that allows it; others may as well.
        after: System calls of the action that had returned.
        calls: System calls that the action makes in all.
        returned: Whether the action had returned: what it saved must be there, if it promises that.
        files: What is on the disk: path, relative to the mounted directory, to content.
    """

    profile: str
    after: int
    calls: int
    returned: bool
    files: Mapping[str, bytes] = field(repr=False)
    _run: Run = field(repr=False, compare=False)
    _explorer: Explorer = field(repr=False, compare=False)
    _state: CrashState = field(repr=False, compare=False)

    @property
    def lost(self) -> list[str]:
        """What had been asked of the disk and is not on it, with the lines that asked."""
        return [
            f"{self._run.told(self._run.by_number[i])}: {part}"
            for i, part in self._explorer.lost(self._moved)
        ]

    @property
    def _moved(self) -> CrashState:
        """The state as of the crash that is told: what was asked for later is lost as well."""
        state, explorer = self._state, self._explorer
        if not self.returned:
            return state
        position = 2 * self.calls
        taken = state.taken << state.offset | (1 << state.offset) - 1
        issued = explorer.issued_at(position)
        return explorer.free_standing(issued, taken, state.torn, position)

    @property
    def token(self) -> str:
        """Names this crash for ``--harness-crash``; it stays valid while the calls are the same."""
        crash = crash_of(self._explorer, self._moved, self._moved.first)
        text = self._run.hash.encode() + msgspec.json.encode(crash)
        return f"{self.profile}-{hashlib.sha256(text).hexdigest()[:10]}"

    def __str__(self) -> str:
        state = "had returned" if self.returned else "had not returned"
        calls = f"{self.after} of {self.calls} calls"
        lines = [f"crash under {self.profile}, after {calls}; the function {state}"]
        lines += _listed("lost", self.lost or ["nothing: all that was done is on disk"])
        if self.after:
            lines += _listed("last", [self._run.told(self._run.records[self.after - 1])])
        shown = [f"{path}: {show_content(data)}" for path, data in sorted(self.files.items())]
        return "\n".join(lines + _listed("disk", shown or ["no file"]))


@dataclass(frozen=True)
class CallFailure:
    """One failing call, and the disk as the code left it.

    Attributes:
        fault: What was injected, in the fault language.
        raised: What the action raised; None where it returned.
        at: The line that made the failing call.
    """

    fault: str
    raised: Exception | None
    at: str

    def __str__(self) -> str:
        outcome = "returned" if self.raised is None else f"raised {self.raised!r}"
        return f"with {self.fault} at {self.at or 'no line of the code'}, the function {outcome}"


@dataclass
class Run:
    """The action, recorded.

    Attributes:
        records: Its calls.
        given: Where a buffered file was given what a write brings, by the write's number.
    """

    records: list[Record]
    given: dict[int, tuple[Frame, ...]]

    def __post_init__(self) -> None:
        self.by_number = {one.i: one for one in self.records}
        self.hash = trace_hash(self.records)

    def told(self, record: Record) -> str:
        """Say a call, with the line that made it, or gave it its bytes."""
        call = format_call(record, numbered=False)
        at = self.given.get(record.i, record.at)
        return f"{line_of(at[0])}: {call}" if at else call


def line_of(frame: tuple[str, int, str]) -> str:
    """Give a frame as ``file:line`` with the source there."""
    file, line, _ = frame
    source = linecache.getline(located(file), line).strip()
    return f"{file}:{line} {source.rstrip(':')}".rstrip()


def _listed(head: str, lines: list[str]) -> list[str]:
    shown = lines[:_LOST_MAX]
    if len(lines) > _LOST_MAX:
        shown.append(f"and {len(lines) - _LOST_MAX} more")
    return [f"  {head if not number else '':<6}{line}" for number, line in enumerate(shown)]
