"""The fingerprint of a subject: equal where its source is.

Reports can be joined only if they are about the same store. Hashed are the subject's own file and
every module it imports from beside it: of the same top-level package, or of the directory of a
subject given as a file. What is installed apart from it is not, nor where anything lies.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from harness.subjects import Subject

__all__ = ["fingerprint", "sources"]


def fingerprint(subject: Subject) -> str:
    """Hash a subject's source."""
    digest = hashlib.sha256()
    for name, path in sorted(sources(subject).items()):
        digest.update(f"{name}\0{len(path.read_bytes())}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def sources(subject: Subject) -> dict[str, Path]:
    """Find the files a subject is made of, each named by its path from the package's parent."""
    pending = [Path(name) for name in subject.files if name and Path(name).is_file()]
    if not pending:
        return {}
    where = subject.name.rpartition(":")[0]
    root = _root(pending[0], where)
    found: dict[str, Path] = {}
    while pending:
        path = pending.pop()
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        if name in found:
            continue
        found[name] = path
        pending += _imported(path, root)
    return found


def _root(path: Path, where: str) -> Path:
    """Give the directory that the subject's own modules are imported from."""
    if where.endswith(".py"):
        return path.resolve().parent
    depth = where.count(".") + (path.name == "__init__.py")
    return path.parents[depth] if depth < len(path.parents) else path.parent


def _imported(path: Path, root: Path) -> Iterator[Path]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    inside = path.relative_to(root).parent.parts if path.is_relative_to(root) else ()
    top = inside[0] if inside else None
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = inside[: len(inside) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if top is not None and parts[0] != top:
                continue
            place = root.joinpath(*parts)
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if parts[0] and file.is_file():
                    yield file
