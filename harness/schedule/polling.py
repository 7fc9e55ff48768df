"""Noticing who waits in a loop, and who does so in vain.

A writer that sleeps and looks again waits for somebody else. One that looks at the same name again
and again while nothing changes is treated as asleep, so that whoever could end its wait gets to
run. If only such writers have run for long, nobody is left to do what they wait for.
"""

from __future__ import annotations

from typing import Any, Final

from harness.disk import Process
from harness.schedule.writer import Writer

__all__ = ["Progress", "can_go_early"]

_POLLS_MAX: Final = 1000
"""Turns that only sleepers and pollers may take in a row before it counts as a livelock."""

_SPIN_MAX: Final = 40
"""Looks at one name, with nothing changed by anybody, after which a writer counts as polling."""

_EARLY_MAX: Final = 2
"""Sleeps in a row, with nothing changed, from which a policy may let a writer go early."""


class Progress:
    """Counts the changes that others may be waiting for, and who looks for one."""

    def __init__(self) -> None:
        self._made = 0
        self._idle = 0

    def made(self) -> None:
        """Something changed that others may be waiting for."""
        self._made += 1
        self._idle = 0

    def is_lost(self) -> bool:
        """Count a turn that only a sleeper can take; tell whether there were too many in a row."""
        self._idle += 1
        return self._idle > _POLLS_MAX

    def sleep(self, writer: Writer, process: Process, seconds: float) -> None:
        """Put a writer to sleep on the virtual clock."""
        nanoseconds = max(0, round(seconds * 1e9))
        writer.wake = process.machine.clock + nanoseconds
        writer.waiting = lambda: f"sleeps {seconds:g} s and looks again"
        self._forget_looks(writer)
        writer.polls += 1

    def look(self, writer: Writer, process: Process, call: str, details: dict[str, Any]) -> None:
        """Notice a loop that waits without sleeping.

        Args:
            writer: Who calls.
            process: Its process.
            call: Name of the system call.
            details: What `Hooks.before` was told of it.
        """
        if "path" not in details and call not in ("flock", "posix_lock"):
            return
        self._forget_looks(writer)
        key = call, details["paths"]
        count = writer.looks[key] = writer.looks.get(key, 0) + 1
        if count > _SPIN_MAX:
            writer.wake = process.machine.clock
            writer.polls = _EARLY_MAX + 1
            writer.waiting = lambda: f"polls {call}({', '.join(map(repr, details['paths']))})"

    def _forget_looks(self, writer: Writer) -> None:
        """Begin to count anew if anything has changed since a writer looked last."""
        if writer.looked_at != self._made:
            writer.looks.clear()
            writer.looked_at = self._made
            writer.polls = 0


def can_go_early(writer: Writer) -> bool:
    """Tell whether a policy may let a writer that sleeps go before its time."""
    return writer.polls <= _EARLY_MAX
