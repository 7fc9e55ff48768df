"""``open``, ``io.open`` and ``FileIO`` on the simulated machine.

`_open` is CPython's ``_io.open`` (Modules/_io/_iomodule.c) with another raw file at the bottom.
"""

# ruff: noqa: FBT001, FBT002 - the signatures are CPython's

from __future__ import annotations

import io
import warnings
from _thread import get_ident
from typing import Any, Final

from harness.disk import Process
from harness.errors import SimulationError
from harness.intercept import real
from harness.intercept.current import ACTIVE, FIRST_DESCRIPTOR, suspended
from harness.intercept.paths import beyond, escape, harmless_device, locate, permit_descriptor
from harness.intercept.rawfile import FLAGS, SimulatedFile, open_descriptor
from harness.intercept.registry import stand_in, stands_for

__all__ = ["FileIO"]

_fspath = real.os.fspath
_ENCODING: Final = "UTF-8"  # the host's locale must not show in a trace

_MODES: Final[dict[str, tuple[str, type[Any] | None, bool]]] = {}
"""Mode of ``open`` to the raw mode, the buffered class and whether it is text; made as needed."""


def _parse(mode: str) -> tuple[str, type[Any] | None, bool]:
    if not isinstance(mode, str):
        raise TypeError(f"open() argument 'mode' must be str, not {type(mode).__name__}")
    letters = set(mode)
    if letters - set("axrwb+t") or len(mode) > len(letters):
        raise ValueError(f"invalid mode: {mode!r}")
    if "t" in letters and "b" in letters:
        raise ValueError("can't have text and binary mode at once")
    kinds = letters & set("xrwa")
    if len(kinds) != 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    kind = kinds.pop()
    updating = "+" in letters
    buffered: type[Any] = io.BufferedReader if kind == "r" else io.BufferedWriter
    if updating:
        buffered = io.BufferedRandom
    parsed = kind + ("+" if updating else ""), buffered, "b" not in letters
    _MODES[mode] = parsed
    return parsed


def _open_elsewhere(
    original: Any, process: Process, file: Any, mode: str, rest: tuple[Any, ...]
) -> Any:
    """Open on the real machine: reading anything, writing only where nothing lasts."""
    if isinstance(file, int):
        if mode.strip("bt") != "r":
            permit_descriptor("open", file)
        return original(file, mode, *rest)
    if mode.strip("bt") != "r" and not harmless_device(file):
        escape("open", file)
    return original(beyond(process, file), mode, *rest)


@stands_for("open", modules=("_io", "io", "builtins"))
def _open(
    original: Any,
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(file, mode, buffering, encoding, errors, newline, closefd, opener)
    raw_mode, layer, text = _MODES.get(mode) or _parse(mode)
    if type(file) is not str and not isinstance(file, int):
        file = _fspath(file)
    if not text and (
        buffering == 1 or encoding is not None or errors is not None or newline is not None
    ):
        _check_binary(buffering, encoding, errors, newline)
    if not closefd and not isinstance(file, int):
        raise ValueError("Cannot use closefd=False with file name")
    if type(file) is str and opener is None and (at := locate(process, file)) is not None:
        # The usual case, spelled out because recoveries are made of it.
        descriptor: int | None = process.open(at, FLAGS[raw_mode][0], 0o666)
    else:
        descriptor = open_descriptor(process, file, raw_mode, opener)
    if descriptor is None or descriptor < FIRST_DESCRIPTOR:
        rest = (buffering, encoding, errors, newline, closefd)
        if descriptor is None:
            return _open_elsewhere(original, process, file, mode, rest)
        return original(file, mode, *rest, lambda *_: descriptor)
    result: Any = SimulatedFile(process, descriptor, file, raw_mode, closefd=closefd)
    try:
        line_buffering = buffering == 1
        if buffering < 0 or line_buffering:
            buffering = result._blksize  # noqa: SLF001 - the protocol between open and FileIO
        if buffering == 0:
            if text:
                raise ValueError("can't have unbuffered text I/O")  # noqa: TRY301 - C opens first
            return result
        result = layer(result, buffering)  # type: ignore[misc]
        if text:
            result = io.TextIOWrapper(
                result, encoding or _ENCODING, errors, newline, line_buffering
            )
            result.mode = mode
    except BaseException:
        result.close()
        raise
    return result


@stands_for("open_code", modules=("_io", "io"))
def _open_code(original: Any, path: Any) -> Any:
    with suspended():  # C's open_code calls io.open; code is imported from the real machine
        return original(path)


def _check_binary(
    buffering: int, encoding: str | None, errors: str | None, newline: str | None
) -> None:
    for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if value is not None:
            article = "an" if name in {"encoding", "errors"} else "a"
            raise ValueError(f"binary mode doesn't take {article} {name} argument")
    if buffering == 1:
        warnings.warn(
            "line buffering (buffering=1) isn't supported in binary mode, the default buffer "
            "size will be used",
            RuntimeWarning,
            stacklevel=3,
        )


class _Dispatching(type(io.RawIOBase)):  # type: ignore[misc]
    """Makes a call of ``FileIO`` give a simulated file, or a real one."""

    def __call__(cls, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None) -> Any:
        process = ACTIVE.get(get_ident())
        if cls is not FileIO:
            raise SimulationError(
                f"{cls.__name__} was derived from FileIO while rerouted; derive it before, and "
                "open simulated files with open()"
            )
        if process is None:
            return real.io.FileIO(file, mode, closefd, opener)
        if not closefd and not isinstance(file, int):
            raise ValueError("Cannot use closefd=False with file name")
        descriptor = open_descriptor(process, file, mode, opener)
        if descriptor is None:
            return _open_elsewhere(real.io.FileIO, process, file, mode, (closefd,))
        if descriptor < FIRST_DESCRIPTOR:
            return real.io.FileIO(file, mode, closefd, lambda *_: descriptor)
        return SimulatedFile(process, descriptor, file, mode, closefd=closefd)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, real.io.FileIO | SimulatedFile)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, real.io.FileIO | SimulatedFile)


class FileIO(metaclass=_Dispatching):
    """Stands for ``io.FileIO``."""


stand_in(("_io", "io"), "FileIO", FileIO)
