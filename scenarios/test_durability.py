"""Crash after an acknowledgement: what was acknowledged survives."""

from __future__ import annotations

from typing import Any

from scenarios._draws import draws


def test_durability(harness_judge: Any) -> None:
    """What was acknowledged (or synced, where the store declares it) survives every later crash.

    Injects: the crashes of the atomicity scenario; and, at every call, a kill of the process, a
    recovery by a successor on what the page cache still holds, a write by it, and then a power cut.
    Judges: ``durability``.
    Fails when: a key reads as an older value, or is absent, or cannot be read, although a newer
    value was acknowledged and no operation in flight explains it.
    """
    harness_judge("durability", draws)
