"""One schedule, one run: switching, waiting, dying, and the same bytes every time."""

import pytest

from harness.ops import delete, listing, read, write
from harness.schedule import ConcurrentWorkload, Schedule, Uniform, run_schedule
from harness.trace import dump_line
from tests.schedule.conftest import TWO_WRITES, Plain, subject_of

PLAIN = subject_of(Plain)


def outcome(found):
    """Everything a run says, as text."""
    return (
        str(found.taken),
        [dump_line(record) for record in found.records],
        [str(step) for step in found.steps],
        [(str(event), event.invoked, event.returned, repr(event.answer)) for event in found.events],
        str(found.stuck),
        found.image,
    )


@pytest.mark.parametrize("mode", ["processes", "threads"])
@pytest.mark.parametrize("seed", range(8))
def test_a_schedule_taken_gives_the_same_bytes_again(mode, seed):
    workload = ConcurrentWorkload(
        "mixed",
        (
            (write("a", b"1" * 5000), read("b")),
            (write("b", b"2"), delete("a"), listing()),
            (read("a"),),
        ),
        setup=(write("a", b"0"),),
        mode=mode,
    )
    first = run_schedule(PLAIN, workload, Uniform(str(seed)))
    text = str(first.taken)
    again = run_schedule(PLAIN, workload, Schedule.parse(text))
    assert outcome(again) == outcome(first)
    assert not again.diverged
    assert text.count(" ") > 2


def test_control_changes_hands_where_the_schedule_says():
    found = run_schedule(PLAIN, TWO_WRITES, Schedule.parse("A*6 B+ A+"))
    writers = [step.writer for step in found.steps]
    assert writers[:6] == [0] * 6
    assert writers[6] == 1
    assert writers == sorted(writers[:6]) + [1] * writers.count(1) + [0] * (writers.count(0) - 6)
