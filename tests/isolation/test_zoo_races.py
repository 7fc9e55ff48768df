"""Every racing store of the zoo is found at its line, with its shortest schedule; its twin is not.

A few by default; all of them, at default effort, with ``HARNESS_FULL=1``.
"""

import os
from functools import cache

import pytest

from harness.finding import load_reproduction
from harness.intercept import rerouted
from harness.isolation.again import race_in
from harness.isolation.racing import prepared
from harness.isolation.staging import run_race
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.replay import replay
from harness.runner import Plan, check
from harness.schedule import Schedule
from harness.subjects import load
from scenarios.zoo import all_bugs

pytestmark = pytest.mark.usefixtures("rerouted_throughout")

FULL = os.environ.get("HARNESS_FULL") == "1"
SOME = ("lost_update", "locks_in_opposite_order")  # threads: see test_replaying
BUGS = [
    bug
    for bug in all_bugs(5)
    if bug.since == 5 and bug.guarantee == "isolation" and (FULL or bug.name in SOME)
]
# Deeper than a quick look goes.
DEEP = ("lock_file_left_behind", "lock_file_removed", "sweep_takes_live_file")

SHORTEST = {
    "check_then_create": "A*2 B+",
    "delete_tidies_without_lock": "A*9 B+",
    "list_trips_over_delete": "B*7 A+",
    "lock_file_left_behind": "A*7 !A",
    "lock_file_removed": "B*7 A*27 B+",
    "locks_in_opposite_order": "A*8 B+",
    "lost_update": "A*7 B+",
    "lost_update_between_threads": "C+ B*9 A+",
    "reader_meets_wiped_file": "B*7 A+",
    "reader_sees_half_a_value": "B*12 A+",
    "shared_temporary_file": "A*7 B+",
    "sweep_takes_live_file": "B*10 A+",
}
"""What a person has to follow."""


@pytest.fixture(params=BUGS, ids=lambda bug: bug.name)
def bug(request):
    return request.param


@cache
def checked(name, effort):
    plan = Plan(subject=name, profiles=("kill", "ext4"), guarantees=("isolation",), effort=effort)
    return plan, check(plan)


def broken(bug):
    effort = "default" if bug.name in DEEP else "quick"
    return checked(f"scenarios.zoo.{bug.name}:broken", effort)


def test_it_is_found_under_every_profile(bug):
    _, outcome = broken(bug)
    assert {v.verdict for v in outcome.report.verdicts} == {"violated"}
    assert outcome.exit_code() == 1
    assert all(finding.replays == "10/10" for finding in outcome.report.findings)


def at_the_declared_line(bug):
    """The findings that blame the line the bug declares."""
    plan, outcome = broken(bug)
    declared = f"scenarios/zoo/{bug.name}.py", bug.culprit_at()[1]
    found = []
    for finding in outcome.report.findings:
        assert finding.culprit is not None, finding.summary
        reproduction = load_reproduction(outcome.repros[finding.id], finding.id)
        with rerouted(), quiet():
            race = race_in(reproduction)
            base, _ = prepared(plan.loaded, race, seed=reproduction.seed)
            schedule = Schedule.parse(reproduction.race.schedule)
            run = run_race(plan.loaded, race, base, schedule, seed=reproduction.seed)
        here = finding.culprit.file, finding.culprit.line
        # The declared line made the call, be it through a helper that several stores share.
        stacks = [step.at for step in run.steps if here in [frame[:2] for frame in step.at]]
        if any(declared == frame[:2] for at in stacks for frame in at):
            found.append(finding)
    return found


def test_the_declared_line_is_to_blame(bug):
    assert at_the_declared_line(bug), [f.culprit for f in broken(bug)[1].report.findings]


def test_its_schedule_is_the_shortest_and_a_person_can_follow_it(bug):
    finding = at_the_declared_line(bug)[0]
    told = finding.fault["timeline"]
    assert finding.fault["schedule"] == SHORTEST[bug.name], "\n".join(told)
    assert Schedule.parse(finding.fault["schedule"]).switches <= 3
    assert len(told) <= 6
    if finding.kind == "deadlock":
        assert "waits for" in finding.fault["cycle"]
        assert "held by" in finding.fault["cycle"]


def test_a_replay_is_exact_every_time(bug):
    plan, outcome = broken(bug)
    for finding in outcome.report.findings:
        reproduction = load_reproduction(outcome.repros[finding.id], finding.id)
        for _ in range(10):
            result = replay(plan.loaded, reproduction, PROFILES)
            assert (result.outcome, result.exact) == ("reproduced", True)
            assert result.detail == finding.observed


def test_on_the_twin_it_no_longer_happens(bug):
    _, outcome = broken(bug)
    fixed = load(f"scenarios.zoo.{bug.name}:fixed")
    for finding in outcome.report.findings:
        reproduction = load_reproduction(outcome.repros[finding.id], finding.id)
        assert replay(fixed, reproduction, PROFILES).outcome == "no longer"


def test_the_twin_holds(bug):
    _, outcome = checked(f"scenarios.zoo.{bug.name}:fixed", "default" if FULL else "quick")
    assert [finding.summary for finding in outcome.report.findings] == []
    assert {v.verdict for v in outcome.report.verdicts} == {"held"}, outcome.report.verdicts
    # How many crash states are visited is the effort's affair; every schedule is, in any case.
    assert all(v.faults > 0 for v in outcome.report.verdicts)
    assert all("every schedule with at most" in (v.note or "") for v in outcome.report.verdicts)
