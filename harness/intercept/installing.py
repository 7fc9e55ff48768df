"""Putting the stand-ins in place, and taking them out again.

Three layers. The functions of ``posix``, ``os``, ``_io``, ``io``, ``builtins``, ``fcntl``, ``time``
and a few more are replaced *inside those modules*, so that CPython's own Python code
(``os.makedirs``, ``shutil``, ``tempfile``, ``pathlib``, ``glob``, ``zipfile``, ...) runs unchanged
over them. pyfakefs's Patcher then finds the modules that captured a function by ``from os import
replace``. A pass by identity finds what is left (captures.py).

The import system keeps the real functions: which modules a subject happens to import first must
not show in its trace.
"""

from __future__ import annotations

import _io
import importlib._bootstrap_external as import_system
import linecache
import os
import posix
import sys
import tempfile
import tokenize
import warnings
from collections.abc import Callable
from inspect import isbuiltin
from types import MethodType, ModuleType, SimpleNamespace
from typing import Any, ClassVar, Final

from pyfakefs.fake_filesystem_unittest import Patcher

from harness.intercept import (  # noqa: F401 - importing them registers their stand-ins
    ambient,
    attributes,
    descriptors,
    directories,
    locks,
    names,
    opening,
    real,
    sync,
    threads,
)
from harness.intercept.calendar import replace_calendar
from harness.intercept.captures import Undo, replace_captures
from harness.intercept.current import suspended
from harness.intercept.escapes import install_audit_hook
from harness.intercept.modulelocks import replace_module_locks
from harness.intercept.registry import CLASS_STAND_INS, STAND_INS

__all__ = ["Installation"]

_MISSING: Final = object()
_OS_SETS: Final = (
    "supports_dir_fd",
    "supports_fd",
    "supports_follow_symlinks",
    "supports_effective_ids",
)


class _AsIs:
    """Gives a stand-in to pyfakefs, which binds what it finds to the fake module."""

    def __init__(self, stand_in: Any) -> None:
        self.stand_in = stand_in
        self.__module__ = stand_in.__module__

    def __get__(self, instance: object, owner: type) -> Any:
        return self.stand_in


class _StandInModule:
    """A fake module as pyfakefs takes it: called for the module, listing what it replaces.

    The module it gives is the real one, whose functions are already replaced.
    """

    def __init__(self, name: str, functions: dict[str, Any]) -> None:
        self.functions = functions
        self.module = sys.modules[name]
        self.dir: Callable[[], list[str]] = lambda: list(functions)

    def __call__(self, _filesystem: Any) -> ModuleType:
        return self.module

    def __getattr__(self, name: str) -> Any:
        try:
            return _AsIs(self.functions[name])
        except KeyError:
            raise AttributeError(name) from None


class _Rerouter(Patcher):
    """pyfakefs's Patcher with our modules in place of all of its own.

    Its own counters and caches, so that a test that uses pyfakefs itself is left alone.
    """

    PATCHER = None
    REF_COUNT = 0
    CACHED_MODULES: ClassVar[set[Any]] = set()
    FS_MODULES: ClassVar[dict[str, set[tuple[ModuleType, str]]]] = {}
    FS_FUNCTIONS: ClassVar[dict[tuple[str, str, str], set[ModuleType]]] = {}
    FS_DEFARGS: ClassVar[list[Any]] = []
    SKIPPED_FS_MODULES: ClassVar[dict[str, set[tuple[ModuleType, str]]]] = {}

    def __init__(self, modules: dict[str, Any]) -> None:
        super().__init__(
            modules_to_patch=modules,
            use_known_patches=False,
            use_cache=False,
            use_dynamic_patch=False,  # modules imported later find our functions in os itself
        )
        # pyfakefs replaces these by functions of its own that call its own fakes.
        nothing: Any = SimpleNamespace(start_patching=lambda: None, stop_patching=lambda: None)
        self.tempfile_patcher = nothing
        self.linecache_patcher = nothing

    def _init_fake_module_classes(self) -> None:
        self._fake_module_classes = {}

    def _init_fake_module_functions(self) -> None:
        # The original also lists os.path's functions, which are CPython's own here.
        for name, module in self._fake_module_classes.items():
            for function in module.dir():
                found = getattr(module, function)
                self._fake_module_functions.setdefault(function, {})[found.__module__] = (
                    found,
                    name,
                )

    def _set_glob_os_functions(self) -> None:
        """Leave it: captures.py replaces what glob keeps, and puts the very same object back."""


