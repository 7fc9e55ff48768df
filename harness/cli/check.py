"""``harness check``: the whole thing, from a subject's name to a verdict."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import click

from harness.cli.advice import advice
from harness.cli.ci import announce
from harness.cli.keeping import Keeping
from harness.cli.loading import find_subject
from harness.cli.options import (
    debug_option,
    guarantee_option,
    json_option,
    profile_option,
    seed_option,
    shard_option,
)
from harness.cli.places import report_directories
from harness.cli.progress import shown
from harness.cli.streams import emit, emit_json, say, side_output_on_stderr
from harness.errors import BaselineError, UsageError
from harness.guarantees import SEVERITIES

if TYPE_CHECKING:
    from harness.config import Config
    from harness.plan import Effort, Plan
    from harness.report import Report
    from harness.runner import Outcome

__all__ = ["check", "workers_option"]


def _workers(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    if value == "auto":
        return os.cpu_count() or 1
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(
            f"{value!r} is neither a number of at least 1 nor 'auto'", context, parameter
        )
    return int(value)


workers_option = click.option(
    "-n",
    "--workers",
    callback=_workers,
    metavar="WORKERS",
    help="Processes to share the work out to, or auto. Default: 1.",
)


@click.command()
@click.argument("subject", required=False)
@profile_option
@guarantee_option
@click.option(
    "--fault",
    "faults",
    metavar="F",
    multiple=True,
    help="Inject this fault and no other, as `harness list faults` writes it; repeat for several.",
)
@click.option("--quick", is_flag=True, help="The standing workloads only.")
@click.option("--thorough", is_flag=True, help="Many drawn workloads, deeper exploration.")
@seed_option
@workers_option
@shard_option
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop cleanly after this time; what was not reached is inconclusive.",
)
@click.option(
    "--report",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the report there (JSON, text, HTML, Markdown, JUnit, SARIF, badge) and a "
    "*.repro.json for each finding.",
)
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    help="Exit 1 only for findings at least this severe.",
)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep a *.repro.json of each finding there; plain pytest reruns them first.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Accept the findings listed there; fail on new ones, and on listed ones that are fixed.",
)
@click.option(
    "--update-baseline", is_flag=True, help="Write what is found into the baseline, as accepted."
)
@click.option("--advise", is_flag=True, help="Also look for syncs that no judged guarantee needs.")
@json_option
@debug_option
def check(
    subject: str | None,
    profiles: tuple[str, ...],
    guarantees: tuple[str, ...],
    faults: tuple[str, ...],
    seed: int | None,
    workers: int | None,
    shard: str | None,
    budget: float | None,
    directory: Path | None,
    fail_on: str | None,
    corpus: Path | None,
    baseline: Path | None,
    *,
    update_baseline: bool,
    advise: bool,
    quick: bool,
    thorough: bool,
    as_json: bool,
) -> int:
    """Check that a store keeps its guarantees, whatever crashes.

    SUBJECT is module:attribute or path/to/file.py:attribute, a function that opens the store in a
    directory; without it, those that [tool.harness] in pyproject.toml names, else the reference
    store. Options given here win over [tool.harness].
    """
    from harness import config  # noqa: PLC0415 - slow to import
    from harness.report import check_directory  # noqa: PLC0415

    if quick and thorough:
        raise UsageError("--quick and --thorough exclude each other; give one of them")
    if shard is not None and directory is None:
        raise UsageError("--shard needs --report DIR, to keep its part for harness merge")
    defaults = config.load(Path.cwd())
    fail_on = fail_on or defaults.fail_on
    if fail_on is not None and fail_on not in SEVERITIES:
        raise UsageError(f"fail-on = {fail_on!r}; give one of {', '.join(SEVERITIES)}")
    effort = "quick" if quick else "thorough" if thorough else defaults.effort or "default"
    subjects = (subject,) if subject else defaults.subjects or (None,)
    keeping = Keeping.of(defaults, corpus=corpus, baseline=baseline, update=update_baseline)
    places = report_directories(directory, [one or "" for one in subjects])
    results: list[Outcome | BaselineError] = []
    with side_output_on_stderr():
        # All of them first: what is wrong with the last is said before the first has run.
        plans = [
            _plan(defaults, one, profiles, guarantees, faults, effort, seed, workers, budget, shard)
            for one in subjects
        ]
        for plan, place in zip(plans, places, strict=True):
            with _kept(place):
                if place is not None:
                    check_directory(place)
                results.append(_run(plan, alone=len(plans) == 1))
    codes, reports = [], []
    for plan, place, result in zip(plans, places, results, strict=True):
        if isinstance(result, BaselineError):
            say(str(result))
            codes.append(result.exit_code)
            continue
        outcome = _where_written(result, place)
        codes.append(keeping.exit_code(outcome, fail_on))
        reports.append(outcome.report)
        _write(plan, outcome, place)
        if not as_json:
            if len(codes) > 1:
                emit("")
            _show(outcome, place)
        keeping.tell(outcome, say if as_json else emit)
        if advise:
            with side_output_on_stderr():
                lines = advice(plan)
            for line in lines:
                (say if as_json else emit)(line)
        announce(outcome.report, as_json=as_json)
    if as_json:
        _emit(reports, len(plans))
    keeping.save(reports)
    return next(code for code in _WORST_FIRST if code in codes)


_WORST_FIRST: Final = (1, 4, 3, 0)
"""Exit codes, as several subjects share one: a proven violation counts most."""


def _run(plan: Plan, *, alone: bool) -> Outcome | BaselineError:
    """Check one subject; of several, one that fails without a fault does not stop the others."""
    from harness.runner import check as run  # noqa: PLC0415 - slow to import

    try:
        with shown() as progress:
            return run(plan, progress)
    except BaselineError as error:
        if alone:
            raise
        return error


def _plan(
    defaults: Config,
    subject: str | None,
    profiles: tuple[str, ...],
    guarantees: tuple[str, ...],
    faults: tuple[str, ...],
    effort: str,
    seed: int | None,
    workers: int | None,
    budget: float | None,
    shard: str | None,
) -> Plan:
    """Make the plan, and find out what is wrong with it before anything runs."""
    from harness.plan import REFERENCE, Plan  # noqa: PLC0415 - slow to import
    from harness.shards import parse_shard  # noqa: PLC0415

    plan = Plan(
        subject=subject or REFERENCE,
        profiles=profiles or defaults.profiles,
        guarantees=guarantees or defaults.guarantees,
        effort=cast("Effort", effort),
        seed=seed if seed is not None else defaults.seed or 0,
        workers=workers or defaults.workers or 1,
        budget_seconds=budget or defaults.budget,
        custom=defaults.custom,
        faults=faults,
        shard=None if shard is None else parse_shard(shard),
    )
    find_subject(plan.subject, defaults.directory)
    assert plan.loaded
    assert plan.models
    assert plan.judged
    return plan


@contextmanager
def _kept(directory: Path | None) -> Iterator[None]:
    """Leave no empty report directory behind a check that came to nothing."""
    made = directory is not None and not directory.exists()
    try:
        yield
    except BaseException:
        if made and directory is not None:
            with suppress(OSError):
                directory.rmdir()
        raise


def _where_written(outcome: Outcome, directory: Path | None) -> Outcome:
    """Name no reproduction file that is not there."""
    import msgspec  # noqa: PLC0415 - slow to import

    from harness.runner import Outcome  # noqa: PLC0415

    if directory is not None:
        return outcome
    findings = [msgspec.structs.replace(f, repro=None) for f in outcome.report.findings]
    return Outcome(msgspec.structs.replace(outcome.report, findings=findings), outcome.repros)


def _write(plan: Plan, outcome: Outcome, directory: Path | None) -> None:
    """Write the report in every form, each finding played again for what there is to show of it."""
    if directory is None:
        return
    from harness.exhibit import exhibits_of  # noqa: PLC0415 - slow to import
    from harness.render.files import write_all  # noqa: PLC0415

    if plan.shard is not None and outcome.partial is not None:
        from harness.merging import ShardFile, save_shard  # noqa: PLC0415

        part = ShardFile(
            header=plan.header,
            effort=plan.effort,
            units=len(plan.workloads),
            partial=outcome.partial,
            settled=list(outcome.settled),
            seconds=outcome.report.stats.seconds,
        )
        save_shard(directory, part)
    models = {model.name: model for model in plan.models}
    with side_output_on_stderr():
        exhibits = exhibits_of(plan.loaded, outcome.report.findings, outcome.repros, models)
    write_all(directory, outcome.report, outcome.repros, exhibits)


def _show(outcome: Outcome, directory: Path | None) -> None:
    from harness.render.text import print_report  # noqa: PLC0415 - slow to import

    print_report(outcome.report, directory, sys.stdout)


def _emit(reports: list[Report], count: int) -> None:
    """Print the one JSON document: a report, or several of them."""
    import msgspec  # noqa: PLC0415 - slow to import

    from harness.report import dump  # noqa: PLC0415

    if count == 1:
        emit_json(dump(reports[0]))
        return
    document = {"schema": "checkpoint-harness/reports/1", "reports": reports}
    emit_json(msgspec.json.format(msgspec.json.encode(document), indent=2))
