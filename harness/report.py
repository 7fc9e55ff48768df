"""The report: one document, the same for a person's terminal, a CI job and another tool.

The shape is a contract (DESIGN.md section 4.3); its JSON Schema ships in the package and is made
from these classes. A report is written the way the harness preaches: into a temporary file, synced,
renamed over the old one, the directory synced.
"""

from __future__ import annotations

import inspect
import os
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from harness.errors import UsageError
from harness.guarantees import Severity

__all__ = [
    "SCHEMA",
    "SINGLE_WRITER",
    "Culprit",
    "FindingRecord",
    "Fix",
    "OperationRecord",
    "Report",
    "Stats",
    "Verdict",
    "VerdictName",
    "check_directory",
    "dump",
    "schema",
    "schema_of",
    "shipped_schema",
    "write_atomically",
]

SCHEMA: Final = "checkpoint-harness/report/1"

SINGLE_WRITER: Final = "the store declares a single writer, so nothing concurrent was tried"
"""Note of a verdict that says no more than what the store says of itself, and weighs nothing."""

VerdictName = Literal["held", "violated", "not-exercised", "inconclusive", "error"]


class Verdict(msgspec.Struct, kw_only=True):
    """One guarantee under one profile.

    Attributes:
        guarantee: Its name.
        profile: The persistence model.
        verdict: held only if it was exercised and nothing was found.
        workloads: Workloads run.
        faults: Crashes injected: points of the traces at which one struck.
        crash_states: Distinct disk images judged.
        crash_states_possible: Distinct images there are, where ``exhaustive``; else an upper bound
            (sets of effects, which may leave equal images); null where they cannot be counted. For
            clean-failure, integrity and hygiene, which are about other faults than crashes alone:
            the faults there are, to be compared with ``faults``.
        exhaustive: Whether every possible image was judged.
        findings: Ids of the findings.
        note: Why it is not a plain held or violated, in words.
        stopped: Whether the time budget ended before everything was judged.
    """

    guarantee: str
    profile: str
    verdict: VerdictName
    workloads: int
    faults: int
    crash_states: int
    crash_states_possible: int | None
    exhaustive: bool
    findings: list[str]
    note: str | None = None
    stopped: bool = False


class OperationRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One operation of a workload; ``setup`` operations are durable before the fault."""

    op: str
    key: str | None = None
    value: bytes | None = None
    setup: bool = False


class Culprit(msgspec.Struct, kw_only=True):
    """The call that breaks the promise, and the line that makes it.

    Attributes:
        file: Source file, relative to where the command ran if below it.
        line: Line number, from 1.
        function: Function the line is in.
        call: The system call, as a person would write it.
        source: The line's text.
    """

    file: str
    line: int
    function: str
    call: str
    source: str = ""


class Fix(msgspec.Struct, kw_only=True):
    """What would mend it, and whether that was tried.

    Attributes:
        change: In words.
        verified: ``trace``: the trace was edited and every crash state judged again; ``rerun``:
            the changed subject was run; null: not tried.
        violations_before: Crash states that broke the guarantee.
        violations_after: The same with the change; null if not tried.
        together: Changes of other findings that have to be made as well, where no single change
            leaves nothing broken; both counts are then with those made.
        sampled: Whether there were too many crash states to judge every one with the change.
        needs: Where no change of syncs and order mends it: what is known of that which does.
        tried: How many such changes were tried, each on all crash states; 0 where one is proven,
            or none was looked for.
    """

    change: str
    verified: Literal["trace", "rerun"] | None
    violations_before: int
    violations_after: int | None
    together: list[str] = msgspec.field(default_factory=list)
    sampled: bool = False
    needs: str = ""
    tried: int = 0


class FindingRecord(msgspec.Struct, kw_only=True):
    """One violation: its smallest reproduction, the culprit, the evidence.

    Attributes:
        id: The same for the same cause on any machine.
        guarantee: What is broken.
        kind: How, in a word.
        profiles: All profiles that show it.
        severity: How bad.
        summary: One sentence.
        workload: The operations that lead there.
        fault: What was injected.
        lost: What the crash lost: position of the record in the trace, and the part of its call.
        culprit: The call and its line; null where no line can be blamed.
        observed: What the store showed.
        allowed: What it might have shown.
        fix: What would mend it.
        repro: File to give to ``harness replay``, relative to the report; null without one.
        replays: How many of ten replays showed it again.
        states: How many crash states show it.
        workloads: Names of all workloads that show it; ``workload`` is the smallest case.
        missing: The line whose effect was not there yet, where that is another than the culprit.
        accepted: The line of the recovery that is the last to tell half of a write from the whole,
            and takes it for the whole; null where there is none, or none was looked for.
    """

    id: str
    guarantee: str
    kind: str
    profiles: list[str]
    severity: Severity
    summary: str
    workload: list[OperationRecord]
    fault: dict[str, Any]
    lost: list[tuple[int, str]]
    culprit: Culprit | None
    observed: str
    allowed: list[str]
    fix: Fix | None
    repro: str | None
    replays: str
    states: int
    workloads: list[str] = []
    missing: Culprit | None = None
    accepted: Culprit | None = None


class Stats(msgspec.Struct, kw_only=True):
    """What the run did.

    Attributes:
        crash_states: Crash states judged, over all profiles.
        distinct: Distinct images among them.
        executed: Recoveries that were run, those after a crash in a recovery included.
        reused: Recoveries that an earlier one stood for: the disk gave it the same answers.
        seconds: Wall time.
        states_per_second: ``crash_states`` over ``seconds``.
    """

    crash_states: int
    distinct: int
    executed: int
    reused: int
    seconds: float
    states_per_second: float


class Report(msgspec.Struct, kw_only=True):
    """A whole run, or one shard of it.

    Attributes:
        fingerprint: Equal where the subject's source is.
        shard: ``K/N`` where this is one of several parts, to be joined by ``harness merge``.
    """

    schema: Literal["checkpoint-harness/report/1"] = SCHEMA
    version: str
    subject: str
    seed: int
    plan_hash: str
    fingerprint: str = ""
    shard: str | None = None
    verdicts: list[Verdict]
    findings: list[FindingRecord]
    stats: Stats


def dump(report: Report) -> bytes:
    """Render a report as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def schema() -> bytes:
    """Make the report's JSON Schema from its classes."""
    return schema_of(Report, "checkpoint-harness report")


def schema_of(kind: type, title: str) -> bytes:
    """Make the JSON Schema of a document from its classes.

    Args:
        kind: Of the document.
        title: What it is.
    """
    document = msgspec.json.schema(kind)
    for one in document["$defs"].values():
        if "description" in one:
            # Python before 3.13 keeps the indentation of docstrings.
            one["description"] = inspect.cleandoc(one["description"])
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = title
    return (
        msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2) + b"\n"
    )


def shipped_schema() -> bytes:
    """Give the JSON Schema as it ships in the package."""
    return (resources.files("harness") / "report.schema.json").read_bytes()


def check_directory(directory: Path) -> None:
    """Make sure, before a long run, that a report can be written.

    Raises:
        UsageError: The directory cannot be made or written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".probe-"):
            pass
    except OSError as error:
        raise UsageError(
            f"report directory {str(directory)!r} cannot be written: {error.strerror}; "
            "give another with --report"
        ) from None


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file so that a crash leaves the old content or the new, never a mixture.

    Raises:
        UsageError: The file cannot be written; what was there before is still there.
    """
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror}") from None
