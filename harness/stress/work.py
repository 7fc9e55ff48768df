"""What a worker process of a stress run does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from harness.errors import BaselineError
from harness.finding import Candidate
from harness.history import record
from harness.partial import Settled
from harness.quiet import quiet
from harness.settling import settle
from harness.stress.keeping import Kept
from harness.stress.records import RoundRecord, Stress, Tried
from harness.stress.rounds import run_round, try_plan
from harness.workloads import standing

__all__ = ["FIRST", "Task", "start"]

Task: TypeAlias = tuple[str, Any]
"""``first``: does the store work at all; ``round``: a key; ``settle``: a cause to shrink;
``try``: a round's key and a smaller plan of it."""

FIRST: Task = ("first", None)


def start(stress: Stress) -> Callable[[Task, Callable[[Any], None]], Any]:
    """Begin: the subject is loaded once.

    Args:
        stress: The run.

    Returns:
        What does a task.
    """
    kept = Kept(stress.directory)
    kept.recall()
    subject = stress.plan.loaded

    def work(
        task: Task, say: Callable[[Any], None]
    ) -> RoundRecord | Tried | Settled | BaselineError | None:
        what, about = task
        if what == "first":
            try:
                keys = stress.traits.keys
                workload = standing(keys)[0] if keys else standing()[0]
                if not stress.values:
                    with quiet():
                        record(subject, workload, seed=stress.plan.seed)
            except BaselineError as error:
                return BaselineError(str(error))
            return None
        if what == "settle":
            one: Candidate = about
            return settle(stress.plan, one)
        if what == "try":
            return try_plan(stress, about[1])

        def keep(order: int, one: Candidate) -> None:
            # On disk first, then said: whoever listens may be gone.
            kept.keep(order, one)
            say(one.id)

        return run_round(stress, about, keep)

    return work
