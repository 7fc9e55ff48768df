"""The guarantees, and how bad it is to break one: their names, and what is judged together."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

__all__ = ["GUARANTEES", "INJECTED", "RACED", "SEVERITIES", "Severity", "place_of"]

Severity: TypeAlias = Literal["silent-corruption", "data-loss", "unavailable", "false-ack", "leak"]

SEVERITIES: Final[tuple[Severity, ...]] = (
    "silent-corruption",
    "data-loss",
    "unavailable",
    "false-ack",
    "leak",
)
"""Worst first."""

GUARANTEES: Final = {
    "atomicity": "after a crash each key reads as before or after the interrupted operation",
    "durability": "what was acknowledged (or synced, where the store declares it) survives",
    "recovery": "after any crash the store opens, lists, and accepts writes that last; recovering "
    "twice, or crashing while recovering, changes nothing",
    "listing": "list names exactly the keys that can be read",
    "integrity": "with stored bytes damaged, a read returns a value written under that key, or "
    "raises, or says that there is none",
    "clean-failure": "when a system call fails the operation raises or really took full effect, "
    "and the store works on without a restart",
    "isolation": "concurrent writers, threads and processes, are linearizable per key, with "
    "crashes in it durably so; nobody fails or waits for ever",
    "hygiene": "crashes and failures leave a bounded number of stray files and no open descriptor",
}
"""Those this version judges, each with its promise in a line."""

INJECTED: Final = ("clean-failure", "integrity", "hygiene")
"""Those of them that are about other faults than crashes; what a filesystem may lose hardly matters
to them, so they are judged once for all profiles."""

RACED: Final = "isolation"
"""The one that is about several writers: judged by races, apart from the others."""


def place_of(guarantee: str, profile: str) -> str:
    """Name what is judged together: coverage and errors are kept by it.

    A profile for what crashes show, the guarantee where the filesystem hardly matters, and both
    for races, which have crashes in them but other workloads.
    """
    if guarantee == RACED:
        return f"{RACED}/{profile}"
    return guarantee if guarantee in INJECTED else profile
