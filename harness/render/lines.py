"""Printing lines that are broken already, where a person would break them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from rich.console import Console
from rich.text import Text

__all__ = ["print_lines"]


class _Console(Console):
    """Leaves a reader that is gone to the shell of the command.

    Rich would exit with 1, which is what a violation exits with.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def print_lines(lines: Iterable[Text], stream: IO[str]) -> None:
    """Print lines, in colour if the stream is a terminal.

    Args:
        lines: The lines.
        stream: Where to print them.

    Raises:
        BrokenPipeError: Nobody reads them any more.
    """
    console = _Console(file=stream, highlight=False, markup=False, emoji=False)
    for line in lines:
        console.print(line, soft_wrap=True)
