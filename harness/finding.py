"""Findings: violations sorted by their cause, and the file that replays one.

A finding is identified by (guarantee, culprit, kind): four hundred failing crash states with one
cause are one finding with a count. Its reproduction holds no random choice: the workload, the crash
and exactly what it lost.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from harness.diagnose import Diagnosis, Site
from harness.errors import UsageError
from harness.explore import CrashState, Explorer, Torn
from harness.guarantees import SEVERITIES, Severity
from harness.ops import Operation, Workload
from harness.persistence import PROFILES
from harness.report import OperationRecord
from harness.sightings import Sighting
from harness.trace import Record, dump_line

__all__ = [
    "REPRO_SCHEMA",
    "TURNS_COUNTED",
    "Candidate",
    "Crash",
    "Life",
    "Raced",
    "Reproduction",
    "Unmended",
    "candidate",
    "crash_of",
    "load_reproduction",
    "merge",
    "operations_of",
    "state_of",
]

_PROFILE_ORDER: Final = {name: number for number, name in enumerate(PROFILES)}

REPRO_SCHEMA: Final = "checkpoint-harness/repro/1"


class Crash(msgspec.Struct, kw_only=True, frozen=True):
    """One crash: where it struck, and what it lost.

    Attributes:
        position: Half calls: 2n is between call n and the next, 2n - 1 the middle of call n.
        lost: Calls issued by then whose parts are not on disk: record and part.
        torn: The page caught half written: record of the write, its part, offset of the cut.
    """

    position: int
    lost: list[tuple[int, str]]
    torn: tuple[int, str, int] | None = None


class Life(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One process of a chain of faults: what it does, what goes wrong in it, and how it ends.

    Attributes:
        operations: What it does after opening the store; the first life does the workload.
        room: The disk it finds, as a fault: ``disk: full at 8192 bytes``; None for a roomy one.
        fault: A call that fails, as a fault.
        kill: The system call before which it dies, from 1; None: once it has done everything.
        cut: The power cut that comes then, and what it lost; None: the kernel lives on.
    """

    operations: list[OperationRecord] = []
    room: str | None = None
    fault: str | None = None
    kill: int | None = None
    cut: Crash | None = None


TURNS_COUNTED: Final = 2
"""Raised when schedules mean other runs: where switch points are, or who goes by default."""


class Raced(msgspec.Struct, kw_only=True, frozen=True):
    """Several writers, and the order of their steps.

    Attributes:
        mode: Processes on one directory, or threads on one store.
        writers: What each writer does.
        schedule: Who makes which step, and who is killed where; `harness.schedule.schedule`.
        failing: The call that fails: its writer's letter, and which of its calls that can.
        cut: Whether the machine loses power, as ``crash`` says.
        recovering: The order in which two processes then recover at once, if it takes that.
        timeline: The same told as turns.
        cycle: Who waits for whom, in a deadlock or a livelock.
        counting: How the turns of its schedules are counted: `TURNS_COUNTED` when it was written;
            1 in a file from before that was said.
    """

    mode: Literal["processes", "threads"]
    writers: list[list[OperationRecord]]
    schedule: str
    failing: tuple[str, int] | None = None
    cut: bool = False
    recovering: str | None = None
    timeline: list[str] = []
    cycle: str | None = None
    counting: int = 1


