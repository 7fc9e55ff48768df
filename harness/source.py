"""Source text as a sentence can quote it: the whole statement a line belongs to, on one line."""

from __future__ import annotations

import ast
import linecache
import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from harness.record import SOURCE_ROOTS

__all__ = ["located", "ordinal", "statement"]

_WIDTH_MAX: Final = 100


def located(file: str) -> str:
    """Find a file of a trace: seen from here, or installed."""
    for root in (f"{Path.cwd()}/", *SOURCE_ROOTS):
        if Path(root + file).is_file():
            return root + file
    return file


def statement(file: str, line: int) -> str:
    """Give the statement that a line is part of, its lines joined, without comments.

    Of a compound statement only what stands before its colon is given. Where the source is not to
    be had nothing is.

    Args:
        file: As in a trace.
        line: From 1.
    """
    path = located(file)
    text = linecache.getline(path, line)
    if not text:
        return ""
    first, last = _span(path, "".join(linecache.getlines(path)), line)
    parts = [_bare(linecache.getline(path, number)) for number in range(first, last + 1)]
    joined = " ".join(part for part in parts if part)
    joined = re.sub(r"([(\[{]) ", r"\1", joined)
    joined = re.sub(r",? ([)\]}])", r"\1", joined)
    return joined if len(joined) <= _WIDTH_MAX else joined[: _WIDTH_MAX - 3] + "..."


def _bare(text: str) -> str:
    """Take the comment off a line, by the habit of two spaces before it, and the space around."""
    return text.split("  #", maxsplit=1)[0].strip()


def _span(path: str, text: str, line: int) -> tuple[int, int]:
    for first, last in _spans(path, text):
        if first <= line <= last:
            return first, last
    return line, line


@lru_cache(maxsize=64)
def _spans(path: str, text: str) -> tuple[tuple[int, int], ...]:
    """Lines of each statement, innermost first; of a compound one up to where its body begins."""
    del path  # only so that equal texts of two files are told apart
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return ()
    spans = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or node.end_lineno is None:
            continue
        body = getattr(node, "body", None)
        last = node.end_lineno
        if isinstance(body, list) and body:
            last = max(node.lineno, body[0].lineno - 1)
            if isinstance(node, ast.Try):
                continue
        spans.append((node.lineno, last))
    return tuple(sorted(spans, key=lambda span: (span[1] - span[0], span)))


def ordinal(file: str, line: int) -> int:
    """Count the lines before this one, in its function, that read the same.

    With the function and the text it names a line that keeps its name when others move it.
    """
    path = located(file)
    lines = linecache.getlines(path)
    if not 0 < line <= len(lines):
        return line
    first = max((f for f, last in _functions(path, "".join(lines)) if f <= line <= last), default=1)
    return sum(_bare(text) == _bare(lines[line - 1]) for text in lines[first - 1 : line - 1])


@lru_cache(maxsize=64)
def _functions(path: str, text: str) -> tuple[tuple[int, int], ...]:
    del path
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return ()
    return tuple(
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    )
