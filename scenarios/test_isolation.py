"""Let several writers at the store at once: nobody fails, nothing that was acknowledged is lost."""

from __future__ import annotations

from typing import Any

from scenarios._draws import race_draws


def test_isolation(harness_judge: Any) -> None:
    """Concurrent writers leave a history that one order of their operations explains, key by key.

    Injects: schedules. Two writers, as processes on one directory and as threads on one open store,
    change hands before system calls, locks and operations, in every order with at most two
    preemptions: the same key; different keys; create and create, on a directory that is not there
    yet; write and remove; write and read; remove and read; a list during writes and removals; one
    writer that goes on while another begins; and what Hypothesis draws: two or three writers, their
    operations, keys, values and what was there before. As processes each opens, and so recovers,
    the store while the other writes. In schedules of at most one preemption the power is cut at
    every point (two processes recover at once, where recovery changes anything), in those of none a
    writer is killed while the other goes on, and one call fails next to the other's.
    Judges: ``isolation``: linearizable per key, durably so where there is a crash.
    Fails when: an operation raises, though nothing is wrong with the disk; everybody waits for
    somebody; an update is lost; a read gives a value, or an absence, that no order explains, or
    part of a value; a list names what nobody wrote; a dead writer's lock keeps the living out.
    """
    harness_judge("isolation", race_draws)
