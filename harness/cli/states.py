"""``harness states``: the crash states that a trace allows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from harness.cli.options import debug_option, json_option
from harness.cli.streams import emit, emit_json
from harness.errors import UsageError

__all__ = ["states"]


@click.command()
@click.argument("path", metavar="TRACE.jsonl")
@click.option("--profile", "name", metavar="P", required=True, help="Persistence model.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="N",
    help="Only crashes between call N and the next, when N calls have returned.",
)
@click.option("--explain", is_flag=True, help="Say which rule of the profile allowed each loss.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="List N images at most.")
@json_option
@debug_option
def states(
    path: str, name: str, after: int | None, limit: int | None, *, explain: bool, as_json: bool
) -> None:
    """List the crash states that a trace allows.

    TRACE.jsonl is what `harness trace --json` prints, or - for standard input. Each distinct disk
    image is listed once: the first crash that can leave it, what that lost, and the files. The
    last line says how many there are, and whether these are all.
    """
    import msgspec  # noqa: PLC0415 - slow to import

    from harness import config  # noqa: PLC0415
    from harness.persistence import profile  # noqa: PLC0415
    from harness.statelist import list_states, show_state  # noqa: PLC0415

    custom = config.load(Path.cwd()).custom
    model = custom[name] if name in custom else profile(name)
    with _opened(path) as lines:
        listed = list_states(lines, path, model, after, explained=explain, limit=limit)
        for state in listed:
            if as_json:
                emit_json(msgspec.json.encode(state))
            else:
                emit(show_state(state))


@contextmanager
def _opened(path: str) -> Iterator[IO[str]]:
    if path == "-":
        yield sys.stdin
        return
    try:
        file = Path(path).open(encoding="utf-8")  # noqa: SIM115 - closed below, opened apart
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{path}: {reason}; give a trace that `harness trace --json` printed"
        ) from None
    with file:
        yield file
