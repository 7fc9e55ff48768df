"""Damage what is stored: a read gives what was written there, or says that something is wrong."""

from __future__ import annotations

from typing import Any


def test_integrity(harness_judge: Any) -> None:
    """A read of damaged bytes returns a value written under that key, raises, or finds no key.

    Injects: on the disk that a workload left, one piece of damage at a time: bits flipped, sectors
    zeroed, garbled or stale, the file cut, garbage or its old tail behind it, a range deleted,
    another file's content under its name; names altered, files and directories gone. All of them on
    small files, an even choice, and the report says so, on others.
    Judges: ``integrity``. What the filesystem may lose does not matter here: the verdict is the
    same under every profile.
    Fails when: a read returns anything that was never written under its key.
    """
    harness_judge("integrity")
