"""Memory stays flat: a round that is done again leaves nothing behind in its worker.

Counted in objects, which do not depend on the machine; `reports/scaling.md` has bytes over time.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROUNDS = ("6", "50")

SCRIPT = """
import gc, json, sys
from harness.plan import REFERENCE, Plan
from harness.stress.records import Stress
from harness.stress.rounds import run_round

plan = Plan(subject=REFERENCE, effort="quick", seed=1)
run = Stress(plan, sys.argv[1], rounds=100)
kept = []

def keep(order, candidate):
    if sys.argv[2] == "leak":
        kept.append([candidate])

counts, features = [], set()
for _ in range(4):
    for key in sys.argv[3:]:
        record = run_round(run, key, keep)
        features.update(record.features)
        if sys.argv[2] == "leak":
            kept.append([record])
        del record
    gc.collect()
    counts.append(len(gc.get_objects()))
    counts[:] = counts[-2:]
sys.__stdout__.write(json.dumps([counts, sorted(features)]))
"""


def counted(tmp_path, how):
    words = [sys.executable, "-c", SCRIPT, str(tmp_path / "run"), how, *ROUNDS]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_worker_holds_no_more_after_a_round_than_before_it(tmp_path):
    (before, after), features = counted(tmp_path, "sound")
    assert {"several-writers", "chain"} <= set(features)
    assert after == before


def test_the_count_sees_what_is_kept(tmp_path):
    (before, after), _ = counted(tmp_path, "leak")
    assert after > before
