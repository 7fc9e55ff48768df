"""Diagnosis: which effects had to be lost, and which line is to blame.

Computed from the trace, not from the scenario. First as much as possible of what was lost is put
back while the violation still shows: what remains lost is essential. Then the state is rebuilt call
by call; the call with which the violation appears for good is the one that published what was not
there yet, or destroyed what was. Where the violation shows before any call at all, nothing
destroyed anything: the first essential loss is the culprit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from harness.examination import Examination
from harness.explore import CrashState, Explorer, Torn
from harness.persistence.effects import Data, Size
from harness.script import format_call
from harness.sightings import Sighting
from harness.source import located, ordinal, statement
from harness.trace import Call, Fdatasync, Frame, Fsync, Record, Write
from harness.violation import Violation

__all__ = ["Diagnosis", "Site", "Sites", "diagnose", "located", "site_at", "site_of", "with_needs"]

Cause: TypeAlias = Literal["lost", "reordered", "exposed"]


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the subject's source.

    Attributes:
        file: As in the trace.
        line: From 1.
        function: Function the line is in.
        call: The system call made there, as a person would write it.
        source: The statement's text, on one line.
        ordinal: How many lines before it in its function read the same.
    """

    file: str
    line: int
    function: str
    call: str
    source: str
    ordinal: int = 0


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
        origin: The line that gave the culprit its bytes, where that is another one.
        published: Where the culprit is a sync that came too early, the line that reached the disk
            before what it should have brought.
        repaired: Where nothing was lost, the line whose call ends the state that must not be seen.
    """

    cause: Cause
    culprit: Site | None
    missing: Site | None
    state: CrashState
    violation: Violation
    lost: list[tuple[int, str]]
    explorer: Explorer
    origin: Site | None = None
    published: Site | None = None
    repaired: Site | None = None


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
    return Site(file, line, function, call, statement(file, line), ordinal(file, line))


class Sites:
    """Names the lines behind the calls of one trace, as a person would.

    A function that only ever writes what it is handed (a loop around ``os.write``) decides nothing:
    its caller is named. What a buffered file is made to write by the end of its ``with`` block is
    named by the line that gave it the bytes.

    Args:
        records: The trace.
        given: Where a buffered file was given what a write brings.
    """

    def __init__(
        self, records: Iterable[Record], given: Mapping[int, tuple[Frame, ...]] | None = None
    ) -> None:
        self._given = given or {}
        decides: dict[tuple[str, str], bool] = {}
        for record in records:
            if isinstance(record, Call) and record.at:
                file, _, function = record.at[0]
                decides[file, function] = (
                    decides.get((file, function), False)
                    or not isinstance(record, Write)
                    or record.i in self._given
                    or len(record.at) == 1
                )
        self._thin = {place for place, does in decides.items() if not does}

    def caller(self, at: tuple[Frame, ...]) -> tuple[Frame, ...]:
        """Leave out the innermost frames that only pass on what they are handed."""
        while len(at) > 1 and (at[0][0], at[0][2]) in self._thin:
            at = at[1:]
        return at

    def issuer(self, record: Record) -> Site | None:
        """Name the line that made a call."""
        if not isinstance(record, Call) or not record.at:
            return None
        at = self.caller(record.at)
        if record.i in self._given and statement(*at[0][:2]).startswith(("with ", "async with ")):
            at = self._given[record.i]
        return site_at(at, format_call(record, numbered=False))

    def giver(self, record: Record) -> Site | None:
        """Name the line that gave a call its bytes, or made it."""
        given = self._given.get(record.i)
        if given is None:
            return self.issuer(record)
        return site_at(given, format_call(record, numbered=False))

    def behind(self, record: Record, site: Site) -> bool:
        """Tell whether a line made a call, or gave it its bytes."""
        return any(
            one is not None and (one.file, one.line) == (site.file, site.line)
            for one in (self.issuer(record), self.giver(record))
        )


def with_needs(explorer: Explorer, node: int, position: int) -> int:
    """Give a node, with all that has to be on disk before it, as bits.

    Args:
        explorer: Of its trace.
        node: Its number.
        position: Where the crash struck: some need others only until a later call.
    """
    nodes = explorer.constraints.nodes
    found, pending = 0, [node]
    while pending:
        number = pending.pop()
        if found >> number & 1:
            continue
        found |= 1 << number
        one = nodes[number]
        pending += one.needs
        pending += [other for other, until in one.needs_until if position < until]
    return found


class _Case:
    """One violation in one trace, asked again of other sets of nodes."""

    def __init__(self, sighting: Sighting) -> None:
        self.examination: Examination = sighting.examination
        self.violation = sighting.violation
        self.position = sighting.violation.position
        self.explorer, self.crash = self.examination.explorer, sighting.state
        self.given: Mapping[int, tuple[Frame, ...]] = self.examination.given or {}
        self._start()

    def ends(self, call: int) -> int:
        """Give the last call of the operation that a call belongs to."""
        events = self.examination.events
        last = len(self.explorer.constraints.effects.records)
        return next((one.returned for one in events if one.invoked < call <= one.returned), last)

    def _start(self) -> None:
        self.nodes = self.explorer.constraints.nodes
        state, issued = self.crash, self.crash.issued
        while issued < len(self.nodes) and 2 * self.nodes[issued].call - 1 <= self.position:
            issued += 1
        self.issued = issued
        self.taken = state.taken << state.offset | (1 << state.offset) - 1
        self.torn = state.torn

    def state(self, taken: int, torn: Torn | None, issued: int | None = None) -> CrashState:
        return self.explorer.free_standing(issued or self.issued, taken, torn, self.position)

    def shows(
        self, taken: int, torn: Torn | None = None, *, issued: int | None = None
    ) -> Violation | None:
        """Tell how a set of nodes breaks the same promise in the same way, if it does."""
        wanted = self.violation
        for violation in self.violations(self.state(taken, torn, issued)):
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
        return with_needs(self.explorer, node, self.position)


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
        self.given = {}
        self._start()

    def ends(self, call: int) -> int:
        """All of the recovery is one operation."""
        return max(call, len(self.explorer.constraints.effects.records))

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

    sites = Sites(records, case.given)

    def record(number: int) -> Record:
        return records[case.nodes[number].call - 1]

    def found(cause: Cause, blamed: int | None, first: int | None = None) -> Diagnosis:
        culprit = origin = None
        if blamed is not None:
            culprit, origin = sites.issuer(record(blamed)), sites.giver(record(blamed))
        missed = None if first is None else sites.giver(record(first))
        return Diagnosis(cause, culprit, missed, state, violation, lost, case.explorer, origin)

    if torn is not None:
        return found("exposed", torn.node)
    if published is None:
        return found("lost", missing[0] if missing else None)
    earlier = [n for n in missing if case.nodes[n].call < case.nodes[published].call]
    if earlier:
        early = _too_early(case, earlier[0], published)
        diagnosis = found("reordered", published, earlier[0])
        if early is None:
            return diagnosis
        blamed = sites.issuer(early)
        return replace(diagnosis, culprit=blamed, origin=blamed, published=diagnosis.culprit)
    if missing and (violation.guarantee, violation.kind) == ("durability", "lost"):
        # What is there has been replaced or taken away, and that, acknowledged, is what was lost.
        return found("lost", missing[0])
    return replace(found("exposed", published), repaired=_repaired(case, taken, published, sites))


def _repaired(case: _Case, taken: int, published: int, sites: Sites) -> Site | None:
    """Find the call after which the violation is gone: it and the culprit belong together."""
    nodes = case.nodes
    ends = case.ends(nodes[published].call)
    for number in range(case.issued, len(nodes)):
        if nodes[number].call > ends:
            return None  # what another operation does belongs to that
        if number + 1 < len(nodes) and nodes[number + 1].call == nodes[number].call:
            continue
        fuller = taken | (1 << number + 1) - (1 << case.issued)
        if case.shows(fuller, issued=number + 1) is None:
            return sites.issuer(case.explorer.constraints.effects.records[nodes[number].call - 1])
    return None


def _too_early(case: _Case, missing: int, published: int) -> Record | None:
    """Find a sync that should have brought what is missing, but ran when nothing was there yet.

    It is one of the same file, in the same function as the call that published it, and since
    nothing had been written, it synced nothing.
    """
    effect = case.nodes[missing].effects[0]
    if not isinstance(effect, Data | Size):
        return None
    records = case.explorer.constraints.effects.records
    write, publisher = (records[case.nodes[number].call - 1] for number in (missing, published))
    if not isinstance(write, Write) or not isinstance(publisher, Call) or not publisher.at:
        return None
    found = None
    dirty = False
    for record in records[: case.nodes[published].call - 1]:
        if getattr(record, "ino", None) != write.ino:
            continue
        if isinstance(record, Write):
            dirty = True
            if record is write:
                return found
        elif isinstance(record, Fsync | Fdatasync):
            same = bool(record.at) and record.at[0][0::2] == publisher.at[0][0::2]
            found = record if not dirty and same else None
            dirty = False
    return None


def _restore(case: _Case) -> tuple[int, Torn | None]:
    """Put back what was lost, the latest first, while the violation still shows.

    Until nothing can be: what one effect hides, another may have to be back for.
    """
    taken, torn = case.taken, case.torn
    restored = True
    while restored:
        restored = False
        if torn is not None and case.shows(taken) is not None:
            torn, restored = None, True
        for number in range(case.issued - 1, -1, -1):
            if taken >> number & 1:
                continue
            fuller = taken | case.needs(number)
            kept = torn if torn is not None and not _completes(case, fuller, torn) else None
            if (torn is None or kept is not None) and case.shows(fuller, kept) is not None:
                taken, restored = fuller, True
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
