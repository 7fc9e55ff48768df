"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

__all__ = [
    "DEBUG",
    "debug_option",
    "guarantee_option",
    "json_option",
    "profile_option",
    "seed_option",
    "shard_option",
]

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


profile_option = click.option(
    "--profile",
    "profiles",
    metavar="P",
    multiple=True,
    help="Persistence model; repeat for several. Default: all.",
)
"""``--profile``, as the argument ``profiles``."""

guarantee_option = click.option(
    "--guarantee",
    "guarantees",
    metavar="G",
    multiple=True,
    help="Guarantee to judge; repeat for several. Default: those the subject claims.",
)
"""``--guarantee``, as the argument ``guarantees``."""

seed_option = click.option("--seed", type=int, metavar="N", help="Of every draw. Default: 0.")
"""``--seed``."""

shard_option = click.option(
    "--shard", metavar="K/N", help="Do the K-th of N parts; join them with merge."
)
"""``--shard``, as it is given."""
