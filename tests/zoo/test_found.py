"""Every bug of the zoo that crashes can show is found, where it is, and its twin is left alone.

A few bugs by default; all of them, under all seven models, with ``HARNESS_FULL=1``.
"""

import os
import re
from functools import cache

import pytest

from harness.errors import HarnessError
from harness.finding import load_reproduction
from harness.history import record
from harness.intercept import rerouted
from harness.meter import Meter
from harness.quiet import quiet
from harness.runner import Plan, check
from harness.shrink import Shrinking
from harness.subjects import load
from harness.trace import Call
from scenarios.zoo import all_bugs
from scenarios.zoo._base import CRASH, EVERY

from .judging import again

FULL = os.environ.get("HARNESS_FULL") == "1"

# One a guarantee at least, and those that tell models apart.
SOME = (
    "no_directory_sync",
    "rename_without_fsync",
    "temporary_file_listed",
    "truncate_in_place",
    "unlink_before_rename",
)
# Shown by a power cut after a kill only, which a quick check leaves out.
MIXED = ("unsynced_copy_trusted",)
PROFILES = EVERY if FULL else ("kill", "ordered", "posix")
BUGS = [bug for bug in all_bugs(3) if FULL or bug.name in SOME]


@pytest.fixture(params=BUGS, ids=lambda bug: bug.name)
def bug(request):
    return request.param


def checked(bug, which):
    return _checked(
        f"scenarios.zoo.{bug.name}:{which}", "default" if bug.name in MIXED else "quick"
    )


@cache
def _checked(name, effort):
    claimed = load(name).guarantees or CRASH
    judged = tuple(guarantee for guarantee in CRASH if guarantee in claimed)
    plan = Plan(subject=name, profiles=PROFILES, guarantees=judged, effort=effort)
    return plan, check(plan)


def verdicts(outcome):
    return {(v.guarantee, v.profile): v for v in outcome.report.verdicts}


def test_the_bug_is_found_on_its_profiles_and_held_where_it_cannot_show(bug):
    _, outcome = checked(bug, "broken")
    found = verdicts(outcome)
    for profile in PROFILES:
        verdict = found[bug.guarantee, profile]
        if profile in bug.profiles:
            assert verdict.verdict == "violated", verdict
        elif profile in bug.held:
            assert verdict.verdict == "held", verdict
    assert outcome.exit_code() == 1


def test_nothing_else_is_found(bug):
    _, outcome = checked(bug, "broken")
    for finding in outcome.report.findings:
        if finding.guarantee == bug.guarantee:
            allowed = set(EVERY) - set(bug.held)
        else:
            allowed = set(bug.also.get(finding.guarantee, ()))
        assert set(finding.profiles) <= allowed, finding.summary


# Where the mistake is a decision and no call, what is blamed is the call it leaves unprotected.
DECISIONS = {
    "log_without_checksum": "write_all(",  # the record nobody checks
    "slots_without_checksum": "write_all(",  # the slot nobody checks
}
"""The declared line is named as the one that takes half of that for the whole."""
ELSEWHERE = {
    "recovery_deletes_good_copy": "os.unlink(path)",  # recovery takes the copy this one relies on
}
"""Either line could be changed, and nothing that is measured tells which is wrong."""


def test_the_declared_line_is_the_culprit(bug):
    plan, outcome = checked(bug, "broken")
    declared = bug.culprit_at()[1]
    file = f"scenarios/zoo/{bug.name}.py"
    ours = [f for f in outcome.report.findings if f.guarantee == bug.guarantee]
    assert ours
    blamed = []
    for finding in ours:
        culprit = finding.culprit
        assert culprit is not None, finding.summary
        # The declared line made the call, be it through a helper that several stores share.
        reproduction = load_reproduction(outcome.repros[finding.id], finding.id)
        recording = record(plan.loaded, reproduction.workload(), seed=reproduction.seed)
        places = [(culprit.file, culprit.line)] + [
            (frame[0], frame[1])
            for call in recording.records
            if isinstance(call, Call) and call.at and call.at[0][:2] == (culprit.file, culprit.line)
            for frame in call.at
        ]
        if bug.name in DECISIONS:
            assert finding.accepted is not None, finding.summary
            places = [(finding.accepted.file, finding.accepted.line)]
        blamed.append(any(place.endswith(file) and n == declared for place, n in places))
        shown = {**DECISIONS, **ELSEWHERE}.get(bug.name, "")
        assert shown in culprit.source, finding.summary
    assert any(blamed) is (bug.name not in ELSEWHERE)


