"""The report of a stress run, made of its counts and its shrunk causes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.partial import Settled
from harness.report import schema_of
from harness.settling import write_up
from harness.stress.plans import FEATURES
from harness.stress.records import Broken, Cell, RunHeader, StressReport, Timing
from harness.stress.tally import Tally

__all__ = ["dump", "exit_code", "load_report", "made", "schema", "shipped_schema"]

_SHAPE = ("long-history", "many-keys", "big-values", "deletes", "restarts")
"""Features of the history: any guarantee can be tested with them."""

_TESTS = {
    "crash": ("atomicity", "durability", "recovery", "listing"),
    "mixed": ("durability",),
    "compound": ("recovery", "clean-failure"),
    "chain": ("recovery",),
    "full-disk": ("recovery", "clean-failure"),
    "failing-calls": ("recovery", "clean-failure"),
    "faults": ("clean-failure",),
    "rot": ("integrity",),
    "repetition": ("hygiene",),
    "several-writers": ("isolation",),
}
"""What each other feature can put to the test."""


def made(header: RunHeader, tally: Tally, settled: list[Settled], seconds: float) -> StressReport:
    """Make the report.

    Args:
        header: Of the run.
        tally: Its counts.
        settled: Its causes, the worst first.
        seconds: Wall time.
    """
    findings, _, unsteady = write_up(header.profiles, settled)
    return StressReport(
        version=header.version,
        subject=header.subject,
        seed=header.seed,
        plan_hash=header.plan_hash,
        fingerprint=header.fingerprint,
        shard=header.shard,
        rounds=tally.rounds,
        corpus=tally.corpus,
        states=tally.states,
        executed=tally.executed,
        reused=tally.reused,
        guarantees={name: tally.guarantees.get(name, Cell()) for name in header.judged},
        table={
            feature: {name: tally.tested(feature, name) for name in header.judged}
            for feature in FEATURES
        },
        never=_never(header, tally),
        findings=findings,
        unsteady=unsteady,
        broken=_broken(tally),
        errors=dict(sorted(tally.errors.items())),
        signs=len(tally.signs),
        curve=tally.curve,
        kept=[key for key, _ in tally.new],
        timing=Timing(
            seconds=round(seconds, 3),
            cpu_seconds=round(tally.seconds, 3),
            states_per_second=round(tally.states / seconds, 1) if seconds else 0.0,
            curve=tally.curve_seconds,
        ),
    )


def can_test(feature: str, guarantee: str) -> bool:
    """Tell whether a round with a feature can put a guarantee to the test because of it."""
    return feature in _SHAPE or guarantee in _TESTS[feature]


def _never(header: RunHeader, tally: Tally) -> list[str]:
    return [
        f"{feature} x {name}"
        for feature in FEATURES
        for name in header.judged
        if can_test(feature, name) and not tally.tested(feature, name)
    ]


def _broken(tally: Tally) -> list[Broken]:
    """Put together rounds that broke down in the same way."""
    found: dict[tuple[str, str, str], Broken] = {}
    for key, plan, one in tally.broke:
        about = one.kind, one.detail, one.times
        if about in found:
            found[about].rounds.append(key)
        else:
            found[about] = Broken(
                kind=one.kind, detail=one.detail, times=one.times, rounds=[key], plan=plan
            )
    return list(found.values())


def exit_code(report: StressReport) -> int:
    """Give the exit code of DESIGN.md section 4.2.

    Returns:
        1 where something was found, or a round ended its process each time; 3 where that happened
        once only, where something did not replay, could not be simulated, or was never put to the
        test; else 0.
    """
    steady = [one for one in report.broken if one.times.split("/")[0] == one.times.split("/")[1]]
    if report.findings or any(one.kind not in ("killed", "error") for one in steady):
        return 1
    untested = any(not cell.rounds for cell in report.guarantees.values())
    if report.broken or report.unsteady or report.errors or (untested and report.shard is None):
        return 3
    return 0


def dump(report: StressReport) -> bytes:
    """Render it as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def schema() -> bytes:
    """Make the report's JSON Schema from its classes."""
    return schema_of(StressReport, "checkpoint-harness stress report")


def shipped_schema() -> bytes:
    """Give the JSON Schema as it ships in the package."""
    return (resources.files("harness.stress") / "stress.schema.json").read_bytes()


def load_report(path: Path) -> StressReport:
    """Read one back.

    Raises:
        UsageError: It is none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=StressReport)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path}: not the report of a stress run: {error}") from None
