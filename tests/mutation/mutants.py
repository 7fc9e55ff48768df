"""The mutants of a module: each statement, check and loop gone, each pair of neighbours swapped.

Made from the syntax tree, so the list follows the source. The operators, by name:

``drop``     a call that stands alone, a raise, a return, a break or continue, an assignment to an
             attribute or of several names
``never``    the body of an ``if`` is never run
``always``   the body of an ``if`` is always run
``once``     a loop goes round once at most
``skip``     a loop is left out
``swap``     a statement and the next one in the other order
``unguard``  a ``with`` without its guard (a lock, a suppress)
``uncaught`` an exception handler is gone
``careless`` a ``finally`` is gone

A mutant that is no valid program (a name used before it is set) fails at once and counts as found:
it costs nothing to have it in the list.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "mutants_of"]


@dataclass(frozen=True)
class Mutant:
    """One change to one module.

    Attributes:
        module: Dotted name of the module.
        operator: What was done.
        function: Where.
        source: The statement, on one line.
        line: Its line, for a reader: nothing depends on it.
        text: The changed module; text, because a million nodes would slow every collection down.
    """

    module: str
    operator: str
    function: str
    source: str
    line: int
    text: str

    @property
    def name(self) -> str:
        """What it is called in lists: stable while the statement is."""
        return f"{self.module.rpartition('.')[2]}.{self.function}: {self.operator} `{self.source}`"


def mutants_of(module: str, path: Path) -> list[Mutant]:
    """List the mutants of a module, each once, in the order of the source.

    Args:
        module: Its dotted name.
        path: Its source.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: dict[str, Mutant] = {}
    for function, block, position in _blocks(tree):
        for operator, changed in _changes(block, position):
            node = block[position]
            source = _shown(node)
            if operator == "swap":
                source += f" / {_shown(block[position + 1])}"
            new = _with(tree, block, position, changed)
            one = Mutant(module, operator, function, source, node.lineno, new)
            number = 1
            name = one.name
            while name in found:
                number += 1
                one = Mutant(module, operator, function, f"{source} ({number})", node.lineno, new)
                name = one.name
            found[name] = one
    return list(found.values())


def _shown(node: ast.stmt) -> str:
    line = ast.unparse(node).splitlines()[0]
    return line if len(line) <= 60 else line[:57] + "..."


def _blocks(tree: ast.Module) -> Iterator[tuple[str, list[ast.stmt], int]]:
    """Yield every statement within a function: the function's name, its block, its place there."""

    def within(node: ast.AST, function: str | None) -> Iterator[tuple[str, list[ast.stmt], int]]:
        if isinstance(node, ast.FunctionDef):
            function = node.name
        for _, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                for position, statement in enumerate(value):
                    if function is not None and not _is_text(statement):
                        yield function, value, position
                    yield from within(statement, function)
            elif isinstance(value, list):
                for one in value:
                    if isinstance(one, ast.ExceptHandler):
                        yield from within(one, function)

    yield from within(tree, None)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _changes(block: list[ast.stmt], position: int) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Give what may stand instead of a statement; of ``swap``, instead of it and the next."""
    node = block[position]
    nothing: list[ast.stmt] = [ast.Pass()]
    match node:
        case ast.Expr() | ast.Raise() | ast.Return() | ast.Break() | ast.Continue():
            yield "drop", nothing
        case ast.Assign(targets=[ast.Attribute()]) | ast.AnnAssign(target=ast.Attribute()):
            yield "drop", nothing
        case ast.If():
            yield "never", node.orelse or nothing
            yield "always", node.body
        case ast.While() | ast.For():
            once = copy.deepcopy(node)
            once.body.append(ast.Break())
            yield "once", [once]
            yield "skip", nothing
        case ast.With():
            yield "unguard", [*_bound(node), *node.body]
        case ast.Try():
            if node.handlers:
                bare = copy.deepcopy(node)
                bare.handlers, bare.orelse = [], []
                kept = [bare] if node.finalbody else bare.body
                yield "uncaught", [*kept, *node.orelse]
            if node.finalbody:
                careless = copy.deepcopy(node)
                careless.finalbody = []
                yield "careless", [careless] if node.handlers else careless.body
    if position + 1 < len(block):
        following = block[position + 1]
        if not any(isinstance(one, ast.FunctionDef | ast.ClassDef) for one in (node, following)):
            yield "swap", [following, node]


def _bound(node: ast.With) -> list[ast.stmt]:
    """Keep the names that a ``with`` binds."""
    return [
        ast.Assign([item.optional_vars], item.context_expr)
        for item in node.items
        if item.optional_vars is not None
    ]


def _with(tree: ast.Module, block: list[ast.stmt], position: int, changed: list[ast.stmt]) -> str:
    """Write a module out with another statement in the place of one, or of two."""
    width = 2 if len(changed) == 2 and changed[1] is block[position] else 1
    kept = list(block)
    block[position : position + width] = changed
    try:
        return ast.unparse(ast.fix_missing_locations(tree))
    finally:
        block[:] = kept