def test_no_two_findings_have_one_cause(bug):
    _, outcome = checked(bug, "broken")
    causes = [
        (one.guarantee, one.kind, one.culprit and (one.culprit.file, one.culprit.line))
        for one in outcome.report.findings
    ]
    assert len(causes) == len(set(causes))


def test_nothing_in_a_finding_can_be_made_simpler_by_itself(bug):
    plan, outcome = checked(bug, "broken")
    models = {model.name: model for model in plan.models}
    search = Shrinking(plan.loaded, models, plan.depth, Meter())
    for settled in outcome.settled:
        found = settled.candidate
        for step in search.simpler(found):
            try:
                simpler = search.attempt(step, found)
            except HarnessError:
                continue  # not a workload that the store can do
            assert simpler is None or simpler.weight >= found.weight, step


def test_what_is_lost_is_the_least_that_shows_it_and_the_culprit_is_needed(bug):
    """Everything else is on disk; with any one of the losses back, it is gone.

    So it is with a call of the culprit's line taken back: what that does, and what is lost, have
    to persist together or in order.
    """
    _, outcome = checked(bug, "broken")
    crashes = 0
    for settled in outcome.settled:
        found = settled.candidate
        with rerouted(), quiet():
            taken = again(found)
            if taken is None:
                continue
            crashes += 1
            assert taken.shows()
            for node in taken.lost():
                assert not taken.shows_with(node), found.lost
            assert taken.case.torn is None or not taken.shows_whole()
            if found.cause != "lost" and found.culprit is not None:
                calls = taken.made_at(found.published or found.culprit)
                assert not all(map(taken.shows_without, calls)), found.culprit
    assert crashes > 0


# Not a matter of which calls are made, and in which order: the twin differs in what it stores,
# lists or repairs. What the finding says of that instead.
NO_CHANGE_OF_CALLS = {
    "append_after_torn_tail": "half of what append_after_torn_tail.py:29 writes, and none shows it",
    "length_believed": "half of what length_believed.py:51 writes, and none shows it",
    "log_without_checksum": "half of what _log.py:84 writes, and none shows it",
    "slots_without_checksum": "half of what _slots.py:84 writes, and none shows it",
    "temporary_file_listed": "with 'a+new' left out of the list, 0 of ",
}


def test_the_proven_fix_is_no_larger_than_the_twins(bug):
    _, outcome = checked(bug, "broken")
    ours = [f for f in outcome.report.findings if f.guarantee == bug.guarantee]
    proven = [f.fix for f in ours if f.fix is not None and f.fix.verified == "trace"]
    assert bool(proven) is (bug.name not in NO_CHANGE_OF_CALLS)
    for finding in ours:
        if bug.name in NO_CHANGE_OF_CALLS:
            assert NO_CHANGE_OF_CALLS[bug.name] in finding.fix.needs
            assert "no sync mends it: with one after every call" in finding.fix.needs
            assert finding.fix.tried > 0
    for fix in proven:
        assert fix.violations_before > 0
        assert fix.violations_after == 0
        # One call more, or one left out or moved; a whole protocol only where the twin has one.
        if fix.change.startswith("write a temporary file"):
            assert re.search("temporary|rename|replace|one file", bug.fix), bug.fix
        else:
            change = fix.change.replace(", and its directory,", "")  # one helper of the twin's
            assert " and " not in change.removeprefix("fsync the file and its").split(":")[0]


def test_every_finding_replays(bug):
    _, outcome = checked(bug, "broken")
    assert all(finding.replays == "10/10" for finding in outcome.report.findings)
    assert not [v.note for v in outcome.report.verdicts if v.verdict in ("error", "inconclusive")]


def test_the_twin_keeps_every_promise(bug):
    _, outcome = checked(bug, "fixed")
    assert [finding.summary for finding in outcome.report.findings] == []
    for verdict in outcome.report.verdicts:
        assert verdict.verdict == "held", verdict
        assert verdict.faults > 0
    assert outcome.exit_code() == 0
