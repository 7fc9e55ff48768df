"""What a check keeps does not grow with what is stored, or with the states and faults it tries."""

import gc
import subprocess
import sys

import pytest

from harness.examination import Examination
from harness.examine import examine
from harness.history import record
from harness.intercept import rerouted
from harness.ops import Workload, write
from harness.persistence import profile
from harness.quiet import quiet
from harness.recovery import Observation, Prober
from harness.subjects import load

LIMIT_MIB = 256

# VmHWM, not getrusage: that counts what the parent had when the process was started, too.
UNIT = """
from pathlib import Path
from harness.runner import Plan
from harness.unit import run_unit

plan = Plan()
big, = (one for one in plan.workloads if one.name == "big")
run_unit(plan.loaded, big, plan.models, frozenset(plan.judged), plan.depth, seed=0)
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line for line in lines if line.startswith("VmHWM")).split()[1])
"""


def test_the_unit_with_most_bytes_needs_little_memory():
    # In a process of its own: the peak of a process never falls.
    run = subprocess.run([sys.executable, "-c", UNIT], capture_output=True, text=True, check=True)
    assert int(run.stdout) / 1024 < LIMIT_MIB


@pytest.mark.parametrize("reuse", [False, True])
def test_what_recoveries_showed_is_kept_only_to_be_used_again(monkeypatch, reuse):
    most, judged = [0], Examination.violations

    def counting(self, state, observation):
        alive = sum(type(one) is Observation for one in gc.get_objects())
        most[0] = max(most[0], alive)
        return judged(self, state, observation)

    monkeypatch.setattr(Examination, "violations", counting)
    subject = load("harness.reference.subjects:hardened")
    workload = Workload("some", tuple(write("a", value) for value in (b"1", b"2", b"3", b"4")))
    with rerouted(), quiet():
        recording = record(subject, workload)
        prober = Prober(subject, workload.keys, reuse=reuse)
        examine(recording, profile("posix"), prober, budget=500, mixed=False)
    assert prober.executed > 10
    assert (most[0] < 10) is not reuse
