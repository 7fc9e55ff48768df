"""Recover, recover again, crash while recovering, and use the store afterwards."""

from __future__ import annotations

from typing import Any

from scenarios._draws import draws_with_faults_too


def test_recovery(harness_judge: Any) -> None:
    """After any crash the store opens, lists, accepts writes, and keeps them.

    Injects: the crashes of the atomicity scenario; a second recovery after a kill; a crash at every
    point of a recovery that changes the disk; a failing call, or a full disk, in the recovery from
    a crash (of some workloads each, of others one that is drawn, or two, the second in what the
    store does about the first); and after every recovery a
    follow-up: a short write and a long one, read back at once and after a clean restart.
    Judges: ``recovery``.
    Fails when: the store will not open or list; when recovering twice reads differently; when a
    crash during recovery loses or changes what was readable; when a write after recovery is
    refused, lost, or changes another key.
    """
    harness_judge("recovery", draws_with_faults_too)
