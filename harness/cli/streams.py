"""Who may write where: results on stdout and nothing else, everything else on stderr."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

__all__ = ["emit", "emit_bytes", "emit_json", "say", "side_output_on_stderr"]


def emit(text: str) -> None:
    """Write a line of results to stdout."""
    sys.stdout.write(text + "\n")


def emit_json(data: bytes) -> None:
    """Write JSON to stdout: always UTF-8, whatever the locale, so that it can be parsed again."""
    emit_bytes(data if data.endswith(b"\n") else data + b"\n")


def emit_bytes(data: bytes) -> None:
    """Write UTF-8 to stdout as it is."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(data.decode())
    else:
        sys.stdout.flush()
        buffer.write(data)


def say(message: str) -> None:
    """Write one line to stderr, signed."""
    sys.stderr.write(f"harness: {' '.join(message.split())}\n")


@contextmanager
def side_output_on_stderr() -> Iterator[None]:
    """Send to stderr what anything inside prints, so that stdout holds results only.

    Subjects and scripts are other people's code: they print while they are imported, log to file
    descriptor 1, or start processes that inherit it. So the descriptor is moved, not just
    ``sys.stdout``.
    """
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation, ValueError):
        descriptor = -1  # captured in memory: there is no descriptor to guard
    with redirect_stdout(sys.stderr):
        if descriptor != 1:
            yield
            return
        kept = os.dup(1)
        try:
            os.dup2(2, 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
