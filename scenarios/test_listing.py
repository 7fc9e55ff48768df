"""Crash anywhere: list names exactly the keys that can be read."""

from __future__ import annotations

from typing import Any

from scenarios._draws import draws


def test_listing(harness_judge: Any) -> None:
    """After a crash, list names each readable key once, and nothing else.

    Injects: the crashes of the atomicity scenario.
    Judges: ``listing``.
    Fails when: list names a temporary or foreign file, a key that cannot be found, or one key
    twice; when it leaves out a key that can be read. (A key whose read raises is a matter of
    ``atomicity``.)
    """
    harness_judge("listing", draws)
