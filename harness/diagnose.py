"""Diagnosis: which effects had to be lost, and which line is to blame.

Computed from the trace, not from the scenario. First as much as possible of what was lost is put
back while the violation still shows: what remains lost is essential. Then the state is rebuilt call
by call; the call with which the violation appears for good is the one that published what was not
there yet, or destroyed what was. Where the violation shows before any call at all, nothing
destroyed anything: the first essential loss is the culprit.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from harness.examine import Examination, Sighting
from harness.explore import CrashState, Explorer, Torn
from harness.oracle import Violation
from harness.persistence.effects import Data
from harness.record import SOURCE_ROOTS
from harness.script import format_call
from harness.trace import Call, Frame, Record

__all__ = ["Diagnosis", "Site", "diagnose", "located", "site_at", "site_of"]

Cause: TypeAlias = Literal["lost", "reordered", "exposed"]


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the subject's source.

    Attributes:
        file: As in the trace.
        line: From 1.
        function: Function the line is in.
        call: The system call made there, as a person would write it.
        source: The line's text.
    """

    file: str
    line: int
    function: str
    call: str
    source: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a violation comes down to.

    Attributes:
        cause: ``lost``: something acknowledged never reached the disk; ``reordered``: the culprit
            reached it before something earlier; ``exposed``: nothing was lost, a crash right after
            the culprit is enough.
        culprit: The line to blame; None where the trace names none.
        missing: The first essential loss, where that is another line.
        state: The smallest crash state found that shows the violation.
        violation: The violation as that state shows it.
        lost: What the state lost, essential or not.
        explorer: Of the trace that the state belongs to.
    """

    cause: Cause
    culprit: Site | None
    missing: Site | None
    state: CrashState
    violation: Violation
    lost: list[tuple[int, str]]
    explorer: Explorer


def site_of(record: Record) -> Site | None:
    """Find the source line that made a call."""
    if not isinstance(record, Call) or not record.at:
        return None
    return site_at(record.at, format_call(record, numbered=False))


def site_at(at: tuple[Frame, ...], call: str) -> Site | None:
    """Give the innermost of a call's frames as a place, if the call has any."""
    if not at:
        return None
    file, line, function = at[0]
    source = linecache.getline(located(file), line).split("  #")[0].strip()
    return Site(file, line, function, call, source)


def located(file: str) -> str:
    """Find a file of a trace: seen from here, or installed."""
    for root in (f"{Path.cwd()}/", *SOURCE_ROOTS):
        if Path(root + file).is_file():
            return root + file
    return file


class _Case:
    """One violation in one trace, asked again of other sets of nodes."""

    def __init__(self, sighting: Sighting) -> None:
        self.examination: Examination = sighting.examination
        self.violation = sighting.violation
        self.position = sighting.violation.position
        self.explorer, self.crash = self.examination.explorer, sighting.state
        self._start()

    def _start(self) -> None:
        self.nodes = self.explorer.constraints.nodes
        state, issued = self.crash, self.crash.issued
        while issued < len(self.nodes) and 2 * self.nodes[issued].call - 1 <= self.position:
            issued += 1
        self.issued = issued
        self.taken = state.taken << state.offset | (1 << state.offset) - 1
        self.torn = state.torn

    def state(self, taken: int, torn: Torn | None) -> CrashState:
        return self.explorer.free_standing(self.issued, taken, torn, self.position)

    def shows(self, taken: int, torn: Torn | None = None) -> Violation | None:
        """Tell how a set of nodes breaks the same promise in the same way, if it does."""
        wanted = self.violation
        for violation in self.violations(self.state(taken, torn)):
            if (violation.guarantee, violation.kind, violation.key) == (
                wanted.guarantee,
                wanted.kind,
                wanted.key,
            ):
                return violation
        return None

    def violations(self, state: CrashState) -> Iterator[Violation]:
        observation = self.examination.observe(state)
        return self.examination.violations(state, observation)

    def needs(self, node: int) -> int:
        """A node with all it needs at the crash."""
        found, pending = 0, [node]
        while pending:
            number = pending.pop()
            if found >> number & 1:
                continue
            found |= 1 << number
            one = self.nodes[number]
            pending += one.needs
            pending += [other for other, until in one.needs_until if self.position < until]
        return found


class _NestedCase(_Case):
    """A violation after a crash during recovery: the recovery's own trace is to blame."""

    def __init__(self, sighting: Sighting) -> None:
        assert sighting.nested is not None
        self.examination = sighting.examination
        self.violation = sighting.violation
        self.crash = sighting.nested
        self.position = sighting.nested.first
        self._outer = sighting.state
        # The recovery once more, this time asking which line makes each call.
        self.explorer = self.examination.nested_explorer(self._outer, lines=True)
        self._start()

    def violations(self, state: CrashState) -> Iterator[Violation]:
        image = self.explorer.image(state)
        return self.examination.nested_violations(self._outer, image)


def diagnose(sighting: Sighting) -> Diagnosis:
    """Find the culprit of a violation."""
    case = _Case(sighting) if sighting.nested is None else _NestedCase(sighting)
    taken, torn = _restore(case)
    violation = case.shows(taken, torn) or sighting.violation
    state = case.state(taken, torn)
    missing = [number for number in range(case.issued) if not taken >> number & 1]
    published = None if torn is not None else _published(case, taken)
    lost = case.explorer.lost(state)
    records = case.explorer.constraints.effects.records

    def site(number: int | None) -> Site | None:
        return None if number is None else site_of(records[case.nodes[number].call - 1])

    if torn is not None:
        return Diagnosis("exposed", site(torn.node), None, state, violation, lost, case.explorer)
    if published is None:
        first = missing[0] if missing else None
        return Diagnosis("lost", site(first), None, state, violation, lost, case.explorer)
    earlier = [n for n in missing if case.nodes[n].call < case.nodes[published].call]
    if earlier:
        return Diagnosis(
            "reordered", site(published), site(earlier[0]), state, violation, lost, case.explorer
        )
    return Diagnosis("exposed", site(published), None, state, violation, lost, case.explorer)


def _restore(case: _Case) -> tuple[int, Torn | None]:
    """Put back what was lost, the latest first, while the violation still shows."""
    taken, torn = case.taken, case.torn
    if torn is not None and case.shows(taken) is not None:
        torn = None
    for number in range(case.issued - 1, -1, -1):
        if taken >> number & 1:
            continue
        fuller = taken | case.needs(number)
        kept = torn if torn is not None and not _completes(case, fuller, torn) else None
        if (torn is None or kept is not None) and case.shows(fuller, kept) is not None:
            taken = fuller
    return taken, torn


def _completes(case: _Case, taken: int, torn: Torn) -> bool:
    """Tell whether a set has the torn page's node in full."""
    return bool(taken >> torn.node & 1) or not isinstance(case.nodes[torn.node].effects[0], Data)


def _published(case: _Case, taken: int) -> int | None:
    """Rebuild a state call by call; find the node with which the violation appears for good."""
    prefix, last, shown = 0, None, case.shows(0) is not None
    number = 0
    while number < case.issued:
        call = case.nodes[number].call
        first = None
        while number < case.issued and case.nodes[number].call == call:
            if taken >> number & 1:
                prefix |= 1 << number
                first = number if first is None else first
            number += 1
        if first is None:
            continue
        now = case.shows(prefix) is not None
        if now and not shown:
            last = first
        elif not now:
            last = None
        shown = now
    return last
