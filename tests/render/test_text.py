"""The report for a terminal: numbers of any size stand apart, in 80 columns."""

import re

import msgspec

from harness.render.text import as_text

from .told import report_of, verdict

LARGE = {"workloads": 43, "faults": 16_762, "crash_states": 1_232_250}


def table(verdicts):
    lines = as_text(report_of([], verdicts), None).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("profile"))
    return lines[first : lines.index("", first)]


def test_numbers_stand_apart_and_long_coverage_goes_on_below():
    sampled = {"exhaustive": False, "crash_states_possible": 46_036_014_484_477}
    verdicts = [
        msgspec.structs.replace(verdict("clean-failure", "ext4-dioread-lock", "held"), **LARGE),
        msgspec.structs.replace(
            verdict("atomicity", "ext4-dioread-lock", "held"), **LARGE, **sampled
        ),
    ]
    lines = table(verdicts)
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if "43" in line]
    for row in rows[:2]:
        assert re.search(r" 43 +16,762 +1,232,250 ", row), row
    assert "46,036,014,484,477" in " ".join(lines)
    # A column's heading ends where its numbers do.
    for head, number in zip(
        ("workloads", "faults", "states"), ("43", "16,762", "1,232,250"), strict=True
    ):
        ends = {lines[0].index(head) + len(head), rows[0].index(number) + len(number)}
        assert len(ends) == 1, head
