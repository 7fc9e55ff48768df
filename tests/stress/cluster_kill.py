"""A run on a local Dask cluster, one worker of which is killed after the second round.

python tests/stress/cluster_kill.py SUBJECT DIRECTORY ROUNDS
"""

import os
import signal
import sys

from harness.cluster import connected
from harness.runner import Plan
from harness.stress.engine import Engine
from harness.stress.files import write_report
from harness.stress.records import Stress
from harness.stress.report import made


def main(subject, directory, rounds):
    plan = Plan(subject, ("posix",), ("recovery",), "quick")
    stress = Stress(plan, directory, rounds=int(rounds))
    engine, done = Engine(stress), 0
    with connected("local:2", stress) as pool:
        pids = sorted(pool.client.run(os.getpid).values())

        def told(event):
            nonlocal done
            if event is None or event.kind != "done":
                return  # a moment has passed, or something was found
            done += 1
            if done == 2:
                os.kill(pids.pop(), signal.SIGKILL)

        with pool:
            engine.run(pool, told)
            settled = engine.settle(pool, told)
        after = sorted(pool.client.run(os.getpid).values())
    write_report(engine.kept.path, made(stress.header, engine.tally, settled, engine.elapsed))
    engine.close()
    assert len(pids) == 1
    assert set(after) != {*pids}, "the worker that was killed has been replaced by another"


if __name__ == "__main__":
    main(*sys.argv[1:])
