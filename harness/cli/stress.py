"""``harness stress``: at random on large things, in parallel, all night, losing nothing."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.check import workers_option
from harness.cli.loading import find_subject
from harness.cli.options import (
    debug_option,
    guarantee_option,
    json_option,
    profile_option,
    seed_option,
    shard_option,
)
from harness.cli.streams import emit, emit_json, say, side_output_on_stderr
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.stress.engine import Engine
    from harness.stress.records import Stress, StressReport

__all__ = ["stress"]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SECONDS_DEFAULT = 600.0
_LINE_SECONDS = 60.0
_PANEL_SECONDS = 0.25
"""As often as an eye can follow."""
_INTERRUPTED = 130


def _seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
    if found is None or float(found[1]) <= 0:
        raise click.BadParameter(
            f"{value!r} is no time; give one like 90s, 10m, 8h or 2d", context, parameter
        )
    return float(found[1]) * _UNITS[found[2]]


@click.command()
@click.argument("subject", required=False)
@click.option(
    "--time",
    "seconds",
    callback=_seconds,
    metavar="TIME",
    help="How long, resumptions counted: 90s, 10m, 8h. Default: 10m, or no limit with --rounds.",
)
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="How many rounds.")
@workers_option
@seed_option
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Plans to begin with, and where those worth keeping go.",
)
@click.option(
    "--report",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the run is kept; the same again resumes it. Default: below .harness/stress.",
)
@shard_option
@profile_option
@guarantee_option
@click.option("--round", "number", type=click.IntRange(min=0), metavar="K", help="Only this round.")
@click.option(
    "--plan",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Only the round of this *.plan.json.",
)
@click.option(
    "--hang",
    callback=_seconds,
    metavar="TIME",
    help="A worker silent for so long hangs. Default: 5m.",
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0.25),
    metavar="GIB",
    help="Address space that a worker may use. Default: 4.",
)
@click.option(
    "--cluster",
    metavar="WHERE",
    help="Dask workers: tcp://host:port of a scheduler, or local:N. Needs the cluster extra.",
)
@json_option
@debug_option
def stress(
    subject: str | None,
    seconds: float | None,
    rounds: int | None,
    workers: int | None,
    seed: int | None,
    corpus: Path | None,
    directory: Path | None,
    shard: str | None,
    profiles: tuple[str, ...],
    guarantees: tuple[str, ...],
    number: int | None,
    file: Path | None,
    hang: float | None,
    memory: float | None,
    cluster: str | None,
    *,
    as_json: bool,
) -> int:
    """Draw large histories and chains of faults at random, and judge them.

    Each round turns a random subset of features on; its plan follows from seed and number alone,
    so --round K runs it again. Whatever is found is on disk at once. Kill the run, or any worker,
    at any moment: the same command goes on where it was.
    """
    from harness.stress.keeping import Kept  # noqa: PLC0415 - slow to import
    from harness.stress.report import dump, exit_code  # noqa: PLC0415
    from harness.stress.show import print_report  # noqa: PLC0415

    if number is not None and file is not None:
        raise UsageError("--round and --plan exclude each other; give one of them")
    with side_output_on_stderr():
        run = _stress(
            subject,
            profiles,
            guarantees,
            seed,
            workers=workers or 1,
            directory=directory,
            corpus=corpus,
            shard=shard,
            rounds=rounds,
            seconds=seconds,
            hang=hang,
            memory=memory,
        )
        if number is not None or file is not None:
            code, lines, data = _one_round(run, number, file)
        else:
            report, stopped = _run(run, corpus, cluster)
            data, lines = dump(report), []
            code = _INTERRUPTED if stopped else exit_code(report)
    if as_json:
        emit_json(data)
    elif lines:
        for line in lines:
            emit(line)
    else:
        print_report(report, Kept(run.directory).path, sys.stdout)
    return code


def _stress(
    subject: str | None,
    profiles: tuple[str, ...],
    guarantees: tuple[str, ...],
    seed: int | None,
    *,
    workers: int,
    directory: Path | None,
    corpus: Path | None,
    shard: str | None,
    rounds: int | None,
    seconds: float | None,
    hang: float | None,
    memory: float | None,
) -> Stress:
    """Make the plan, and find out what is wrong with it before anything runs."""
    from harness import config  # noqa: PLC0415 - slow to import
    from harness.plan import REFERENCE, Plan  # noqa: PLC0415
    from harness.shards import parse_shard  # noqa: PLC0415
    from harness.stress.corpus import corpus_of  # noqa: PLC0415
    from harness.stress.records import Stress  # noqa: PLC0415

    defaults = config.load(Path.cwd())
    plan = Plan(
        subject=subject or next(iter(defaults.subjects), None) or REFERENCE,
        profiles=profiles or defaults.profiles,
        guarantees=guarantees or defaults.guarantees,
        effort="quick",
        seed=seed if seed is not None else defaults.seed or 0,
        custom=defaults.custom,
    )
    find_subject(plan.subject, defaults.directory)
    assert plan.models
    assert plan.judged
    part = None if shard is None else parse_shard(shard)
    where = directory or Path(".harness/stress") / _slug(plan.subject, plan.seed, shard)
    plans, others = corpus_of(where, corpus, plan.subject)
    if others:
        say(f"{corpus}: {others} plans are for other subjects; they are left alone")
    return Stress(
        plan,
        str(where),
        corpus=plans,
        shard=part,
        rounds=rounds,
        seconds=seconds if seconds is not None or rounds is not None else _SECONDS_DEFAULT,
        workers=workers,
        silence_seconds=hang or 300.0,
        memory_bytes=int((memory or 4) * (1 << 30)),
    )


def _slug(subject: str, seed: int, shard: str | None) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", subject).strip("-.")
    part = "" if shard is None else "-shard-" + shard.replace("/", "-of-")
    return f"{name}-{seed}{part}"


def _run(run: Stress, corpus: Path | None, cluster: str | None) -> tuple[StressReport, bool]:
    """Run it all; tell also whether somebody stopped it."""
    from harness.stress.corpus import chosen_of, save_corpus  # noqa: PLC0415 - slow to import
    from harness.stress.engine import Engine  # noqa: PLC0415
    from harness.stress.files import write_report  # noqa: PLC0415
    from harness.stress.minimising import minimise  # noqa: PLC0415
    from harness.stress.report import made  # noqa: PLC0415

    with _pool(run, cluster) as make:
        engine = Engine(run)
        try:
            if engine.resumed:
                say(f"{run.directory}: {engine.resumed} rounds are done already; going on")
            with _stoppable(engine) as stopped, _told(engine) as told, make(engine) as pool:
                engine.run(pool, told)
                settled = engine.settle(pool, told)
                report = made(run.header, engine.tally, settled, engine.elapsed)
                write_report(engine.kept.path, report)
                small = None
                if corpus is not None and not stopped():
                    small = minimise(run, pool, chosen_of(run, engine.tally)[1], told)
            if corpus is not None and small is not None:
                names = save_corpus(corpus, run, engine.tally, small)
                say(f"{corpus}: {len(names)} plans together see all that the run did")
        finally:
            engine.close()
    return report, stopped()


@contextmanager
def _pool(run: Stress, cluster: str | None) -> Iterator[Callable[[Engine], Any]]:
    """Give what makes the workers: here, or on a cluster."""
    if cluster is None:
        yield lambda engine: engine.pool()
        return
    from harness.cluster import connected  # noqa: PLC0415 - an extra

    with connected(cluster, run) as pool:
        yield lambda _: pool


@contextmanager
def _stoppable(engine: Engine) -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C, or SIGTERM, end the rounds in good order; the second ends it all."""
    seen: list[bool] = []

    def stop(number: int, frame: object) -> None:
        del number, frame
        if seen:
            raise KeyboardInterrupt
        seen.append(True)
        engine.stop()
        say("stopping: rounds in progress are finished first; again to leave at once")

    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _told(engine: Engine) -> Iterator[Callable[[object], None]]:
    """Show where a run stands: a panel on a terminal, a line a minute elsewhere."""
    from harness.stress.show import line_of, panel  # noqa: PLC0415 - slow to import

    stream = sys.stderr
    if not stream.isatty():
        yield every(_LINE_SECONDS, lambda: say(line_of(engine)))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    with Live(panel(engine), console=Console(file=stream), auto_refresh=False) as live:
        yield every(_PANEL_SECONDS, lambda: live.update(panel(engine), refresh=True))


