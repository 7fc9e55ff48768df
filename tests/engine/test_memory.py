"""What a check keeps does not grow with what is stored, or with the states and faults it tries."""

import subprocess
import sys

LIMIT_MIB = 256

UNIT = """
import resource
from harness.runner import Plan
from harness.unit import run_unit

plan = Plan()
big, = (one for one in plan.workloads if one.name == "big")
run_unit(plan.loaded, big, plan.models, frozenset(plan.judged), plan.depth, seed=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_unit_with_most_bytes_needs_little_memory():
    # In a process of its own: the peak of a process never falls.
    run = subprocess.run([sys.executable, "-c", UNIT], capture_output=True, text=True, check=True)
    assert int(run.stdout) / 1024 < LIMIT_MIB
