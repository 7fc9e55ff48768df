"""Concurrent writers, deterministically: schedules as data, one run of one, exploration of all."""

from harness.schedule.explore import Exploration
from harness.schedule.interleaving import ConcurrentEvent, Interleaving, Stuck, Taken
from harness.schedule.policy import PCT, Follow, Policy, Uniform
from harness.schedule.run import prepare, run_schedule
from harness.schedule.schedule import Crash, Kill, Run, Schedule, Step, writer_name
from harness.schedule.workload import ConcurrentWorkload

__all__ = [
    "PCT",
    "ConcurrentEvent",
    "ConcurrentWorkload",
    "Crash",
    "Exploration",
    "Follow",
    "Interleaving",
    "Kill",
    "Policy",
    "Run",
    "Schedule",
    "Step",
    "Stuck",
    "Taken",
    "Uniform",
    "prepare",
    "run_schedule",
    "writer_name",
]