def every(
    seconds: float, act: Callable[[], object], clock: Callable[[], float] = time.monotonic
) -> Callable[[object], None]:
    """Give what acts when it is called, but not before so much time has gone by since it last did.

    Args:
        seconds: How much.
        act: What it does.
        clock: Tells the time, in seconds.
    """
    last = clock()

    def tell(event: object) -> None:
        nonlocal last
        del event
        if clock() - last >= seconds:
            last = clock()
            act()

    return tell


def _one_round(run: Stress, number: int | None, file: Path | None) -> tuple[int, list[str], bytes]:
    """Run one round again, in this process, and say what came of it."""
    from dataclasses import replace  # noqa: PLC0415

    import msgspec  # noqa: PLC0415 - slow to import

    from harness.stress.plans import dump_plan, load_plan, plan_id  # noqa: PLC0415
    from harness.stress.rounds import run_round  # noqa: PLC0415

    key = str(number)
    if file is not None:
        try:
            plan = load_plan(file.read_bytes(), str(file))
        except OSError as error:
            raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
        run, key = replace(run, corpus=(plan,)), f"corpus:{plan_id(plan)}"
    found: list[Any] = []
    record = run_round(run, key, lambda _, one: found.append(one))
    plan = run.drawn(key)
    lines = [dump_plan(plan).decode().rstrip()]
    lines += [
        f"{one.id}: {one.guarantee} broken: {one.kind}: {one.observed}; allowed "
        f"{' or '.join(one.allowed)}"
        for one in found
    ]
    if record.broke is not None:
        lines.append(f"{record.broke.kind}: {record.broke.detail}")
    lines.append(f"{record.states:,} crash states judged, {len(found)} causes found")
    document = {
        "plan": plan,
        "record": msgspec.structs.replace(record, seconds=0.0),
        "found": [one.reproduction for one in found],
    }
    code = 1 if found or record.broke is not None else 0
    return code, lines, msgspec.json.format(msgspec.json.encode(document), indent=2)
