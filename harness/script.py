"""Running a Python script on the simulated disk, and showing the trace it leaves.

The engine of ``harness trace FILE.py``.
"""

from __future__ import annotations

import atexit
import builtins
import errno
import gc
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from harness import trace
from harness.disk import Machine
from harness.errors import UsageError
from harness.intercept import active, rerouted
from harness.record import Recorder

__all__ = ["format_call", "run_script"]

_WIDTH: Final = 80
_DATA_BYTES_MAX: Final = 16


def run_script(path: str, *, seed: int = 0) -> list[trace.Record]:
    """Run a script as ``python FILE.py`` would, in an empty simulated directory.

    It is ``__main__``, its own directory is first on ``sys.path``, ``sys.argv`` is its path, and
    what Python does at its end (joining threads, ``atexit``, closing what is left open) is done.
    A script that raises has its traceback printed on stderr, and a mark ``raise`` where it
    stopped; what it did until then is in the trace.

    Args:
        path: The script, on the real machine.
        seed: What its clock-free randomness comes from.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        EscapeError: Never: it is a script's error like others.
    """
    script = Path(path)
    try:
        source = script.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}; give a Python script that can be read"
        ) from None
    try:
        code = compile(source, path, "exec")
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{path}: not a Python script: {error}; correct it first") from None
    main = ModuleType("__main__")
    vars(main).update(__file__=path, __builtins__=builtins, __cached__=None)
    recorder = Recorder()
    machine = Machine(seed=seed, hooks=recorder)
    process = machine.process()
    with rerouted(), _interpreter_state(str(script.resolve().parent), path, main):
        with active(process), _ending(main):
            try:
                exec(code, vars(main))  # noqa: S102 - running it is what we are asked for
            except SystemExit as stop:
                if stop.code not in (None, 0):
                    recorder.mark("raise", process=process.number, detail=f"exit {stop.code}")
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                _report(error, path)
                detail = traceback.format_exception_only(error)[-1].strip()
                recorder.mark("raise", process=process.number, detail=detail)
        process.exit()
    return recorder.records


def _report(error: BaseException, path: str) -> None:
    """Print the traceback as Python would, from the script's first frame on."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename != path:
        step = step.tb_next
    traceback.print_exception(type(error), error, step or error.__traceback__)
    error.__traceback__ = None  # its frames hold the script's open files


@contextmanager
def _interpreter_state(directory: str, path: str, main: ModuleType) -> Iterator[None]:
    """Give the script its ``__main__``, ``sys.argv`` and ``sys.path``; put back what it changed."""
    argv, search, modules = sys.argv, sys.path, set(sys.modules)
    old_main = sys.modules["__main__"]
    sys.modules["__main__"] = main
    sys.argv = [path]
    sys.path = [directory, *search]
    try:
        yield
    finally:
        sys.argv, sys.path = argv, search
        sys.modules["__main__"] = old_main
        for name in set(sys.modules) - modules:
            origin = getattr(sys.modules[name], "__file__", None) or ""
            if origin.startswith(directory + "/"):
                del sys.modules[name]  # another script's module of that name must not be this one


@contextmanager
def _ending(main: ModuleType) -> Iterator[None]:
    """Do for a script what the interpreter does at its end."""
    callbacks: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
    register, unregister = atexit.register, atexit.unregister

    def keep(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        callbacks.append((function, arguments, options))
        return function

    def drop(function: Callable[..., Any]) -> None:
        callbacks[:] = [entry for entry in callbacks if entry[0] != function]

    handlers = list(logging._handlerList)  # type: ignore[attr-defined]  # noqa: SLF001
    threads = set(threading.enumerate())
    atexit.register, atexit.unregister = keep, drop  # type: ignore[assignment]
    try:
        yield
        for thread in threading.enumerate():
            if thread not in threads and not thread.daemon:
                thread.join()
        for function, arguments, options in reversed(callbacks):
            try:
                function(*arguments, **options)
            except Exception as error:  # noqa: BLE001 - as the interpreter does
                traceback.print_exception(error)
        opened = [ref for ref in logging._handlerList if ref not in handlers]  # type: ignore[attr-defined]  # noqa: SLF001
        logging.shutdown(opened)
        for ref in opened:
            handler = ref()
            if handler is not None:
                logging.getLogger().removeHandler(handler)
        vars(main).clear()  # as when its module goes: files left open are flushed and closed
        gc.collect()
    finally:
        atexit.register, atexit.unregister = register, unregister


# -- the text form ---------------------------------------------------------------------------------


def _data(data: bytes) -> str:
    shown = repr(data[:_DATA_BYTES_MAX])[1:]
    if len(data) > _DATA_BYTES_MAX:
        shown += "..."
    return f"{shown}, {len(data)}"


def _plain(text: str) -> str:
    """Spell out what a terminal would not show as it is."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _name(path: str) -> str:
    return '"' + _plain(path).replace('"', '\\"') + '"'


def _arguments(record: trace.Record) -> str:
    match record:
        case trace.Image():
            return f"{len(record.files)} files, {len(record.dirs)} directories"
        case trace.Create():
            return f"{_name(record.path)}, {record.mode:#o}" + (
                ", unnamed" if record.unnamed else ""
            )
        case trace.Write():
            return f"{_name(record.path)}, {_data(record.data)} at {record.offset}"
        case trace.Truncate():
            return f"{_name(record.path)}, {record.size}"
        case trace.Link() | trace.Rename():
            return f"{_name(record.src)}, {_name(record.dst)}"
        case trace.Symlink():
            return f"{_name(record.target)}, {_name(record.path)}"
        case trace.Sync():
            return ""
        case trace.Mark():
            words = [record.event]
            if record.number is not None:
                words.append(f"#{record.number}")
            words += [word for word in (record.operation, record.key, record.detail) if word]
            return _plain(" ".join(words))
        case _:
            return f"{_name(record.path)}"


def format_call(record: trace.Record, *, numbered: bool = True) -> str:
    """Show a record on one line of at most 80 columns, much as strace would.

    Args:
        record: Any record of a trace.
        numbered: Whether its number comes first.

    Returns:
        Its number, the call, its arguments with data cut short, and the error it failed with.
    """
    name = str(record.__struct_config__.tag)
    line = f"{record.i:>4}  " if numbered else ""
    line += f"{name}({_arguments(record)})"
    if record.error:
        number = getattr(errno, record.error, None)
        line += f" = -1 {record.error}" if number else f" = {record.error}"
    if len(line) <= _WIDTH:
        return line
    return line[: _WIDTH - 3] + "..."
