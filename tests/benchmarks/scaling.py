"""What 1,000 workers would do, computed from figures measured here.

    python -m tests.benchmarks.scaling > reports/scaling.md

Times are CPU times where that is possible: they do not depend on who else uses the machine.
"""

# ruff: noqa: ARG005, PLC0415, T201 - a page of text, printed

import pickle
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness.cluster import begin
from harness.runner import REFERENCE, Plan
from harness.stress.engine import Engine
from harness.stress.journal import Journal
from harness.stress.plans import dump_plan
from harness.stress.records import Stress

WORKERS = 1000
ROUNDS = 12
_USED = 0.8
"""Part of what a process or a disk can do at most that is planned for."""


def rounds(stress):
    """CPU seconds and bytes of each round, as a worker of a cluster does it."""
    work = begin(stress)
    seconds, sizes, states = [], [], 0
    for number in range(ROUNDS):
        record, found = work(("round", str(number)), lambda said: None)
        seconds.append(record.seconds)
        sizes.append(len(pickle.dumps((record, found))))
        states += record.states
    return seconds, sizes, states


def appends():
    """Journal lines a second, each durable, and their CPU time."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(str(Path(directory) / "run"))
        started, cpu = time.perf_counter(), time.process_time()
        for _ in range(300):
            journal.append(b"x" * 800)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        journal.close()
    return 300 / wall, cpu / 300


def nothing(number):
    return number


def scheduler():
    """CPU seconds that the scheduler and the client need for one task of a local Dask cluster."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.gather(client.map(nothing, range(50), pure=False))
        cpu = time.process_time()
        client.gather(client.map(nothing, range(1000), pure=False))
        return (time.process_time() - cpu) / 1000


def together(workers):
    """Wall seconds of the rounds, and CPU seconds of the main process and of all workers."""
    with tempfile.TemporaryDirectory() as directory:
        stress = Stress(Plan(REFERENCE), f"{directory}/run", rounds=ROUNDS, workers=workers)
        engine = Engine(stress)
        main, below = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        with engine.pool() as pool:
            engine.run(pool, lambda event: None)
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        engine.close()
        children = after.ru_utime + after.ru_stime - below.ru_utime - below.ru_stime
        return wall, time.process_time() - main, children


def main():
    stress = Stress(Plan(REFERENCE), ".")
    seconds, results, states = rounds(stress)
    mean = statistics.mean(seconds)
    task = len(pickle.dumps(("round", "123456")))
    setup = len(pickle.dumps(stress.bare))
    plan = statistics.mean(len(dump_plan(stress.drawn(str(n)))) for n in range(100))
    per_second, append_cpu = appends()
    task_cpu = scheduler()
    rate = WORKERS / mean
    one, two = together(1), together(2)
    by_scheduler, by_journal = _USED * mean / task_cpu, _USED * per_second * mean
    per_client = max(int(min(by_scheduler, by_journal, WORKERS)), 1)
    serial = two[1] / (two[1] + two[2])
    print(f"""# What 1,000 workers would do

Computed from figures measured on one machine by `python -m tests.benchmarks.scaling`, on the
reference store. Change the code, run it again.

| measured | |
|---|---|
| CPU time of a round, mean of {ROUNDS} | {mean:.2f} s (from {min(seconds):.2f} to {
        max(seconds):.2f}) |
| crash states judged in a round | {states / ROUNDS:,.0f} |
| a task, pickled | {task:,} bytes |
| what a worker is given once, pickled | {setup:,} bytes |
| what comes back from a round, pickled | {statistics.mean(results):,.0f} bytes |
| a plan of the corpus | {plan:,.0f} bytes |
| scheduler and client, CPU time for a task | {task_cpu * 1e3:.2f} ms |
| journal, CPU time for a durable line | {append_cpu * 1e6:.0f} us ({
        per_second:,.0f} lines a second here) |
| `-n 1`: wall, CPU of the main process, CPU of the worker | {one[0]:.1f} s, {one[1]:.2f} s, {
        one[2]:.1f} s |
| `-n 2`: the same | {two[0]:.1f} s, {two[1]:.2f} s, {two[2]:.1f} s |

## One machine

`-n 2` took {one[0] / two[0]:.2f} times less wall time than `-n 1` while this was measured; other
programs may have run. What does not depend on them: the main process uses {serial:.1%} of the CPU
time, and by Amdahl's law that alone allows {1 / (serial + (1 - serial) / 2):.2f} times with two
workers.

## A thousand workers

- **Work.** {rate:,.0f} rounds a second, {rate * states / ROUNDS:,.0f} crash states a second.
- **Scheduler.** {rate:,.0f} tasks a second need {rate * task_cpu:.1f} CPU seconds a second of the
  scheduler and the client. One process does {_USED:.0%} of a second's work in a second: that serves
  {by_scheduler:,.0f} workers.
- **Network.** {rate * (task + statistics.mean(results)) / 1e6:.2f} MB a second to and from the
  client; {setup * WORKERS / 1e6:.1f} MB once, to tell all workers the run.
- **Journal.** {rate:,.0f} durable lines a second; one line at a time this disk takes
  {per_second:,.0f}. At {_USED:.0%} of that one client's disk serves {by_journal:,.0f} workers.
- **So** the {
        "journal" if by_journal < by_scheduler else "scheduler"
    } is what ends first: one client keeps {per_client:,.0f} workers busy, and {
        WORKERS:,} workers take {-(-WORKERS // per_client):,} clients, each with its shard
  (`--shard K/{-(-WORKERS // per_client)}`), its own scheduler and its own disk, joined by
  `harness merge`. Shards need no coordinator.
- **Corpus.** A plan is {plan / 1000:.1f} kB; a corpus of 200 is {plan * 200 / 1e6:.2f} MB, sent
  once to each worker: {
        plan * 200 * WORKERS / 1e6:,.0f} MB at the start, and nothing while it runs.""")
    return 0


if __name__ == "__main__":
    sys.exit(main())