class Reproduction(msgspec.Struct, kw_only=True, frozen=True):
    """Everything that one finding needs to happen again.

    Attributes:
        subject: The store, as given to ``harness check``.
        seed: Of the simulated machine.
        guarantee: What is broken.
        kind: How.
        key: The key it is about, if any.
        profile: The persistence model.
        operations: The workload; ``setup`` ones are durable before it.
        kill_at: Calls after which the process died and a successor went on, in a mixed failure.
        crash: The crash.
        second: The crash during the recovery from it, if it takes that.
        trace: Hash of the trace it was found in: another one means that the subject has changed.
        image: Hash of the disk image: the same effects must give the same bytes.
        observed: What the store showed.
        fault: The failing call, full disk or repetition, where that is what it takes.
        rot: The damage to what is stored, where that is.
        chain: The lives of the store's processes, where several faults follow on each other.
        race: The writers and their schedule, where there are several.
    """

    schema: Literal["checkpoint-harness/repro/1"] = REPRO_SCHEMA
    version: str
    subject: str
    seed: int
    guarantee: str
    kind: str
    key: str | None
    profile: str
    operations: list[OperationRecord]
    kill_at: int | None
    crash: Crash
    second: Crash | None
    trace: str
    image: str
    observed: str
    fault: str | None = None
    rot: str | None = None
    chain: list[Life] | None = None
    race: Raced | None = None

    def workload(self) -> Workload:
        """Give the operations as a workload."""

        def operations(*, setup: bool) -> tuple[Operation, ...]:
            return tuple(
                Operation(op.op, op.key, op.value)  # type: ignore[arg-type]
                for op in self.operations
                if op.setup is setup
            )

        return Workload("replay", operations(setup=False), operations(setup=True))


@dataclass(frozen=True, slots=True)
class Unmended:
    """What was tried in vain to mend a cause, and what that leaves to be changed.

    Attributes:
        before: Violations in its case.
        tried: Changes of syncs and order tried, each judged on all crash states.
        synced: Violations left with a sync after every call; None where that was not judged.
        halves: Whether each of them needs half of what the culprit writes on disk, and something
            that tells the half from the whole is all that lacks.
        unlisted: Names made by the culprit, where leaving them out of the list ends it.
        sampled: Whether there were too many crash states to judge every one of the case.
    """

    before: int
    tried: int
    synced: int | None = None
    halves: bool = False
    unlisted: tuple[str, ...] = ()
    sampled: bool = False