class Installation:
    """The stand-ins, in place until `remove`."""

    def __init__(self) -> None:
        self._undo: Undo = []
        self._captures: Undo = []
        install_audit_hook()
        try:
            self._install()
        except BaseException:
            self.remove()
            raise

    def _set(self, namespace: dict[str, Any], name: str, value: Any) -> None:
        old = namespace.get(name, _MISSING)
        namespace[name] = value
        if old is _MISSING:
            self._undo.append(lambda: namespace.pop(name, None))
        else:
            self._undo.append(lambda: namespace.__setitem__(name, old))

    def _install(self) -> None:
        # Modules of the real functions for the import system, which must not be rerouted.
        for name, module in (("_os", posix), ("_io", _io)):
            own = ModuleType(module.__name__)
            vars(own).update(vars(module))
            self._set(vars(import_system), name, own)
        vars(own)["open_code"] = _suspending(_io.open_code)
        self._set(vars(tempfile), "tempdir", tempfile.tempdir)
        self._in_place()
        self._undo += replace_calendar()
        self._undo += replace_module_locks()
        self._real_source_lines()
        self._patcher()
        self._captures = replace_captures(
            [(original, stand_in) for _, _, original, stand_in in STAND_INS]
        )

    def _in_place(self) -> None:
        for modules, name, original, replacement in STAND_INS:
            for module_name in modules:
                module = sys.modules.get(module_name)
                if module is not None and vars(module).get(name) is original:
                    self._set(vars(module), name, replacement)
        for owner, name, replacement in CLASS_STAND_INS:
            old = vars(owner)[name]
            setattr(owner, name, replacement)
            self._undo.append(
                lambda owner=owner, name=name, old=old: setattr(owner, name, old)  # type: ignore[misc]
            )
        by_original = {id(original): replacement for _, _, original, replacement in STAND_INS}
        for set_name in _OS_SETS:
            known = getattr(os, set_name)
            added = {by_original[id(item)] for item in known if id(item) in by_original}
            known |= added
            self._undo.append(lambda known=known, added=added: known.difference_update(added))  # type: ignore[misc]

    def _real_source_lines(self) -> None:
        """Let tracebacks read source text without a call on the simulated machine."""
        for name in ("updatecache", "checkcache"):
            self._set(vars(linecache), name, _suspending(getattr(linecache, name)))

    def _patcher(self) -> None:
        functions: dict[str, dict[str, Any]] = {}
        for modules, name, original, replacement in STAND_INS:
            if (
                not isbuiltin(original)
                or not original.__module__
                or not isinstance(replacement, MethodType)
            ):
                # pyfakefs goes by a function's name and module: sure for C functions only. And it
                # looks everywhere, while locks and identities stay real for the import system.
                continue
            home = "os" if modules[0] == "posix" else "io" if modules[0] == "_io" else modules[0]
            functions.setdefault(home, {})[name] = replacement
        had_open = vars(linecache).get("open", _MISSING)
        old_open = tokenize._builtin_open  # type: ignore[attr-defined]  # noqa: SLF001
        patcher = _Rerouter({name: _StandInModule(name, own) for name, own in functions.items()})

        def remove() -> None:
            patcher.tearDown()
            # pyfakefs leaves these two behind.
            if had_open is _MISSING:
                vars(linecache).pop("open", None)
            tokenize._builtin_open = old_open  # type: ignore[attr-defined]  # noqa: SLF001

        self._undo.append(remove)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            patcher.setUp()

    def remove(self) -> None:
        """Put everything back as it was, and real functions where a stand-in was captured since."""
        for undo in reversed(self._captures):
            undo()
        for undo in reversed(self._undo):
            undo()
        replace_captures([(stand_in, original) for _, _, original, stand_in in STAND_INS])
        self._captures, self._undo = [], []


def _suspending(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        with suspended():
            return function(*arguments, **options)

    return run
