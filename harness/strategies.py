"""Hypothesis strategies for workloads, and values out of a subject's own strategies.

The only engine room that needs Hypothesis; imported where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from harness.disk.calls import CALLS
from harness.errors import UsageError
from harness.faults import ERRORS, Fault, Full
from harness.ops import Workload
from harness.subjects import Subject
from harness.workloads import compose

try:
    import hypothesis
    from hypothesis import strategies as st
except ImportError:
    raise UsageError("this needs Hypothesis; install checkpoint-harness[pytest]") from None

__all__ = ["Drawn", "draw_distinct", "faults", "workloads"]

T = TypeVar("T")


class Drawn:
    """Choices that Hypothesis makes, and can shrink."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return int(self._draw(st.integers(low, high)))

    def pick(self, choices: Sequence[T]) -> T:
        chosen: T = self._draw(st.sampled_from(choices))
        return chosen


@st.composite
def workloads(draw: st.DrawFn, keys: Sequence[str] = (), *, syncs: bool = False) -> Workload:
    """Draw workloads by the same grammar as ``harness check``.

    Args:
        draw: Hypothesis's.
        keys: Keys to use; drawn where there are none.
        syncs: Whether the store has a sync to call.
    """
    return compose(Drawn(draw), "drawn", keys, syncs=syncs)


_STRUCK = ("write", "fsync", "open", "rename", "close", "unlink", "link", "mkdir", "ftruncate",
           "pwrite", "fdatasync", "read", "flock", "scandir", "listdir", "stat")  # fmt: skip
"""Calls that stores make, those first that tell most: Hypothesis shrinks towards the first."""

_BLOCK = 4096


@st.composite
def faults(draw: st.DrawFn) -> Fault | Full:
    """Draw a failing call or a full disk; whether it fires is up to the store."""
    if draw(st.integers(0, 5)) == 5:  # noqa: PLR2004 - one in six
        if draw(st.booleans()):
            return Full(draw(st.integers(1, 6)), "inodes")
        return Full(_BLOCK * draw(st.integers(0, 6)), "bytes")
    call = draw(st.sampled_from(_STRUCK))
    error = draw(st.sampled_from(ERRORS[call]))
    after = None
    if CALLS[call].moves and draw(st.booleans()):
        after = draw(st.sampled_from((1, 512, 4096)))
    number, sticky = draw(st.integers(1, 8)), draw(st.booleans())
    return Fault(call, number, error, after, sticky)


def draw_distinct(subject: Subject, strategy: Any, name: str, count: int, seed: int) -> list[Any]:
    """Draw some different values from a subject's own strategy; equal seeds draw the same.

    Args:
        subject: For the error message.
        strategy: The strategy it declares.
        name: The attribute it declares it with.
        count: How many.
        seed: Of the draw.

    Raises:
        UsageError: It is not a strategy, or has fewer different values than needed.
    """
    if not isinstance(strategy, st.SearchStrategy):
        raise UsageError(
            f"subject {subject.name}: {name} must be a Hypothesis strategy, "
            f"not a {type(strategy).__name__}"
        )
    found: list[list[Any]] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=20,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.lists(strategy, min_size=count, max_size=count, unique=True))
    def collect(values: list[Any]) -> None:
        found.append(values)

    try:
        collect()
    except hypothesis.errors.HypothesisException as error:
        raise UsageError(
            f"subject {subject.name}: {name} gives fewer than {count} different values: {error}"
        ) from None
    # Hypothesis begins with the simplest; a later draw has more to it.
    return found[-1]