@dataclass(slots=True)
class Candidate:
    """A cause, with the simplest case of it seen so far; plain data, fit to cross processes.

    Attributes:
        guarantee: What is broken.
        kind: How.
        severity: How bad the case is.
        culprit: The line to blame.
        missing: The first essential loss, where that is another line.
        cause: See `Diagnosis`.
        profiles: Profile to how many crash states show it there.
        reproduction: The simplest case.
        observed: What the store showed in it.
        allowed: What it might have shown.
        key: The key it is about.
        operation: The operation that was in flight, or whose work is gone, in words.
        in_flight: Whether it was in flight.
        lost: What the crash lost.
        after: Calls that had returned at the crash.
        workload: Name of the workload.
        origin: The line that gave the culprit its bytes, where that is another one.
        published: See `Diagnosis`; so is ``repaired``.
        workloads: Names of all workloads that show it.
        whole: File and function that would no longer show it if they replaced their file by way of
            a temporary one, where that is proven.
        whole_before: Violations that this mends.
        edit: Identity of the change that is proven to mend it, of `harness.edits.Change`.
        unmended: What was tried, where no change of syncs and order mends it.
        accepted: The line of the recovery that is the last to tell half of a write from the whole,
            and takes it for the whole.
        lived: Of a chain, how many calls of its own trace each life has come to.
    """

    guarantee: str
    kind: str
    severity: Severity
    culprit: Site | None
    missing: Site | None
    cause: str
    reproduction: Reproduction
    observed: str
    allowed: tuple[str, ...]
    key: str | None
    operation: str
    in_flight: bool
    lost: list[tuple[int, str]]
    after: int
    workload: str
    profiles: dict[str, int] = field(default_factory=dict)
    origin: Site | None = None
    published: Site | None = None
    repaired: Site | None = None
    workloads: list[str] = field(default_factory=list)
    whole: tuple[str, str] | None = None
    whole_before: int = 0
    edit: str = ""
    unmended: Unmended | None = None
    accepted: Site | None = None
    lived: tuple[int, ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two candidates one finding: guarantee, culprit, kind.

        A value torn by one line is one kind, whether it then raises, is cut short or happens to
        equal an older one; only work that is cleanly gone is another.
        """
        site = self.origin or self.culprit
        place = "" if site is None else f"{site.file}:{site.line}"
        return self.guarantee, place, self._sort

    @property
    def _sort(self) -> str:
        if self.guarantee == "isolation":
            # What one line leaves open shows in many ways; waiting for ever is another matter.
            return "deadlock" if self.kind in ("deadlock", "livelock") else "race"
        torn = self.cause != "lost" and self.guarantee in ("atomicity", "durability")
        return "torn" if torn else self.kind

    @property
    def id(self) -> str:
        """A short name, the same on every machine, that outlives edits elsewhere in the file.

        It is made of the function and the text of the line to blame, not of the line's number.
        """
        site = self.origin or self.culprit
        place = ("", "", "", "")
        if site is not None:
            place = site.file, site.function, site.source or str(site.line), str(site.ordinal)
        text = "\0".join((self.guarantee, *place, self._sort))
        return f"{self.guarantee}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def weight(self) -> tuple[int, ...]:
        """How bad and how complicated the case is; the simplest of the worst is shown.

        The order of simplicity, the first that differs decides: of a race, the shorter schedule;
        the worse severity; fewer operations, processes and kills; no crash during recovery; fewer
        things that go wrong in a chain; no crash after another fault; fewer bytes of values; fewer
        and shorter keys; fewer lost effects; the filesystem that loses least.
        """
        found = self.reproduction
        operations = found.operations
        lives = found.chain or []
        race = found.race
        return (
            # Of a race the shortest schedule, whatever it shows: that is what a person follows.
            0 if race is None else len(race.schedule.split()) + 2 * race.cut,
            SEVERITIES.index(self.severity),
            len(operations) + 2 * (found.kill_at is not None) + 2 * len(lives),
            found.second is not None,
            sum(
                len(life.operations)
                + sum(one is not None for one in (life.room, life.fault, life.kill, life.cut))
                for life in lives
            ),
            0 if found.fault is None else found.fault.count("; "),
            sum(len(op.value or b"") for op in operations),
            sum(len(key) for key in {op.key for op in operations if op.key is not None}),
            len(self.lost) + _torn(found) + sum(_losses(life.cut) for life in lives),
            _PROFILE_ORDER.get(found.profile, len(_PROFILE_ORDER)),
        )


def _losses(crash: Crash | None) -> int:
    return 0 if crash is None else len(crash.lost) + (crash.torn is not None)


def _torn(found: Reproduction) -> bool:
    return (found.second or found.crash).torn is not None


def candidate(sighting: Sighting, diagnosis: Diagnosis, version: str) -> Candidate:
    """Make plain data of a diagnosed violation."""
    examination, violation = sighting.examination, diagnosis.violation
    recording = examination.recording
    explorer = examination.explorer
    if sighting.nested is None:
        crash = crash_of(explorer, diagnosis.state, violation.position)
        second, image = None, explorer.image(diagnosis.state)
    else:
        crash = crash_of(explorer, sighting.state, sighting.state.first)
        inner = diagnosis.explorer
        second = crash_of(inner, diagnosis.state, diagnosis.state.first)
        image = inner.image(diagnosis.state)
    number = violation.destroyed_by
    in_flight = number is not None
    if number is None:
        number = violation.concerns
    operation = str(examination.events[number].operation) if number is not None else ""
    return Candidate(
        guarantee=violation.guarantee,
        kind=violation.kind,
        severity=violation.severity,
        culprit=diagnosis.culprit,
        missing=diagnosis.missing,
        cause=diagnosis.cause,
        reproduction=Reproduction(
            version=version,
            subject=recording.subject.name,
            seed=recording.seed,
            guarantee=violation.guarantee,
            kind=violation.kind,
            key=violation.key,
            profile=examination.model.name,
            operations=operations_of(recording.workload),
            kill_at=examination.kill_at,
            crash=crash,
            second=second,
            trace=trace_hash(examination.records),
            image=image_hash(image.files(), image.dirs(), image.symlinks()),
            observed=violation.observed,
        ),
        observed=violation.observed,
        allowed=violation.allowed,
        key=violation.key,
        operation=operation,
        in_flight=in_flight,
        lost=diagnosis.lost,
        after=violation.position // 2,
        workload=recording.workload.name,
        profiles={examination.model.name: 1},
        origin=diagnosis.origin,
        published=diagnosis.published,
        repaired=diagnosis.repaired,
        workloads=[recording.workload.name],
    )


def merge(found: list[Candidate], more: list[Candidate]) -> list[Candidate]:
    """Join two lists of causes; of equal ones keep the simplest case and add the counts up."""
    by_identity = {one.identity: one for one in found}
    for one in more:
        known = by_identity.get(one.identity)
        if known is None:
            by_identity[one.identity] = one
            continue
        kept, other = (one, known) if one.weight < known.weight else (known, one)
        for name, count in other.profiles.items():
            kept.profiles[name] = kept.profiles.get(name, 0) + count
        kept.workloads = list(dict.fromkeys([*known.workloads, *one.workloads]))
        by_identity[one.identity] = kept
    return list(by_identity.values())


def operations_of(workload: Workload) -> list[OperationRecord]:
    """Give a workload as a report and a reproduction hold it."""
    return [
        OperationRecord(op=op.kind, key=op.key, value=op.value, setup=setup)
        for setup, operations in ((True, workload.setup), (False, workload.operations))
        for op in operations
    ]


def crash_of(explorer: Explorer, state: CrashState, position: int) -> Crash:
    """Say what a crash state lost, so that it can be rebuilt."""
    torn = None
    if state.torn is not None:
        effect = explorer.constraints.nodes[state.torn.node].effects[0]
        torn = (effect.i, effect.part, state.torn.cut)
    lost = [
        (effect.i, effect.part)
        for number, node in enumerate(explorer.constraints.nodes[: state.issued])
        if not state.holds(number)
        for effect in node.effects
    ]
    return Crash(position=position, lost=lost, torn=torn)


def state_of(explorer: Explorer, crash: Crash) -> CrashState | None:
    """Find the set of effects that a crash left, from what it lost."""
    nodes = explorer.constraints.nodes
    issued = explorer.issued_at(crash.position)
    lost = set(map(tuple, crash.lost))
    taken, torn = 0, None
    for number, node in enumerate(nodes[:issued]):
        parts = {(effect.i, effect.part) for effect in node.effects}
        if not parts & lost:
            taken |= 1 << number
        if crash.torn is not None and (crash.torn[0], crash.torn[1]) in parts:
            torn = Torn(number, crash.torn[2])
    if crash.torn is not None and torn is None:
        return None
    return explorer.free_standing(issued, taken, torn, crash.position)


def trace_hash(records: list[Record]) -> str:
    """Hash a trace, without the source lines that issued it."""
    digest = hashlib.sha256()
    for record in records:
        bare = msgspec.structs.replace(record, at=())
        digest.update(dump_line(bare).encode() + b"\n")
    return digest.hexdigest()


def image_hash(files: dict[str, bytes], dirs: list[str], symlinks: dict[str, str]) -> str:
    """Hash a disk image."""
    return hashlib.sha256(
        msgspec.json.encode([files, dirs, symlinks], order="deterministic")
    ).hexdigest()


def load_reproduction(data: bytes, name: str) -> Reproduction:
    """Parse a reproduction file.

    Raises:
        UsageError: It is not one, or of a version this harness does not know.
    """
    try:
        found = msgspec.json.decode(data, type=Reproduction)
        for operation in found.operations:
            _check_operation(operation)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UsageError(
            f"{name}: not a reproduction: {error}; give a *.repro.json that harness check wrote"
        ) from None
    return found


def _check_operation(operation: OperationRecord) -> None:
    needs = {"write": ("key", "value"), "delete": ("key",), "read": ("key",)}
    if operation.op not in (*needs, "list", "sync", "reopen"):
        raise msgspec.ValidationError(f"unknown operation {operation.op!r}")
    for name in needs.get(operation.op, ()):
        if getattr(operation, name) is None:
            raise msgspec.ValidationError(f"a {operation.op} without a {name}")
