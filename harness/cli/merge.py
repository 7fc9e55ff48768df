"""``harness merge``: the shards of a check, or of a stress run, joined."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from harness.cli.loading import find_subject
from harness.cli.options import debug_option, json_option
from harness.cli.streams import emit_json, side_output_on_stderr
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.partial import Settled
    from harness.plan import Plan

__all__ = ["merge"]

_Joined: TypeAlias = tuple[int, bytes, Callable[[], None]]
"""Exit code, the report as JSON, and what prints it."""


@click.command()
@click.argument("directories", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--report",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the joined report there.",
)
@json_option
@debug_option
def merge(directories: tuple[Path, ...], directory: Path | None, *, as_json: bool) -> int:
    """Join the reports of shards, as one run of everything would have reported.

    DIRECTORIES are those given to check, or stress, with --report and --shard: all of one plan,
    each once.
    """
    from harness.report import check_directory  # noqa: PLC0415 - slow to import
    from harness.stress.joining import is_stress  # noqa: PLC0415

    for one in directories:
        if not one.is_dir():
            raise UsageError(f"{str(one)!r}: no such directory; give those of --report")
    kinds = {is_stress(one) for one in directories}
    if len(kinds) > 1:
        raise UsageError("some directories hold shards of a check, others of a stress run")
    with side_output_on_stderr():
        if directory is not None:
            check_directory(directory)
        code, data, show = (_stress if kinds.pop() else _check)(directories, directory)
    if as_json:
        emit_json(data)
    else:
        show()
    return code


def _check(directories: tuple[Path, ...], directory: Path | None) -> _Joined:
    from harness.merging import merged  # noqa: PLC0415 - slow to import
    from harness.render.files import write_all  # noqa: PLC0415
    from harness.render.text import print_report  # noqa: PLC0415
    from harness.report import dump  # noqa: PLC0415
    from harness.settling import settle  # noqa: PLC0415

    def again(file: Any) -> Any:
        plan = _plan(file.header, file.effort)
        return lambda cause: settle(plan, cause)

    outcome = merged(directories, again)
    if directory is not None:
        write_all(directory, outcome.report, outcome.repros, {})
    return (
        outcome.exit_code(),
        dump(outcome.report),
        lambda: print_report(outcome.report, directory, sys.stdout),
    )


def _stress(directories: tuple[Path, ...], directory: Path | None) -> _Joined:
    from harness.settling import settle  # noqa: PLC0415 - slow to import
    from harness.stress.files import write_report  # noqa: PLC0415
    from harness.stress.joining import join  # noqa: PLC0415
    from harness.stress.keeping import Kept  # noqa: PLC0415
    from harness.stress.report import dump, exit_code  # noqa: PLC0415
    from harness.stress.show import print_report  # noqa: PLC0415

    whole = join(directories)
    plan: Plan | None = None
    settled: list[Settled] = []
    for cause in whole.causes:
        one = whole.settled.get(cause.id)
        if one is None:
            plan = plan or _plan(whole.header, "quick")
            one = settle(plan, cause)
        settled.append(one)
    report = whole.report(settled)
    where = directory or directories[0]
    if directory is not None:
        kept = Kept(str(directory))
        for one in settled:
            kept.reproduction(one.candidate)
        write_report(directory, report)
    return exit_code(report), dump(report), lambda: print_report(report, where, sys.stdout)


def _plan(header: Any, effort: str) -> Plan:
    """Make the plan again, on the very source that the shards ran.

    Raises:
        UsageError: The subject is not here, or has changed.
    """
    from harness import config  # noqa: PLC0415 - slow to import
    from harness.fingerprint import fingerprint  # noqa: PLC0415
    from harness.plan import Plan  # noqa: PLC0415

    defaults = config.load(Path.cwd())
    find_subject(header.subject, defaults.directory)
    plan = Plan(
        subject=header.subject,
        profiles=tuple(header.profiles),
        guarantees=tuple(header.judged),
        effort=effort,  # type: ignore[arg-type]
        seed=header.seed,
        custom=defaults.custom,
    )
    here = fingerprint(plan.loaded)
    if here != header.fingerprint:
        raise UsageError(
            f"subject {header.subject}: its source here ({here}) is not the one that the shards "
            f"ran ({header.fingerprint}); merge where they ran"
        )
    return plan
