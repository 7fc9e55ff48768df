"""Module state of a simulated process's own.

Real processes share no Python object. Here all run in one interpreter, so a counter, cache or lock
that a module keeps would be shared between them, which hides races and invents others. So where the
store's module, its package, or a package that it imports from site-packages can keep state, each
simulated process gets a copy of them, run anew before its writers start; locks that they make
meanwhile are simulated ones. Whether a module can is read off it: a function that assigns a global,
or a global that is a container, a lock or any instance that can change.

Limits: what those packages import in turn is shared, and so is what the standard library keeps, and
a package with a part in C; but a lock that such a module keeps as a global is each process's own
(`harness.intercept.modulelocks`). One that it keeps deeper is real, and waiting for it is stopped
by the watchdog. A module that cannot be run a second time (it registers itself somewhere,
or was never a file) is shared. Copying costs: about 20 ms a process and run for a large package.
"""

from __future__ import annotations

import dis
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from types import CodeType, ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from harness.intercept import real, suspended
from harness.intercept.sync import SCHEDULED
from harness.quiet import bury
from harness.schedule.locks import Making
from harness.subjects import Subject

__all__ = [
    "BURIALS",
    "Source",
    "as_in",
    "copies_of",
    "keeps_state",
    "parts_of",
    "run_again",
    "source_of",
]

_CONSTANT: Final = (
    bool, int, float, complex, str, bytes, type(None), type(Ellipsis), re.Pattern, Enum, frozenset,
    ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, type,
    types.GenericAlias, types.UnionType,
)  # fmt: skip
_TYPING: Final = ("typing", "typing_extensions", "__future__", "abc")
_ASSIGN_GLOBAL: Final = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_ASSIGN_ATTRIBUTE: Final = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_MAKING: Final = frozenset({"__init__", "__new__", "__set_name__", "__post_init__"})
_SHARED: Final = frozenset({
    "harness", "scenarios", "tests",
    "_pytest", "execnet", "hypothesis", "pluggy", "pyfakefs", "pytest", "xdist",
})  # fmt: skip
_SPECIAL: Final = frozenset({
    "__builtins__", "__spec__", "__loader__", "__path__", "__annotations__", "__all__",
    "__cached__", "__conditional_annotations__",
})  # fmt: skip


@dataclass(slots=True)
class Source:
    """A module that can be run again.

    Attributes:
        module: As imported.
        code: What runs it.
        attribute: Where the factory is in it, by names.
        packages: Top-level packages to be imported anew with it.
        names: Of all these, as far as they were imported.
        others: How many modules there were besides.
    """

    module: ModuleType
    code: CodeType
    attribute: tuple[str, ...]
    packages: tuple[str, ...]
    names: list[str] = field(default_factory=list)
    others: int = -1


BURIALS: Final = 16
"""Stores that the remains of one copy count for: modules are large, and full of cycles."""

_sources: WeakKeyDictionary[Any, Source | None] = WeakKeyDictionary()


def copies_of(subject: Subject) -> Iterator[Subject]:
    """Give the store again and again, each with module state of its own."""
    source = source_of(subject)
    while True:
        if source is not None:
            bury(BURIALS)
        yield subject if source is None else _copy(subject, source)


def keeps_state(module: ModuleType) -> bool:
    """Tell whether a module can keep anything that changes."""
    own = module.__name__
    for name, value in vars(module).items():
        if name in _SPECIAL:
            continue
        if isinstance(value, type) and value.__module__ == own:
            if any(_changes(one) for key, one in vars(value).items() if key[:2] != "__"):
                return True
            functions = [getattr(one, "__func__", one) for one in vars(value).values()]
        elif _changes(value):
            return True
        else:
            functions = [value]
        for function in functions:
            code = getattr(function, "__code__", None)
            if (
                code is not None
                and getattr(function, "__module__", None) == own
                and _assigns_global(code)
            ):
                return True
    return False


def _changes(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_changes, value))
    if isinstance(value, staticmethod | classmethod | property | types.MemberDescriptorType):
        return False
    if isinstance(value, _CONSTANT) or type(value).__module__ in _TYPING:
        return False
    return _made_of_c(type(value)) or _assigns_itself(value)


