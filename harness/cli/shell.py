"""The command itself, and what becomes of everything that can go wrong in it.

Each error is one line on stderr, ``harness: ...``, and an exit code of DESIGN.md section 4.2; the
traceback is for ``--debug``.
"""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import click

from harness import __version__
from harness.cli.check import check
from harness.cli.listing import listing
from harness.cli.merge import merge
from harness.cli.options import DEBUG, debug_option
from harness.cli.replay import replay
from harness.cli.report import report
from harness.cli.states import states
from harness.cli.streams import say
from harness.cli.stress import stress
from harness.cli.trace import trace
from harness.cli.verify import verify
from harness.errors import HarnessError

__all__ = ["cli", "main"]

_INTERNAL: Final = 70
_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells count."""
_NO_READER: Final = 141
"""128 + SIGPIPE, as a program has that does not handle it."""

_NO_ARGUMENTS: Final = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""Raised by click 8.2 and later; before, it prints the help and exits by itself."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="harness", message="%(prog)s %(version)s")
@debug_option
def cli() -> None:
    """Find out what crashes do to a store.

    It runs on a simulated disk; each crash state that a filesystem allows is recovered and held
    against named guarantees.

    \b
      harness check                     the reference store: everything holds
      harness check mypkg.store:open    yours: a function that opens a directory

    \b
    Exit codes: 0 conforms, 1 violated, 2 bad usage or configuration,
    3 inconclusive, 4 the subject fails without any fault, 70 the harness failed.
    """  # noqa: D301 - \b is click's mark for a paragraph that must not be wrapped


for command in (check, stress, merge, replay, report, trace, states, verify, listing):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Without the program's name; those of the process by default.

    Returns:
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A name that the terminal cannot show is spelled out, not an error.
            reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    context: click.Context | None = None
    try:
        context = cli.make_context("harness", given)
        with context:
            code = cli.invoke(context)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - this is where every error ends
        return _explain(error, debug=context is not None and context.meta.get(DEBUG, False))
    return int(code or 0)


def _explain(error: BaseException, *, debug: bool) -> int:
    """Tell the user what went wrong, and give the exit code for it."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return _NO_READER
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        say("interrupted")
        return _INTERRUPTED
    if isinstance(error, _NO_ARGUMENTS):
        sys.stderr.write(f"{error}\n")
        return 2
    if isinstance(error, click.ClickException):
        say(_usage(error))
        return 2
    if isinstance(error, HarnessError):
        say(str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        say(f"the output cannot be written: {error.strerror}; make room or send it elsewhere")
        return 2
    hint = "" if debug else "; run with --debug for the traceback"
    text = " ".join(str(error).split())
    say(f"internal error: {type(error).__name__}{': ' * bool(text)}{text}{hint}")
    return _INTERNAL


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    where = "harness" if context is None else context.command_path
    message = error.format_message().rstrip(".")
    return f"{message}; see `{where} --help`"
