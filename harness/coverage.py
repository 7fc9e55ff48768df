"""What was looked at, counted: for one profile, or one guarantee that no profile bears on."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Coverage"]


@dataclass(slots=True)
class Coverage:
    """What was looked at, for one profile.

    Attributes:
        workloads: Workloads run.
        faults: Crashes injected: positions of the traces, half calls, at which one struck.
        states: Distinct disk images judged.
        possible: Distinct images there are, where every one was visited; else the sets of
            effects there are, an upper bound; None where they cannot be counted. Of faults other
            than crashes alone: how many there are.
        exhaustive: Whether every one was visited.
        sampled: Workloads in which not every one was.
        acknowledged: Crash states that came after an acknowledged change.
        interrupted: Crash states that came in the middle of an operation.
        opened: Crash states the store opened on.
        judged: Crash states judged, equal images at different crashes counted each time.
        in_recovery: Faults that fired while a store recovered from a crash.
        in_recovery_exhaustive: Whether every fault was tried in the recovery of every crash state.
        left_out: Workloads that were not tried at all, to stay within the effort.
        fired: How often each fault fired that was asked for by itself.
        bound: Up to where the search went, in words, where that is not the states alone.
        doubt: What it could not tell, in words.
    """

    workloads: int = 0
    faults: int = 0
    states: int = 0
    possible: int | None = 0
    exhaustive: bool = True
    sampled: int = 0
    acknowledged: int = 0
    interrupted: int = 0
    opened: int = 0
    judged: int = 0
    in_recovery: int = 0
    in_recovery_exhaustive: bool = True
    left_out: int = 0
    fired: dict[str, int] = field(default_factory=dict)
    bound: str = ""
    doubt: str = ""

    def add(self, other: Coverage) -> None:
        """Add another workload's."""
        self.workloads += other.workloads
        self.faults += other.faults
        self.states += other.states
        if self.possible is None or other.possible is None:
            self.possible = None
        else:
            self.possible += other.possible
        self.exhaustive = self.exhaustive and other.exhaustive
        self.sampled += other.sampled
        self.acknowledged += other.acknowledged
        self.interrupted += other.interrupted
        self.opened += other.opened
        self.judged += other.judged
        self.in_recovery += other.in_recovery
        self.in_recovery_exhaustive = self.in_recovery_exhaustive and other.in_recovery_exhaustive
        self.left_out += other.left_out
        for text, count in other.fired.items():
            self.fired[text] = self.fired.get(text, 0) + count
        if other.bound not in self.bound:
            self.bound = f"{self.bound}; {other.bound}" if self.bound else other.bound
        self.doubt = self.doubt or other.doubt
