"""Which function stands in for which real one.

Each room that defines stand-ins registers them here when it is imported; installing puts them in
place. A stand-in is its function *bound to the original*: a bound method is not bound again when it
is fetched through an instance, so ``class Store: _replace = os.replace`` works as it does with a
built-in function, which a plain Python function in its place would break.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import FunctionType, MethodType
from typing import Any, Final, TypeVar

__all__ = [
    "CLASS_STAND_INS",
    "STAND_INS",
    "stand_in",
    "stand_in_class_attribute",
    "stands_for",
]

_F = TypeVar("_F", bound=Callable[..., Any])

STAND_INS: Final[list[tuple[tuple[str, ...], str, Any, Any]]] = []
"""Modules that hold the name, the name, the original, the stand-in."""

CLASS_STAND_INS: Final[list[tuple[type, str, Any]]] = []
"""Python classes one of whose methods is replaced while rerouted, its name, the replacement."""


def stand_in_class_attribute(owner: type, name: str, replacement: Any) -> None:
    """Register a replacement for a method of a Python class."""
    CLASS_STAND_INS.append((owner, name, replacement))


def stand_in(modules: tuple[str, ...], name: str, replacement: Any) -> None:
    """Register a stand-in.

    Args:
        modules: Modules in whose namespace the name is replaced; the first one defines it.
        name: The attribute.
        replacement: What takes its place.
    """
    original = getattr(import_module(modules[0]), name)
    STAND_INS.append((modules, name, original, replacement))


def stands_for(*names: str, modules: tuple[str, ...] = ("posix", "os")) -> Callable[[_F], _F]:
    """Register the decorated function, bound to the original, for each name.

    A name that this version of Python lacks is passed over. Stand-ins carry the name, module and
    documentation of what they replace.
    """

    def register(function: _F) -> _F:
        home = import_module(modules[0])
        for name in names:
            original = getattr(home, name, None)
            if original is None:
                continue
            assert isinstance(function, FunctionType)
            own = FunctionType(
                function.__code__,
                function.__globals__,
                name,
                function.__defaults__,
                function.__closure__,
            )
            own.__kwdefaults__ = function.__kwdefaults__
            for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
                setattr(own, attribute, getattr(original, attribute, None))
            stand_in(modules, name, MethodType(own, original))
        return function

    return register
