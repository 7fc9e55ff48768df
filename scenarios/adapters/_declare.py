"""What a factory says about the store it opens (the optional attributes of a subject)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Expected", "declares"]

Expected = dict[str, dict[str, str]]
"""Profile to guarantee to verdict."""

_Factory = TypeVar("_Factory", bound=Callable[[str], Any])


def declares(
    *,
    not_found: tuple[type[Exception], ...] = (KeyError, FileNotFoundError),
    corrupt: tuple[type[Exception], ...] | None = None,
    sync: str | None = None,
    guarantees: tuple[str, ...] | None = None,
    single_writer: bool = False,
    files: tuple[str, ...] = (),
) -> Callable[[_Factory], _Factory]:
    """Attach the optional attributes of a subject to its factory.

    Args:
        not_found: Exception types that mean "no such key".
        corrupt: Exception types that mean "damage detected"; default: any other exception.
        sync: Method that makes all earlier writes durable, where only that is promised.
        guarantees: Names the store claims; default: all.
        single_writer: The store's own documentation rules out concurrent writers.
        files: Source files in the standard library that are the store itself, so that findings
            name their lines.
    """

    def attach(factory: _Factory) -> _Factory:
        given: dict[str, object] = {"not_found": not_found, "single_writer": single_writer}
        if files:
            given["files"] = files
        if corrupt is not None:
            given["corrupt"] = corrupt
        if sync is not None:
            given["sync"] = sync
        if guarantees is not None:
            given["guarantees"] = guarantees
        vars(factory).update(given)
        return factory

    return attach
