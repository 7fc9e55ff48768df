"""One life of a chain: what goes wrong in it, what it did, and what its keys may read as since."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.disk import Process, Verdict
from harness.errors import Killed
from harness.fault_hooks import FaultHooks
from harness.faults import AnyFault, Seen
from harness.ops import Operation
from harness.subjects import MISSING, Outcome
from harness.trace import Frame, Record

__all__ = ["LifeHooks", "Lived", "MayBe", "Unlined"]


class Unlined:
    """Keeps records without asking which line made them."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def record(self, record: Record) -> None:
        record.i = len(self.records) + 1
        self.records.append(record)

    def at(self) -> tuple[Frame, ...]:
        return ()


class LifeHooks(FaultHooks):
    """A failing call and a kill in one life.

    Attributes:
        changes: Number of the system call that made each record.
        killed: Whether the kill struck.
    """

    def __init__(self, fault: AnyFault | None, recorder: object, kill: int | None) -> None:
        super().__init__(fault, recorder)
        self.changes: list[int] = []
        self.killed = False
        self._kill = kill

    def before(self, process: Process, call: str, **details: object) -> Verdict | None:
        if self._kill is not None and self.serial + 1 >= self._kill:
            self.killed = True
            process.kill()
            raise Killed(f"process {process.number} was killed")
        return super().before(process, call, **details)

    def record(self, record: Record) -> None:
        self.changes.append(self.serial)
        super().record(record)


@dataclass(slots=True)
class Lived:
    """What one life did.

    Attributes:
        calls: System calls it made.
        changes: Number of the system call that made each of its records.
        seen: Its calls, where it had no failing one.
        fired: Whether its fault, or its full disk, struck.
        killed: Whether it died before a call.
        refused: Name of the error its first failing operation gave, if any.
        records: What it changed on disk.
        did: Each operation, opening first: how many records there were when it began and ended,
            and whether it returned.
    """

    calls: int = 0
    changes: list[int] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    fired: bool = False
    killed: bool = False
    refused: str | None = None
    records: list[Record] = field(default_factory=list)
    did: list[tuple[Operation, int, int, bool]] = field(default_factory=list)


@dataclass(slots=True)
class MayBe:
    """The values that each key may read as."""

    syncs: bool
    may: dict[str, list[Outcome]]
    last: dict[str, Outcome] = field(default_factory=dict)

    def copy(self) -> MayBe:
        return MayBe(
            self.syncs, {key: list(values) for key, values in self.may.items()}, dict(self.last)
        )

    def done(self, operation: Operation, *, certain: bool) -> None:
        key = operation.key
        if operation.kind == "sync" and certain:
            # What is durable now is what was written last, where that is known.
            self.may |= {name: [value] for name, value in self.last.items()}
        if operation.kind not in ("write", "delete") or key is None:
            return
        value: Outcome = operation.value if operation.kind == "write" else MISSING  # type: ignore[assignment]
        if certain:
            self.last[key] = value
            if not self.syncs:
                self.may[key] = []
        else:
            self.last.pop(key, None)
        # A later life may write a key that the workload, once shrunk, has no more.
        values = self.may.setdefault(key, [MISSING])
        if value not in values:
            values.append(value)
