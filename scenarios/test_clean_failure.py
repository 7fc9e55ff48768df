"""Fail a call, or fill the disk: the operation raises or took effect, and the store works on."""

from __future__ import annotations

from typing import Any

from scenarios._draws import faulty_draws


def test_clean_failure(harness_judge: Any) -> None:
    """Whatever a system call answers, nothing is acknowledged that is not so, and nothing lingers.

    Injects: at each call of a workload, reads and listing included, each error that it can really
    give, once and until cleared; short reads and writes; disks too small by each block and inode;
    failed fsyncs whose pages are dropped, with memory kept or taken back as the profile's
    filesystem does. Then the fault is over, and power cuts follow under the profile, at any moment
    from the failure on in some workloads. Further workloads are drawn, each with one fault that it
    can meet: a call, a call and another in what the store does about it, a call in the life after a
    kill, a full disk.
    Judges: ``clean-failure``.
    Fails when: an operation returns and its effect is not there, or not durable; one raises and
    leaves its key neither old nor new, another key changed, or memory and disk at odds; the store
    refuses work, or loses it, once the fault is over.
    """
    harness_judge("clean-failure", faulty_draws)