def _made_of_c(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    home = getattr(module, "__file__", None) or ""
    return module is not None and not home.endswith(".py") and kind.__module__ != "__main__"


def _assigns_itself(value: Any) -> bool:
    """Tell whether an instance of a class in Python can change after it was made."""
    slots = [name for one in type(value).__mro__ for name in vars(one).get("__slots__", ())]
    held = [*getattr(value, "__dict__", {}).values()]
    held += [
        getattr(value, name) for name in slots if name != "__weakref__" and hasattr(value, name)
    ]
    if any(map(_changes, held)):
        return True
    for owner in type(value).__mro__[:-1]:
        if owner.__module__ in _TYPING:
            continue
        if _made_of_c(owner):
            return True  # it inherits from a container, or something of that kind
        for name, function in vars(owner).items():
            code = getattr(getattr(function, "__func__", function), "__code__", None)
            if name not in _MAKING and code is not None and _assigns_first(code):
                return True
    return False


def _assigns_global(code: CodeType) -> bool:
    return bool(_opcodes(code) & _ASSIGN_GLOBAL)


def _assigns_first(code: CodeType) -> bool:
    """Tell whether a method assigns an attribute of its first argument."""
    first = code.co_varnames[0] if code.co_argcount else ""
    before: Any = None
    for one in dis.get_instructions(code):
        if one.opname in _ASSIGN_ATTRIBUTE:
            names = before if isinstance(before, tuple) else (before,)
            if names[-1] == first:
                return True
        # The owner of an attribute that is added to is swapped to the top: it may be any.
        before = first if one.opname == "SWAP" else one.argval
    return False


def _opcodes(code: CodeType) -> set[str]:
    found = {one.opname for one in dis.get_instructions(code)}
    return found.union(*(_opcodes(one) for one in code.co_consts if isinstance(one, CodeType)))


def source_of(subject: Subject) -> Source | None:
    """Say what a new process of a store runs again; None where it keeps nothing that can change."""
    try:
        return _sources[subject.factory]
    except KeyError:
        found = _sources[subject.factory] = _find(subject)
        return found
    except TypeError:  # a factory that cannot be a key
        return None


def _find(subject: Subject) -> Source | None:
    factory = subject.factory
    module = sys.modules.get(getattr(factory, "__module__", None) or "")
    names = (getattr(factory, "__qualname__", None) or "").split(".")
    filename = getattr(module, "__file__", None)
    if (
        module is None
        or not filename
        or not filename.endswith(".py")
        or module.__name__ in sys.stdlib_module_names
        or "<locals>" in names
        or _at(module, names) is not factory
    ):
        return None
    packages = _packages(module)
    if not packages and not keeps_state(module):
        return None
    with suspended():
        try:
            with open(filename, "rb") as file:  # noqa: PTH123 - whatever is rerouted
                code = compile(file.read(), filename, "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError):
            return None
    source = Source(module, code, tuple(names), packages)
    return source if _copy(subject, source) is not subject else None


def _packages(module: ModuleType) -> tuple[str, ...]:
    """Name the packages to copy with a module: its own, and installed ones that it uses."""
    tops = {module.__name__.partition(".")[0]} if "." in module.__name__ else set()
    for value in vars(module).values():
        home = (
            value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        )
        top = str(home).partition(".")[0]
        installed = getattr(sys.modules.get(top), "__file__", None) or ""
        if "/site-packages/" in installed or "/dist-packages/" in installed:
            tops.add(top)
    return tuple(sorted(top for top in tops - _SHARED if _keeps(top)))


def _keeps(top: str) -> bool:
    """Tell whether a package is all Python and keeps state."""
    parts = _parts(top)
    files = [getattr(one, "__file__", None) or "" for one in parts.values()]
    return all(one.endswith((".py", ".pyc")) for one in files) and any(
        map(keeps_state, parts.values())
    )


def _parts(top: str) -> dict[str, ModuleType]:
    return {
        name: one for name, one in sys.modules.items() if name == top or name.startswith(top + ".")
    }


def _at(module: ModuleType, names: tuple[str, ...] | list[str]) -> Any:
    found: Any = module
    for name in names:
        found = getattr(found, name, None)
    return found


def parts_of(source: Source) -> dict[str, ModuleType]:
    """Give what is imported now of the modules that a new process runs again."""
    found = {name: sys.modules[name] for name in source.names if name in sys.modules}
    # Asked thousands of times, while there may be thousands of modules: they are looked through
    # only where one has come or gone. One that comes as another goes is seen the next time.
    if len(sys.modules) - len(found) != source.others:
        found = {}
        for top in (source.module.__name__, *source.packages):
            found |= _parts(top)
        source.names = [*dict.fromkeys([*source.names, *found])]
        source.others = len(sys.modules) - len(found)
    return found


def run_again(source: Source, making: Making | None = None) -> dict[str, ModuleType] | None:
    """Run a store's modules again; give them by name, or None if that fails.

    Args:
        source: The modules.
        making: Makes the locks that they make meanwhile; None for locks as the store had them.
    """
    old = source.module
    module = ModuleType(old.__name__)
    for name in ("__file__", "__package__", "__loader__", "__spec__", "__path__"):
        if name in vars(old):
            setattr(module, name, getattr(old, name))
    ident = real.thread.get_ident()
    before = SCHEDULED.get(ident)
    shadowed = parts_of(source)
    for name in shadowed:
        del sys.modules[name]
    # Under its own name, because dataclasses and pickles look their module up by it.
    sys.modules[old.__name__] = module
    if making is not None:
        SCHEDULED[ident] = making
    try:
        with suspended():
            exec(source.code, vars(module))  # noqa: S102 - the subject's own module
        return parts_of(source)
    except Exception:  # noqa: BLE001 - one that runs only once; see above
        return None
    finally:
        for name in parts_of(source):
            del sys.modules[name]
        sys.modules.update(shadowed)
        if before is not None:
            SCHEDULED[ident] = before
        elif making is not None:
            SCHEDULED.pop(ident, None)


def as_in(subject: Subject, source: Source, modules: dict[str, ModuleType]) -> Subject | None:
    """Give the store as modules that were run again have it."""
    module = modules[source.module.__name__]
    factory = _at(module, source.attribute)
    if not callable(factory):
        return None
    return replace(
        subject,
        factory=factory,
        not_found=_same(subject.not_found, module),
        corrupt=None if subject.corrupt is None else _same(subject.corrupt, module),
        checkpoint=getattr(factory, "checkpoint", None) or subject.checkpoint,
    )


def _copy(subject: Subject, source: Source) -> Subject:
    """Run the module again; give the subject as it finds it there, or unchanged if that fails."""
    modules = run_again(source, Making())
    return subject if modules is None else as_in(subject, source, modules) or subject


def _same(
    types: tuple[type[BaseException], ...], module: ModuleType
) -> tuple[type[BaseException], ...]:
    """Find, for exception types of the module, those of its copy."""
    return tuple(
        _at(module, one.__qualname__.split(".")) or one
        if one.__module__ == module.__name__
        else one
        for one in types
    )
