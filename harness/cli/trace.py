"""``harness trace``: run a script on the simulated disk and print what it asked the disk to do."""

from __future__ import annotations

import sys

import click

from harness.cli.options import debug_option, json_option
from harness.cli.streams import emit, emit_json, side_output_on_stderr

__all__ = ["trace"]


@click.command()
@click.argument("script", metavar="FILE.py")
@json_option
@debug_option
def trace(script: str, *, as_json: bool) -> None:
    """Run a Python script on the simulated disk and print its trace.

    It starts in an empty simulated directory. What it prints goes to stderr. The trace is every
    call that can change what is on disk, one a line; with --json, the JSON lines that
    `harness states` reads.
    """
    from harness.script import format_call, run_script  # noqa: PLC0415 - slow to import
    from harness.trace import dump_line  # noqa: PLC0415

    with side_output_on_stderr():
        records = run_script(script)
        sys.stderr.flush()
    for record in records:
        if as_json:
            emit_json(dump_line(record).encode())
        else:
            emit(format_call(record))
