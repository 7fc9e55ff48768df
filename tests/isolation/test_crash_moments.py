"""A crash right before an operation's last call finds it in flight, whoever ran in between."""

import pytest

from harness.history import Recording
from harness.intercept import rerouted
from harness.isolation.crashing import examination_of
from harness.isolation.races import standing_races
from harness.isolation.racing import prepared
from harness.isolation.staging import run_race
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.recovery import Prober
from harness.schedule import Schedule
from harness.subjects import load

# Its write ends with a rename, in the turn of which it returns.
SUBJECT = "harness.reference.subjects:kubelet_filestore"


@pytest.mark.parametrize("schedule", ["A*9 B+", "A*11 B+", "A*12 B+", "A*13 B+", "A+ B+"])
def test_a_write_that_returns_in_the_turn_of_its_last_call_has_not_returned_before_it(schedule):
    race = next(one for one in standing_races() if one.name == "processes: write and list")
    subject, kill = load(SUBJECT), PROFILES["kill"]
    with rerouted(), quiet():
        base, initial = prepared(subject, race, seed=0)
        run = run_race(subject, race, base, Schedule.parse(schedule), seed=0)
        recording = Recording(subject, race, base, initial, run.records, [], 0)
        prober = Prober(subject, race.keys, seed=0, follow=False)
        judge = examination_of(recording, run, kill, prober, budget=1500, durable=True)
        broken = [
            (state.first, one.kind)
            for state in judge.explorer.states()
            for one in judge.violations(state, judge.observe(state))
        ]
        new = run.history[1].operation.value
        before, after = judge.moments[-2].tick, judge.moments[-1].tick
    assert broken == []
    written = run.history[1]
    assert before < written.returned <= after
    number = len(judge.moments) - 1
    assert set(judge.allowed(number - 1, "b")) >= {new}
    assert len(judge.allowed(number - 1, "b")) == 2
    assert judge.allowed(number, "b") == (new,)
