"""All figures by one command: ``python -m tests.benchmarks [--out DIR] [--fast]``.

A table on stdout, then the same as one JSON document (in DIR/benchmarks.json with --out). Ratios
compare figures of the same run.
"""

# ruff: noqa: T201 - printing figures is what this is for

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness.examine import examine
from harness.guarantees import GUARANTEES, INJECTED
from harness.history import record
from harness.image import from_tree
from harness.intercept import rerouted
from harness.ops import Workload, write
from harness.persistence import profile
from harness.quiet import quiet
from harness.recovery import Prober
from harness.subjects import load
from harness.unit import Depth, run_unit
from tests.benchmarks import schedules
from tests.benchmarks.stores import OneFile

VALUES = {"a": b"x" * 100, "b": b"y" * 700}


def rate(check: Callable[[], None], seconds: float = 2.0) -> float:
    """How often a check runs in a second."""
    count, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < seconds:
        for _ in range(50):
            check()
        count += 50
    return count / took


def peak() -> float:
    """Most MiB this process has had at once.

    Of the process alone: getrusage counts what its parent had when it was started, too.
    """
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1]) / 1024


def recovered(directory: str) -> None:
    """Open, list, read all, judge."""
    store = OneFile(directory)
    names = store.list()
    assert {name: store.read(name) for name in names} == VALUES


def checks() -> dict[str, float]:
    """The same recovery check on our disk, on pyfakefs, and on tmpfs."""
    subject = load("tests.benchmarks.stores:OneFile")
    found = {}
    with rerouted(), quiet():
        prober = Prober(subject, ("a", "b"), follow=False, reuse=False)

        def ours() -> None:
            image = from_tree({f"store/{name}": value for name, value in VALUES.items()})
            assert prober.probe(image).first.values == VALUES

        found["checks executed/s"] = rate(ours)
    root = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)

    def build(directory: str) -> None:
        os.makedirs(directory)
        for name, value in VALUES.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(value)

    def on_tmpfs() -> None:
        build(root + "/store")
        recovered(root + "/store")
        shutil.rmtree(root + "/store")

    found["the same on tmpfs/s"] = rate(on_tmpfs)
    shutil.rmtree(root)
    from pyfakefs.fake_filesystem_unittest import Patcher  # noqa: PLC0415 - after our own rerouting

    with Patcher() as patcher:
        assert patcher.fs is not None

        def on_pyfakefs() -> None:
            patcher.fs.reset()
            build("/store")
            recovered("/store")

        found["the same on pyfakefs/s"] = rate(on_pyfakefs)
    found["ratio to pyfakefs"] = found["checks executed/s"] / found["the same on pyfakefs/s"]
    return found


def judged(states: int) -> dict[str, float]:
    """Judge about so many crash states of the reference manager; time and memory."""
    subject = load("harness.reference.subjects:hardened")
    workload = Workload(
        "big", (write("a", b"x" * 40_000), write("a", b"y" * 40_000), write("b", b"z" * 20_000))
    )
    with rerouted(), quiet():
        recording = record(subject, workload)
        prober = Prober(subject, workload.keys)
        start = time.perf_counter()
        coverage, _ = examine(recording, profile("ext4"), prober, budget=states, mixed=False)
        seconds = time.perf_counter() - start
    return {
        "states": coverage.judged,
        "executed": prober.executed,
        "seconds": seconds,
        "states/s": coverage.judged / seconds,
        "peak MiB": peak(),
    }


def long_log(which: str, operations: int) -> dict[str, float]:
    """Judge an append log by crashes as ``harness check`` does, under ext4 and posix."""
    subject = load(f"tests.benchmarks.stores:{which}_log")
    keys = "abcdefgh"
    workload = Workload(
        "log", tuple(write(keys[number % 8], b"%d" % number) for number in range(operations))
    )
    crashes = frozenset(subject.guarantees or GUARANTEES) - set(INJECTED)
    start, states, executed, windows = time.process_time(), 0, 0, 0
    for name in ("ext4", "posix"):
        result = run_unit(
            subject, workload, (profile(name),), crashes, Depth(budget=1500, mixed=True), seed=0
        )
        assert not result.errors
        states += result.judged
        executed += result.executed
        windows += result.coverage[name].faults
    return {
        "operations": operations,
        "states": states,
        "positions visited": windows,
        "executed": executed,
        "CPU seconds": time.process_time() - start,
        "peak MiB": peak(),
    }


def _apart(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False
    ).stdout


def imports() -> dict[str, float]:
    """Milliseconds that importing harness adds to starting Python."""
    code = "import time; t = time.perf_counter(); import harness; print(time.perf_counter() - t)"
    return {"import ms": 1000 * statistics.median(float(_apart("-c", code)) for _ in range(9))}


def whole_check(workers: int) -> dict[str, float]:
    """Seconds and peak memory of ``harness check`` on the reference at default effort."""
    code = (
        "import resource, sys, time; from harness.runner import Plan, check\n"
        "if __name__ == '__main__':\n"
        " start = time.perf_counter(); check(Plan(workers=int(sys.argv[1])))\n"
        " memory = [resource.getrusage(who).ru_maxrss for who in\n"
        "           (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]\n"
        " print(time.perf_counter() - start, max(memory) / 1024)\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory, "whole.py")
        script.write_text(code)
        seconds, memory = map(float, _apart(str(script), str(workers)).split())
    return {"seconds": seconds, "peak MiB": memory}


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, help="directory for benchmarks.json")
    parser.add_argument(
        "--fast", action="store_true", help="without whole checks, long logs and 100,000 states"
    )
    parser.add_argument("--states", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--log", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.states:
        print(json.dumps(judged(options.states)))
        return
    if options.log:
        print(json.dumps(long_log(options.log[0], int(options.log[1]))))
        return
    found: dict[str, dict[str, float]] = {}

    def note(name: str, figures: dict[str, float]) -> None:
        """Print as it comes: who stops the long ones keeps what was measured."""
        found[name] = figures
        for what, figure in figures.items():
            print(f"{name:24} {what:24} {figure:14,.1f}", flush=True)

    note("checks", checks())
    note("import", imports())
    if not options.fast:
        # First of the long ones: they are what an idle machine is needed for.
        one, two = whole_check(1), whole_check(2)
        note("harness check -n 1", one)
        note("harness check -n 2", two | {"times as fast as -n 1": one["seconds"] / two["seconds"]})
    for name, figures in schedules.figures().items():
        note(name, figures)
    for states in (10, 100, 1_000, 10_000, *(() if options.fast else (100_000,))):
        # Each in a process of its own: peak memory never falls.
        text = _apart("-m", "tests.benchmarks", "--states", str(states))
        note(f"growth {states}", json.loads(text))
    for which in ("synced", "unsynced"):
        for operations in (100, *(() if options.fast else (1_000, 10_000))):
            text = _apart("-m", "tests.benchmarks", "--log", which, str(operations))
            note(f"{which} log {operations}", json.loads(text))
    text = json.dumps(found, indent=2)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "benchmarks.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
