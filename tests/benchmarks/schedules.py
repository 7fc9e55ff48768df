"""Schedules a second, and what pruning saves: ``python -m tests.benchmarks.schedules``."""

# ruff: noqa: T201 - printing figures is what this is for

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from harness.intercept import rerouted
from harness.ops import delete, read, write
from harness.quiet import quiet
from harness.schedule import ConcurrentWorkload, Exploration, Schedule, Uniform, prepare
from harness.schedule.carriers import Baton, Carriers
from harness.schedule.policy import Follow
from harness.schedule.run import run_policy
from harness.subjects import load

__all__ = ["explored", "figures", "schedules", "switches"]

REFERENCE = "harness.reference.subjects:hardened"
RACE = ConcurrentWorkload("race", ((write("a", b"1" * 100),), (write("a", b"2" * 700),)))
MIXED = ConcurrentWorkload(
    "mixed",
    ((write("a", b"1" * 100), read("b")), (write("b", b"2" * 700), delete("a"))),
    setup=(write("a", b"0"),),
)


def schedules(seconds: float = 2.0) -> dict[str, float]:
    """Single schedules a second, by CPU time: few switches, and one at nearly every turn."""
    subject = load("tests.benchmarks.stores:OneFile")
    found = {}
    for mode in ("processes", "threads"):
        workload = ConcurrentWorkload("race", RACE.writers, mode=mode)  # type: ignore[arg-type]
        base = prepare(subject, workload)
        for name, policy in (
            ("two preemptions", lambda _: Follow(Schedule.parse("A*6 B*4 A+ B+"))),
            ("at random", lambda number: Uniform(str(number))),
        ):
            with rerouted(), quiet(), Carriers() as carriers:
                count, start = 0, time.process_time()
                while (took := time.process_time() - start) < seconds:
                    for _ in range(20):
                        run_policy(subject, workload, policy(count), carriers, base=base)
                        count += 1
            found[f"{mode}, {name}/s"] = count / took
    return found


def switches(count: int = 20_000) -> dict[str, float]:
    """Microseconds that a change of writers costs: two threads with a baton, two greenlets."""
    found = {"baton us": _batons(count)}
    greenlets = _greenlets(count)
    if greenlets is not None:
        found["greenlet us"] = greenlets
    return found


def _batons(count: int) -> float:
    one, other = Baton(), Baton()

    def run() -> None:
        for _ in range(count):
            other.take()
            one.give()

    thread = threading.Thread(target=run)
    thread.start()
    start = time.perf_counter()
    for _ in range(count):
        other.give()
        one.take()
    took = time.perf_counter() - start
    thread.join()
    return took / count / 2 * 1e6


def _greenlets(count: int) -> float | None:
    try:
        from greenlet import getcurrent, greenlet  # noqa: PLC0415 - only this figure wants it
    except ImportError:
        return None
    main = getcurrent()

    def run() -> None:
        while True:
            main.switch()

    other = greenlet(run)
    switch: Callable[[], object] = other.switch
    switch()
    start = time.perf_counter()
    for _ in range(count):
        switch()
    return (time.perf_counter() - start) / count / 2 * 1e6


def explored() -> dict[str, float]:
    """All schedules with at most two preemptions of two writers on the reference manager."""
    found = {}
    subject = load(REFERENCE)
    for workload in (RACE, MIXED):
        with quiet():
            search = Exploration(subject, workload)
            start = time.process_time()
            for _ in search:
                pass
            took = time.process_time() - start
        assert search.exhaustive
        assert search.possible is not None
        found[f"{workload.name} possible"] = search.possible
        found[f"{workload.name} run to the end"] = search.visited
        found[f"{workload.name} run"] = search.runs
        found[f"{workload.name} reduction"] = search.possible / search.runs
        found[f"{workload.name} runs/s"] = search.runs / took
    return found


def figures() -> dict[str, dict[str, float]]:
    """Measure all of it."""
    return {"switch": switches(), "schedules": schedules(), "exploration": explored()}


def main() -> None:
    """Measure and print."""
    for name, found in figures().items():
        for what, figure in found.items():
            print(f"{name:16} {what:32} {figure:12,.1f}")


if __name__ == "__main__":
    main()
