"""A schedule is data: it prints, parses, shrinks."""

import pytest

from harness.errors import UsageError
from harness.schedule import Crash, Kill, Run, Schedule


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", ()),
        ("A", (Run(0, 1),)),
        ("A*3 B+ A+", (Run(0, 3), Run(1), Run(0))),
        ("A*3 !A B+", (Run(0, 3), Kill(0), Run(1))),
        ("A*12 B !", (Run(0, 12), Run(1, 1), Crash())),
        ("Z W27*2 !W28", (Run(25, 1), Run(26, 2), Kill(27))),
    ],
)
def test_text_and_data_are_the_same(text, steps):
    schedule = Schedule.parse(text)
    assert schedule.steps == steps
    assert str(schedule) == text


@pytest.mark.parametrize("text", ["a", "A*", "A*0", "A*3+", "!A*3", "!+", "A B- C", "*3", "+"])
def test_what_is_no_schedule_is_refused_by_its_word(text):
    with pytest.raises(UsageError, match="is no step; write A"):
        Schedule.parse(text)


def test_neighbours_of_one_writer_are_one_step():
    assert str(Schedule.parse("A A A*2 B B+ A")) == "A*4 B+ A"


def test_switches_and_preemptions_are_counted():
    schedule = Schedule.parse("A*3 B*2 A+ B+")
    assert schedule.switches == 3
    assert schedule.preemptions == 2
