"""Finding what captured a real function before it was rerouted, where pyfakefs does not look.

pyfakefs finds functions in module namespaces by name and module. This pass goes by identity, so it
finds the rest: classes, bound methods, aliases in modules, class attributes (``glob`` keeps
``os.lstat`` in a static method), default arguments (``tempfile`` keeps ``os.unlink`` in one),
keyword defaults, closures, and the lists and dictionaries that modules keep. What it cannot see is
a function kept in an instance, or deeper, before the rerouting; the audit hook (escapes.py) is
below that.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from types import CellType, FunctionType, ModuleType
from typing import Any, Final

__all__ = ["Undo", "put_back", "replace_captures"]

Undo = list[Callable[[], object]]
"""What to call, last first, to put everything back."""

_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_IMMUTABLE_TYPE: Final = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE

_TABLE_MAX: Final = 64  # a table of functions is small, and modules keep large ones of other things

_LEFT_REAL_PREFIXES: Final = (
    "harness.intercept",
    "pyfakefs",
    "importlib",
    "zipimport",
    "_thread",  # the import system takes its locks from it
)


def _left_real(name: object) -> bool:
    return isinstance(name, str) and name.startswith(_LEFT_REAL_PREFIXES)


class _Pass:
    """One walk over everything Python code can call from.

    Args:
        pairs: What to look for, each with what to put in its place.
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        self.undo: Undo = []
        self._keep = [pair[0] for pair in pairs]  # an id means something while its owner lives
        self._new = {id(old): new for old, new in pairs}
        # Asked first: id() is an audit event, so it calls every audit hook there is.
        self._kinds = {type(old) for old in self._keep}

    def walk(self) -> None:
        kinds = self._kinds
        for module in list(sys.modules.values()):
            if isinstance(module, ModuleType):
                self._module(module)
        for thing in gc.get_objects():
            kind = type(thing)
            if kind is FunctionType:
                if thing.__defaults__ or thing.__kwdefaults__ or thing.__closure__:
                    self._function(thing)
            elif issubclass(kind, type) and thing.__flags__ & _HEAP_TYPE:
                for name, value in list(vars(thing).items()):
                    if type(value) in kinds or type(value) is staticmethod:
                        self._attribute(thing, name, value)

    def _module(self, module: ModuleType) -> None:
        namespace = vars(module)
        if _left_real(namespace.get("__name__")):
            return
        for key, value in list(namespace.items()):
            kind = type(value)
            if kind is dict or kind is list:
                if len(value) <= _TABLE_MAX:
                    self._container(value)
                continue
            if kind not in self._kinds:
                continue
            replacement = self._new.get(id(value))
            if replacement is None:
                continue
            namespace[key] = replacement
            self.undo.append(put_back(namespace, key, replacement, value))

    def _container(self, container: Any) -> None:
        """Look through a table of functions that a module keeps."""
        places = container.items() if type(container) is dict else enumerate(container)
        for key, value in list(places):
            if type(value) not in self._kinds:
                continue
            replacement = self._new.get(id(value))
            if replacement is not None:
                container[key] = replacement
                self.undo.append(put_back(container, key, replacement, value))

    def _attribute(self, owner: Any, name: str, value: Any) -> None:
        wrapped = type(value) is staticmethod
        replacement = self._new.get(id(value.__func__ if wrapped else value))
        if (
            replacement is None
            or owner.__flags__ & _IMMUTABLE_TYPE
            or _left_real(vars(owner).get("__module__"))
        ):
            return
        if wrapped:
            replacement = staticmethod(replacement)
        type.__setattr__(owner, name, replacement)
        self.undo.append(lambda: type.__setattr__(owner, name, value))

    def _function(self, function: FunctionType) -> None:
        new, kinds = self._new, self._kinds
        if _left_real(function.__globals__.get("__name__")):
            return
        defaults = function.__defaults__
        if defaults and any(type(value) in kinds and id(value) in new for value in defaults):
            function.__defaults__ = tuple(new.get(id(value), value) for value in defaults)
            self.undo.append(lambda: setattr(function, "__defaults__", defaults))
        keywords = function.__kwdefaults__
        if keywords:
            for key, value in list(keywords.items()):
                if type(value) in kinds and id(value) in new:
                    keywords[key] = new[id(value)]
                    self.undo.append(put_back(keywords, key, keywords[key], value))
        for cell in function.__closure__ or ():
            self._cell(cell)

    def _cell(self, cell: CellType) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            return
        if type(value) in self._kinds and id(value) in self._new:
            cell.cell_contents = self._new[id(value)]
            self.undo.append(lambda: setattr(cell, "cell_contents", value))


def put_back(container: Any, key: Any, present: Any, value: Any) -> Callable[[], object]:
    """Give what puts a value back into a container, if what took its place is still there."""

    def undo() -> None:
        try:
            unchanged = container[key] is present
        except LookupError:
            unchanged = False
        if unchanged:  # else somebody gave the name another meaning since
            container[key] = value

    return undo


def replace_captures(pairs: list[tuple[Any, Any]]) -> Undo:
    """Replace each captured object.

    Args:
        pairs: What to look for, by identity, each with what to put in its place.

    Returns:
        What to call, last first, to put everything back.
    """
    search = _Pass(pairs)
    search.walk()
    return search.undo
