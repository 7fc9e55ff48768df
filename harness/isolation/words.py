"""A finding about a race in a person's words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.diagnose import Site
from harness.finding import Candidate, Raced
from harness.hygiene import DESCRIPTORS
from harness.isolation.blame import LEFT_BEHIND

__all__ = ["race_fault", "race_remedy", "race_summary"]


def race_fault(raced: Raced) -> dict[str, object]:
    """Say what was injected, as a report's ``fault`` has it."""
    fault: dict[str, object] = {
        "kind": _kind(raced),
        "mode": raced.mode,
        "schedule": raced.schedule,
        "timeline": list(raced.timeline),
    }
    if raced.cycle is not None:
        fault["cycle"] = raced.cycle
    if raced.failing is not None:
        writer, call = raced.failing
        fault["failing"] = f"call {call} of {writer} that can fail"
    if raced.recovering is not None:
        fault["recovering"] = raced.recovering
    return fault


def _kind(raced: Raced) -> str:
    if raced.recovering is not None:
        return "schedule, power cut, two recoveries at once"
    if raced.cut:
        return "schedule and power cut"
    if raced.failing is not None:
        return "schedule and failing call"
    return "schedule and kill" if "!" in raced.schedule else "schedule"


def race_summary(found: Candidate, place: Callable[[Site], str]) -> str:
    """Say in a sentence or two what breaks and why."""
    raced = found.reproduction.race
    assert raced is not None
    if found.kind in ("deadlock", "livelock"):
        at = "" if found.culprit is None else f"{place(found.culprit)} {found.cause}. "
        return f"{at}Nobody gets on: {raced.cycle}."
    if raced.cut and raced.recovering is None:
        at = "" if found.culprit is None else f"{place(found.culprit)} is not durable in time. "
        reads = found.observed if found.observed.startswith("raises") else f"as {found.observed}"
        what = found.observed if found.key is None else f"key {found.key!r} reads {reads}"
        return f"{at}After a power cut while several write ({found.reproduction.profile}), {what}."
    at = "" if found.culprit is None else f"{place(found.culprit)} {found.cause}. "
    seen = found.observed[:1].upper() + found.observed[1:]
    against = "" if found.missing is None else f" It races with {place(found.missing)}."
    return f"{at}{seen}.{against * (found.kind != DESCRIPTORS)}"


_LOCK: Final = "hold one lock from before {at} to the end of the change, everywhere it is relied on"


def race_remedy(found: Candidate) -> str:
    """Propose the change that usually mends such a race."""
    culprit = found.culprit
    if culprit is None:
        return "let one lock cover each operation as a whole"
    at = f"{Path(culprit.file).name}:{culprit.line}"
    if found.kind == DESCRIPTORS:
        return f"close what {at} opens, on every way out"
    if found.cause == LEFT_BEHIND:
        return f"take a flock, which ends with its holder, instead of making a file at {at}"
    if found.kind in ("deadlock", "livelock"):
        return f"take the locks in the same order everywhere, at {at} too"
    if "record lock" in found.cause:
        return f"take a flock, or a threading.Lock besides, at {at}"
    if "takes the lock's file away" in found.cause:
        return f"leave the lock file where it is, at {at}"
    raced = found.reproduction.race
    if raced is not None and raced.cut and raced.recovering is None:
        return f"sync before others can see it, at {at}"
    return _LOCK.format(at=at)
