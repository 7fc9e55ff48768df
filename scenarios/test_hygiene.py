"""Crash and fail over and over at the same place: what is left behind levels off."""

from __future__ import annotations

from typing import Any

from scenarios._draws import draws_with_faults_too


def test_hygiene(harness_judge: Any) -> None:
    """Repeated crashes and failures leave a bounded number of files, and no descriptor.

    Injects: a kill, or a power cut, at each changing call of an operation, six times with a
    recovery between; each call of it failing, its clean-up too, six times in one process; what
    grows is confirmed with twenty. Further workloads, each with one such repetition, are drawn.
    Descriptors are counted in races, too, where `isolation` is judged.
    Judges: ``hygiene``; only power cuts depend on the profile.
    Fails when: the number of files, or of open descriptors, grows with every repetition.
    """
    harness_judge("hygiene", draws_with_faults_too)
