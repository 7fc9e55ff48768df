"""Every bug of the zoo that other faults than crashes show is found at its line; its twin is not.

A few by default; all of them with ``HARNESS_FULL=1``.
"""

import os
from functools import cache

import pytest

from harness.faults import parse
from harness.finding import load_reproduction
from harness.guarantees import INJECTED
from harness.history import record
from harness.intercept import rerouted
from harness.live import run_faulted
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.rot import parse_damage, reader_of, stored
from harness.runner import Plan, check
from harness.subjects import load
from scenarios.zoo import all_bugs
from scenarios.zoo._base import EVERY

FULL = os.environ.get("HARNESS_FULL") == "1"
SOME = ("fsync_retried", "short_write_ignored", "checksum_without_key", "orphans_never_swept")
BUGS = [
    bug
    for bug in all_bugs(4)
    if bug.since == 4 and bug.guarantee in INJECTED and (FULL or bug.name in SOME)
]
PROFILES_RUN = EVERY if FULL else ("kill", "ext4", "btrfs")


@pytest.fixture(params=BUGS, ids=lambda bug: bug.name)
def bug(request):
    return request.param


@cache
def checked(name):
    claimed = load(name).guarantees
    judged = tuple(g for g in INJECTED if claimed is None or g in claimed)
    plan = Plan(subject=name, profiles=PROFILES_RUN, guarantees=judged, effort="quick")
    return plan, check(plan)


def broken(bug):
    return checked(f"scenarios.zoo.{bug.name}:broken")


def ours(bug):
    found = [f for f in broken(bug)[1].report.findings if f.guarantee == bug.guarantee]
    assert found
    return found


def test_the_bug_is_found_on_its_profiles_and_held_where_it_cannot_show(bug):
    verdicts = {(v.guarantee, v.profile): v for v in broken(bug)[1].report.verdicts}
    for profile in PROFILES_RUN:
        verdict = verdicts[bug.guarantee, profile]
        if profile in bug.profiles:
            assert verdict.verdict == "violated", verdict
        elif profile in bug.held:
            assert verdict.verdict == "held", verdict


def test_nothing_else_is_found(bug):
    for finding in broken(bug)[1].report.findings:
        if finding.guarantee != bug.guarantee:
            assert set(finding.profiles) <= set(bug.also.get(finding.guarantee, ())), finding


def test_every_finding_replays_from_its_file(bug):
    _, outcome = broken(bug)
    assert all(finding.replays == "10/10" for finding in outcome.report.findings)
    for finding in ours(bug):
        reproduction = load_reproduction(outcome.repros[finding.id], finding.id)
        assert reproduction.fault or reproduction.rot


def test_the_declared_line_is_the_culprit(bug):
    plan, outcome = broken(bug)
    declared = bug.culprit_at()[1]
    file = f"scenarios/zoo/{bug.name}.py"
    for finding in ours(bug):
        culprit = finding.culprit
        assert culprit is not None, finding.summary
        lines = [(culprit.file, culprit.line)]
        if culprit.file != file:
            # The declared line made the call through a helper that several stores share.
            reproduction = load_reproduction(outcome.repros[finding.id], finding.id)
            with rerouted(), quiet():
                recording = record(plan.loaded, reproduction.workload(), seed=reproduction.seed)
                lines += stacks(recording, reproduction, culprit)
        assert (file, declared) in lines, finding.summary


def stacks(recording, reproduction, culprit):
    """Places in the stacks of calls that the culprit line makes, with the fault or without it."""
    if reproduction.rot:
        left, damage = stored(recording), parse_damage(reproduction.rot)
        found = [reader_of(recording, left, damage, reproduction.key)[0]]
    elif reproduction.guarantee == "hygiene":
        found = [one.at for one in recording.records if getattr(one, "at", ())]
    else:
        run = run_faulted(recording, parse(reproduction.fault))
        found = [run.at, *(one.at for one in run.records if one.at)]
    return [
        frame[:2]
        for at in found
        if at and at[0][:2] == (culprit.file, culprit.line)
        for frame in at
    ]


def test_the_twin_keeps_every_promise(bug):
    _, outcome = checked(f"scenarios.zoo.{bug.name}:fixed")
    assert [finding.summary for finding in outcome.report.findings] == []
    for verdict in outcome.report.verdicts:
        assert verdict.verdict == "held", verdict
        assert verdict.faults > 0


def test_profiles_are_those_of_the_engine():
    assert set(PROFILES_RUN) <= set(PROFILES)
