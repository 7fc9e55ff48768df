"""``harness states``: the crash states that a trace allows."""

from __future__ import annotations

import click

from harness.cli.options import debug_option, json_option

__all__ = ["states"]


@click.command()
@click.argument("path", metavar="TRACE.jsonl")
@json_option
@debug_option
def states(path: str, *, as_json: bool) -> None:
    """List the crash states that a trace allows."""
    del path, as_json
