"""Hygiene: what repeated crashes and failures leave behind.

One operation of a workload is crashed at the same call again and again, each time in a new process
on what the last one left, which it first has to recover; or it fails at the same call again and
again in one process, and its clean-up, too. Always the same keys are used, so whatever goes on
growing is not explained by them. What levels off is bounded by a constant (lock files, slots,
tombstones), and fine; so is what the next such operation that ends well clears away. Where
the store declares `sync`, one follows each change and counts as part of it.

What grows, by kind of violation:

- ``file-leak``: the files, crash by crash or failure by failure;
- ``descriptor-leak``: the descriptors of a process whose calls fail, or of one that opens the store
  again each time another one has died there;
- ``removal-lost``: files that a recovery had removed, and a power cut brings back, one more each
  time: their removal is never made durable. Each power cut leaves the most files that its profile
  allows.

A directory is listed in another order, too, where all is tried: no disk promises one. Growth in the
number of files is judged, not that of their sizes: a log grows until it is compacted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from harness.disk.calls import CALLS
from harness.errors import UsageError
from harness.faults import Fault, Full, faults_of, parse
from harness.history import Recording
from harness.persistence import Model
from harness.repeating import (
    Amounts,
    behind,
    calls_of,
    crashes,
    failures,
    operations_of_run,
    power_cuts,
    reopenings,
    strikes,
)
from harness.trace import Frame
from harness.violation import Violation

__all__ = [
    "DESCRIPTORS",
    "Leak",
    "Repeated",
    "Rounds",
    "judge_repeated",
    "leaks",
    "parse_repeated",
    "repetitions",
]

ROUNDS: Final = 6
"""Repetitions; growth in each of the last three is confirmed by `ROUNDS_CONFIRMED`."""

ROUNDS_CONFIRMED: Final = 20

_CUT: Final = ": power cut"
_BACKWARDS: Final = "; listed backwards"


@dataclass(frozen=True, slots=True)
class Repeated:
    """A fault in one operation, over and over.

    Attributes:
        operation: Number of the operation in `harness.repeating.operations_of_run`.
        fault: The fault; its calls are counted from the operation's start.
        cut: Whether it is the power that goes where the fault says that the process is killed.
        backwards: Whether directories are listed in reverse order.
    """

    operation: int
    fault: Fault
    cut: bool = False
    backwards: bool = False

    def __str__(self) -> str:
        fault = str(self.fault)
        if self.cut:
            fault = fault.removesuffix(": killed") + _CUT
        return f"repeat operation {self.operation}: {fault}{_BACKWARDS * self.backwards}"

    def strikes(self, recording: Recording) -> bool:
        """Tell whether a workload has that operation, and it makes such a call."""
        return self.operation < len(operations_of_run(recording)) and strikes(
            recording, self.operation, self.fault
        )


def parse_repeated(text: str) -> Repeated:
    """Read one back.

    Raises:
        UsageError: It is none.
    """
    found = re.fullmatch(r"repeat operation (\d+): (.*)", text)
    if found is not None:
        what = found[2].removesuffix(_BACKWARDS)
        cut = what.endswith(_CUT)
        fault = parse(what.removesuffix(_CUT) + ": killed" if cut else what)
        if not isinstance(fault, Full):
            return Repeated(int(found[1]), fault, cut, what != found[2])
    raise UsageError(
        f"repeated fault {text!r}: not understood; write it like "
        "'repeat operation 0: * #4: killed' (`harness list faults`)"
    )


@dataclass(slots=True)
class Leak:
    """Something that grows.

    Attributes:
        violation: What.
        at: The subject's frames where the last one of it was made.
        call: The call that made it, in words.
        profiles: Names of the models under which; None for all.
    """

    violation: Violation
    at: tuple[Frame, ...]
    call: str
    profiles: tuple[str, ...] | None = None


def repetitions(recording: Recording, *, short: bool) -> list[Repeated]:
    """List what to repeat: each call of each changing operation crashed, and each of any failed.

    Args:
        recording: The run without faults.
        short: Only the last changing operation, each failure by itself, directories in one order,
            and no power cuts.
    """
    found: list[Repeated] = []
    pairs: list[Repeated] = []
    operations = operations_of_run(recording)
    changing = [n for n, one in enumerate(operations) if one.kind in ("write", "delete")]
    looking = list(range(len(recording.workload.operations), len(operations)))
    for number in (*(changing[-1:] if short else changing), *looking):
        for seen in calls_of(recording, number):
            if number in changing and CALLS[seen.call].changes and seen.call != "close":
                crash = Repeated(number, Fault("*", seen.serial, killed=True))
                found.append(crash)
                if not short:
                    found.append(replace(crash, cut=True))
                    found.append(replace(crash, backwards=True))
            for fault in faults_of(seen, short=True):
                found.append(Repeated(number, fault))
                if not short:
                    pairs += [
                        Repeated(number, replace(fault, then=then))
                        for later in behind(recording, number, fault)
                        for then in faults_of(later, short=True)
                    ]
    return found + pairs


def judge_repeated(
    recording: Recording, repeated: Repeated, models: tuple[Model, ...] = ()
) -> Iterator[Leak]:
    """Repeat a fault, and tell what grows with each repetition.

    Args:
        recording: The run without faults.
        repeated: What is repeated.
        models: Where the power is cut, what that may leave.
    """
    number, fault, backwards = repeated.operation, repeated.fault, repeated.backwards

    def rounds(how: Callable[..., Iterator[Amounts]], **more: object) -> Rounds:
        return lambda count, lines: how(
            recording, number, fault, rounds=count, lines=lines, backwards=backwards, **more
        )

    if repeated.cut:
        for model in models:
            if model.order != "returned":
                cuts = rounds(power_cuts, model=model)
                for leak in leaks(cuts, _AT.format("power cuts"), ("removed",)):
                    leak.profiles = (model.name,)
                    yield leak
    elif fault.killed:
        yield from leaks(rounds(crashes), _AT.format("crashes"), ("files",))
        usual = _some(rounds(reopenings, sound=True))
        if not _steadily([one.descriptors for one in usual]):
            yield from leaks(rounds(reopenings), _AT.format("crashes"), ("descriptors",))
    else:
        yield from leaks(rounds(failures), _AT.format("failures"), ("files", "descriptors"))


Rounds = Callable[[int, bool], Iterator[Amounts]]
"""Repeats something so many times, asking for lines or not; one more at the end goes well."""

_AT: Final = "{} at the same call there are"

DESCRIPTORS: Final = "descriptor-leak"
"""Kind of violation: descriptors left open."""

_KINDS: Final = {
    "files": ("file-leak", "files"),
    "descriptors": (DESCRIPTORS, "descriptors"),
    "removed": ("removal-lost", "files that a recovery had removed"),
}


def _some(rounds: Rounds) -> list[Amounts]:
    return list(rounds(ROUNDS, False))[:ROUNDS]  # noqa: FBT003 - by place, as declared


def leaks(rounds: Rounds, how: str, which: tuple[str, ...]) -> Iterator[Leak]:
    """Tell what grows with each repetition, and goes on growing.

    Args:
        rounds: Repeats it.
        how: What was repeated and what there is then, in words before a number.
        which: Attributes of `Amounts` to look at.
    """
    few = _some(rounds)
    if not any(_steadily([getattr(one, name) for one in few]) for name in which):
        return
    states = list(rounds(ROUNDS_CONFIRMED, True))  # noqa: FBT003 - by place, as declared
    if len(states) <= ROUNDS_CONFIRMED:
        return  # it ended early: it no longer opens, which is a matter of recovery
    settled = states.pop()
    for name in which:
        counts = [getattr(one, name) for one in states]
        if not _steadily(counts) or getattr(settled, name) <= counts[0] + 1:
            continue
        kind, what = _KINDS[name]
        observed = (
            f"after {ROUNDS_CONFIRMED} {how} {counts[-1]} {what} where "
            f"there were {counts[0]} after the first"
        )
        violation = Violation(
            "hygiene", kind, "leak", None, observed, (f"a number of {what} that levels off",), 0
        )
        at, call = states[-1].made[name]
        yield Leak(violation, at, call)


def _steadily(counts: list[int]) -> bool:
    last = counts[-4:]
    return len(last) == 4 and all(a < b for a, b in pairwise(last))  # noqa: PLR2004
