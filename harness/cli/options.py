"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

__all__ = ["DEBUG", "debug_option", "json_option"]

F = TypeVar("F", bound=Callable[..., Any])

DEBUG: Final = "harness.debug"
"""Where a context keeps whether tracebacks are wanted."""


def _keep(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
    del parameter
    if value:
        context.meta[DEBUG] = True  # shared by a context and those of its subcommands


def debug_option(command: F) -> F:
    """Give a command ``--debug``: accepted before and after the subcommand's name."""
    return click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_keep,
        help="Show the traceback of an error.",
    )(command)


def json_option(command: F) -> F:
    """Give a command ``--json``, as the argument ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="JSON on stdout, and nothing else there."
    )(command)
