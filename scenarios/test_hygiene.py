"""Crash and fail over and over at the same place: what is left behind levels off."""

from __future__ import annotations

from typing import Any

from scenarios._draws import draws


def test_hygiene(harness_judge: Any) -> None:
    """Repeated crashes and failures leave a bounded number of files, and no descriptor.

    Injects: a kill at each changing call of an operation, six times with a recovery between; each
    call of it failing, six times in one process; what grows is confirmed with twenty.
    Judges: ``hygiene``; the verdict is the same under every profile.
    Fails when: the number of files, or of open descriptors, grows with every repetition.
    """
    harness_judge("hygiene", draws)
