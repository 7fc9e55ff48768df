"""An exhibit tells what happened: what it shows agrees with the finding, and with the disk.

A few bugs of the zoo by default; all of them with ``HARNESS_FULL=1``.
"""

import itertools
import os
import re

import pytest

from harness.exhibit import exhibit
from harness.finding import load_reproduction
from harness.persistence import PROFILES
from harness.render.html import as_html
from harness.runner import Plan, check
from scenarios.zoo import all_bugs

FULL = os.environ.get("HARNESS_FULL") == "1"
SOME = (
    "rename_without_fsync",  # reordered
    "no_directory_sync",  # lost
    "slots_without_checksum",  # torn
    "recovery_deletes_good_copy",  # a crash during recovery
    "short_write_ignored",  # a failing call
    "no_checksum",  # rot
    "temporary_file_left_on_error",  # repetition
    "lost_update",  # a race
)


@pytest.fixture(
    scope="module",
    params=[bug for bug in all_bugs() if FULL or bug.name in SOME],
    ids=lambda bug: bug.name,
)
def told(request):
    bug = request.param
    subject = f"scenarios.zoo.{bug.name}:broken"
    plan = Plan(subject, () if FULL else ("posix",), (bug.guarantee,), "quick")
    outcome = check(plan)
    shown = {}
    for finding in outcome.report.findings:
        again = load_reproduction(outcome.repros[finding.id], finding.id)
        shown[finding.id] = again, finding, exhibit(plan.loaded, again, finding, PROFILES)
    return outcome.report, shown


def test_every_finding_can_be_shown(told):
    _, shown = told
    for _, finding, found in shown.values():
        assert found is not None, finding.summary
        assert found.acts
        assert all(act.steps for act in found.acts)


def test_what_is_struck_out_is_what_the_finding_lost(told):
    _, shown = told
    for again, finding, found in shown.values():
        if again.fault is not None or again.rot is not None or not _cut(again):
            continue
        act = found.acts[-1 - (again.race is not None and again.race.recovering is not None)]
        parts = sorted(part for step in act.steps for part in step.lost)
        assert parts == sorted(part for _, part in finding.lost)
        assert {step.fate in ("lost", "partly", "torn") for step in act.steps if step.lost} <= {
            True
        }
        made = [step.number for step in act.steps if step.fate != "never"]
        assert made == list(range(1, len(made) + 1))
        assert len(made) == act.crash_after + act.in_call


def _cut(again):
    return again.race is None or again.race.cut


def test_each_writer_of_a_race_has_a_lane_and_the_calls_are_those_of_its_schedule(told):
    _, shown = told
    for again, finding, found in shown.values():
        if again.race is None:
            continue
        act = found.acts[0]
        assert act.lanes == tuple("ABC"[: len(again.race.writers)])
        turns = [name for name, _ in itertools.groupby(step.writer for step in act.steps)]
        planned = re.findall("[A-Z]", again.race.schedule)
        wanted = [name for name, _ in itertools.groupby(planned)]
        # A schedule says no more than it must: after it the running writer goes on, then the
        # lowest that can, each to its end.
        left = turns[len(wanted) :]
        assert turns[: len(wanted)] == wanted[: len(turns)]
        assert left == sorted(set(left)), (again.race.schedule, turns)
        assert len(turns) > 1
        assert any(step.culprit for step in act.steps) == (finding.culprit is not None)
        for span in act.spans:
            assert all(step.writer in act.lanes for step in act.steps[span.first - 1 : span.last])
        page = as_html(told[0], {finding.id: found})
        assert page.count('class="lane"') % len(act.lanes) == 0
        assert 'class="strip lanes"' in page


def test_the_line_to_blame_is_marked_in_timeline_and_source(told):
    _, shown = told
    for again, finding, found in shown.values():
        if finding.culprit is None or not found.sources:
            continue
        place = f"{finding.culprit.file}:{finding.culprit.line}"
        roles = [
            f"{source.file}:{line.number}"
            for source in found.sources
            for line in source.lines
            if line.role == "culprit"
        ]
        assert roles == [place]
        if again.fault is None and again.rot is None and again.race is None:
            assert [s for act in found.acts for s in act.steps if s.culprit and s.place == place]


def test_the_disk_shows_a_difference_where_something_was_lost_or_damaged(told):
    _, shown = told
    for again, finding, found in shown.values():
        if again.rot is not None:
            assert any(row.differs for row in found.disk)
        crashed = again.fault is None and again.rot is None and again.race is None
        if not finding.lost and crashed and not again.crash.torn:
            changed = [row for row in found.disk if row.differs]
            assert not changed or again.second is not None


def test_the_page_of_all_of_them_renders(told):
    report, shown = told
    exhibits = {name: found for name, (_, _, found) in shown.items()}
    page = as_html(report, exhibits)
    assert page.count("<article") == len(report.findings)
    assert page.count("<figure") == sum(len(found.acts) for found in exhibits.values())
