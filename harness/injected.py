"""How many faults other than crashes alone are injected, and what they show, as causes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness import __version__
from harness.diagnose import Site
from harness.finding import Candidate, Crash, Reproduction, operations_of
from harness.given import Given, give
from harness.history import Recording
from harness.ops import SYNCED, Workload
from harness.violation import Violation

__all__ = ["Amount", "injected_candidate"]

_FEW: Final = 200
_MANY: Final = 2000

_FEW_WORKLOADS: Final = ("overwrite", "delete", "replay", "shrunk")
"""Those that stand for all where there are to be few faults; with syncs between, they do so too."""

_SMALLEST: Final = "first-write"
"""Leaves so little that more damages of it are tried."""

_SHARE: Final = 16
_SHARE_DEAR: Final = 80
"""Parts of the crash states after a fault, of which workloads that stand for no other get one; the
latter for those that are drawn, of which there are many, or store much."""

_STORED_SMALL: Final = 2600
"""Bytes a workload leaves, up to which more of the damages are tried."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How many faults.

    Attributes:
        faults: Damages of one kind to one file at most; below 2000 also fewer errors and lengths
            for each call, and no drawn workloads; below 200 a few of the others only.
        compound: Crash states looked at in each fault that comes with a crash: of a run that goes
            on after a fault, and of a recovery that meets one. At nought there are none.
        only: These faults alone, as text; none means all.
    """

    faults: int
    compound: int = 0
    only: tuple[str, ...] = ()

    @property
    def few(self) -> bool:
        """Whether only the most telling are wanted."""
        return self.faults < _FEW and not self.only

    @property
    def everything(self) -> bool:
        """Whether each error and length of each call is."""
        return self.faults >= _MANY or bool(self.only)

    def given(self, guarantee: str) -> list[Given]:
        """Give the faults that are to be injected alone, as far as a promise is judged by them."""
        return [one for one in map(give, self.only) if one.guarantee == guarantee]

    def leaves_out(self, workload: Workload, *, drawn: bool = False) -> bool:
        """Tell whether a workload is not tried.

        Args:
            workload: The workload.
            drawn: Whether drawn ones are too dear.
        """
        if self.only:
            return False
        if self.few:
            return not _stands(workload)
        return drawn and not self.everything and _is_drawn(workload)

    def damages(self, workload: Workload, size: int) -> int:
        """Give how many damages of one kind to one file are done, where it leaves so many bytes."""
        if self.few:
            return self.faults
        if _is_drawn(workload) or size > _STORED_SMALL:
            return self.faults // 10
        if self.everything:
            return self.faults
        return self.faults * 10 if workload.name == _SMALLEST else self.faults

    def cuts(self, workload: Workload) -> int:
        """Give how many sets of effects are looked at after a fault, wherever the power is cut.

        There are hundreds of faults, each with a trace of its own under each profile: a few
        workloads stand for all, and the others, where they are tried, get a share.
        """
        if self.only or _stands(workload):
            return self.compound
        if not self.everything:
            return 0
        dear = _is_drawn(workload) or workload.stored_bytes > _STORED_SMALL
        return self.compound // (_SHARE_DEAR if dear else _SHARE)

    def pairs(self, workload: Workload) -> bool:
        """Tell whether each failure is followed by another in what the store does about it."""
        return self.everything and not self.only and _stands(workload)

    def kills(self, workload: Workload) -> bool:
        """Tell whether a process is killed before the one in which a call fails."""
        names = (*_FEW_WORKLOADS, _SMALLEST)
        return self.everything and not self.only and workload.name in names

    def short_hygiene(self, workload: Workload) -> bool:
        """Tell whether only the most telling faults are repeated; all of them cost little."""
        return not self.everything and not _stands(workload)

    def recoveries(self, workload: Workload) -> int:
        """Give how many sets of effects faults are injected into the recovery of."""
        return self.cuts(workload)

    def short_recovery(self, workload: Workload) -> bool:
        """Tell whether only the most telling faults strike each call of a recovery.

        Every fault strikes those of the workloads that stand for all; of the others a sample of the
        crash states is looked at anyway.
        """
        stands = workload.name in (*_FEW_WORKLOADS, _SMALLEST)
        return not self.only and not (self.everything and stands)


def _stands(workload: Workload) -> bool:
    """Tell whether a workload stands for all."""
    return workload.name.removesuffix(SYNCED) in _FEW_WORKLOADS


def _is_drawn(workload: Workload) -> bool:
    return workload.name.startswith("drawn-")


def injected_candidate(
    recording: Recording,
    violation: Violation,
    culprit: Site | None,
    profiles: dict[str, int],
    profile: str,
    *,
    trace: str,
    fault: str | None = None,
    rot: str | None = None,
    crash: Crash | None = None,
    lost: list[tuple[int, str]] | None = None,
    operation: str = "",
    image: str = "",
) -> Candidate:
    """Make a candidate of a violation that an injected fault showed.

    Args:
        recording: The workload's run without faults.
        violation: What is broken.
        culprit: The line to blame.
        profiles: Profile to how many cases show it there.
        profile: The one of the case shown.
        trace: Hash of the trace that the case depends on.
        fault: The fault, as text.
        rot: The damage, as text.
        crash: The crash, where one is part of it.
        lost: What the crash lost.
        operation: The operation it struck, in words.
        image: Hash of the disk that the crash left, where that is checked.
    """
    return Candidate(
        guarantee=violation.guarantee,
        kind=violation.kind,
        severity=violation.severity,
        culprit=culprit,
        missing=None,
        cause="failed" if rot is None else "rotten",
        reproduction=Reproduction(
            version=__version__,
            subject=recording.subject.name,
            seed=recording.seed,
            guarantee=violation.guarantee,
            kind=violation.kind,
            key=violation.key,
            profile=profile,
            operations=operations_of(recording.workload),
            kill_at=None,
            crash=crash or Crash(position=0, lost=[]),
            second=None,
            trace=trace,
            image=image,
            observed=violation.observed,
            fault=fault,
            rot=rot,
        ),
        observed=violation.observed,
        allowed=violation.allowed,
        key=violation.key,
        operation=operation,
        in_flight=False,
        lost=lost or [],
        after=violation.position // 2,
        workload=recording.workload.name,
        profiles=profiles,
        workloads=[recording.workload.name],
    )
