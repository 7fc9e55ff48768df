"""``datetime``'s clock: methods of C types that read the host's clock themselves.

The types cannot be replaced (isinstance, pickles and subclasses know them) and refuse assignment.
So the methods are replaced in the types' own dictionaries, which `gc` can reach;
`PyType_Modified` tells CPython to forget what it cached.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
from _thread import get_ident
from collections.abc import Callable
from typing import Any, Final

from harness.intercept.ambient import tick
from harness.intercept.current import ACTIVE

__all__ = ["replace_calendar"]

_NANOSECONDS: Final = 1_000_000_000


def _moment(cls: Any, now_ns: int, tz: Any) -> Any:
    seconds, nanoseconds = divmod(now_ns, _NANOSECONDS)
    moment = cls.fromtimestamp(seconds, dt.UTC if tz is None else tz)
    return moment.replace(microsecond=nanoseconds // 1000)


def _now(original: Any) -> Callable[..., Any]:
    def now(cls: Any, tz: Any = None) -> Any:
        process = ACTIVE.get(get_ident())
        if process is None:
            return original.__get__(None, cls)(tz)
        moment = _moment(cls, tick(process), tz)
        return moment.replace(tzinfo=None) if tz is None else moment

    return now


def _without_zone(original: Any) -> Callable[..., Any]:
    def now(cls: Any) -> Any:
        process = ACTIVE.get(get_ident())
        if process is None:
            return original.__get__(None, cls)()
        if not issubclass(cls, dt.datetime):
            moment = _moment(dt.datetime, tick(process), None)
            return cls(moment.year, moment.month, moment.day)
        return _moment(cls, tick(process), None).replace(tzinfo=None)

    return now


_METHODS: Final = (
    (dt.datetime, "now", _now),
    (dt.datetime, "utcnow", _without_zone),
    (dt.date, "today", _without_zone),
)


def _put(owner: type, name: str, value: Any) -> None:
    for namespace in gc.get_referents(owner.__dict__):
        if isinstance(namespace, dict) and name in namespace:
            namespace[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def replace_calendar() -> list[Callable[[], object]]:
    """Replace the methods.

    Returns:
        What to call to put them back.
    """
    undo: list[Callable[[], object]] = []
    for owner, name, make in _METHODS:
        original = vars(owner)[name]
        _put(owner, name, classmethod(make(original)))
        undo.append(lambda owner=owner, name=name, original=original: _put(owner, name, original))  # type: ignore[misc]
    return undo
