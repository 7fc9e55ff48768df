"""Crash anywhere: each key reads as before or after the interrupted operation."""

from __future__ import annotations

from typing import Any

from scenarios._draws import draws


def test_atomicity(harness_judge: Any) -> None:
    """Each key is old or new after a crash, and no other key changes.

    Injects: a crash at every point of every workload, the middle of each call included, with every
    set of lost effects that the profile allows (sampled, and said so, where they are too many);
    overwrites that grow and shrink, deletes, restarts.
    Judges: ``atomicity``.
    Fails when: a key reads as a mixture, another key's value, or zeros; when a read raises; when a
    key is absent that never was; when the operation in flight destroyed the value before it.
    """
    harness_judge("atomicity", draws)
