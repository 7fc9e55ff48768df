"""A broken guarantee, how bad it is, and the words for what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.guarantees import Severity
from harness.subjects import MISSING, Outcome, Raised

__all__ = ["Violation", "reads", "severity_of", "show"]

_SHOWN_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken guarantee in one crash state.

    Attributes:
        guarantee: Which.
        kind: How, in a word that means the same for every store: violations of one kind with one
            culprit are one finding.
        severity: How bad.
        key: The key, where it is about one.
        observed: What was seen, in words.
        allowed: What would have been allowed, in words.
        position: A crash at this position shows it.
        destroyed_by: Number of the operation in flight that destroyed what was there, if so.
        concerns: Number of the operation whose work is missing or torn.
    """

    guarantee: str
    kind: str
    severity: Severity
    key: str | None
    observed: str
    allowed: tuple[str, ...]
    position: int
    destroyed_by: int | None = None
    concerns: int | None = None


def severity_of(outcome: Outcome) -> Severity:
    """Say how bad it is to read this where something else was to be read."""
    if isinstance(outcome, Raised):
        return "unavailable"
    return "data-loss" if outcome is MISSING else "silent-corruption"


def show(outcome: Outcome) -> str:
    """Word an outcome for a person, on one line."""
    if isinstance(outcome, Raised):
        return f"raises {outcome}"
    if outcome is MISSING:
        return "absent"
    assert isinstance(outcome, bytes)
    if outcome and not outcome.strip(b"\0"):
        return f"{len(outcome)} zero bytes"
    if len(outcome) <= _SHOWN_MAX:
        return repr(outcome)
    return f"{outcome[:16]!r}...{outcome[-8:]!r} ({len(outcome)} bytes)"


def reads(outcome: Outcome, verb: str = "reads") -> str:
    """Word what a call gave with its verb: it reads, or returns, a value, or it raises."""
    return show(outcome) if isinstance(outcome, Raised) else f"{verb} {show(outcome)}"
