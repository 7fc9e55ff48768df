"""Ways around the simulated disk, each stopped and named.

Two nets. Stand-ins catch what Python code calls by name (a child process, memory mapping, killing a
process). Below them an audit hook, which CPython itself calls, catches whatever reaches the real
machine by a way nobody rerouted: a C extension that opens a file, a function captured somewhere
unseen. What CPython does not announce cannot be caught: C code of extension modules that calls
the C library itself (ctypes on libc, databases in C that are not sqlite3). Simulated descriptors
start at 2**20, so such code fails with EBADF on them and never hits another file.
"""

from __future__ import annotations

import os
import signal
import sys
from _thread import get_ident
from collections.abc import Callable
from typing import Any, Final, NoReturn

from harness.disk.constants import MOUNT
from harness.errors import EscapeError, Killed, SimulationError
from harness.intercept import real
from harness.intercept.current import ACTIVE, FIRST_DESCRIPTOR
from harness.intercept.paths import (
    called_by_import,
    escape,
    harmless_device,
    locate,
    permit_descriptor,
)
from harness.intercept.registry import stands_for

__all__ = ["install_audit_hook"]

_os = real.os
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_DEADLY: Final = frozenset({signal.SIGKILL, signal.SIGABRT, signal.SIGTERM, signal.SIGINT})


def _refuse(call: str, why: str) -> NoReturn:
    raise EscapeError(f"{call} cannot be simulated: {why}")


_CHILD: Final = "a child process would work on the real disk, unrecorded"


@stands_for(
    "fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "execv", "execve", "memfd_create"
)
def _no_child(original: Any, *arguments: Any, **options: Any) -> Any:
    if ACTIVE.get(get_ident()) is None or original.__name__ == "memfd_create":
        return original(*arguments, **options)
    _refuse("os." + original.__name__, _CHILD)


@stands_for("_exit", "abort")
def _exit(original: Any, *arguments: Any) -> NoReturn:
    process = ACTIVE.get(get_ident())
    if process is None:
        original(*arguments)
    else:
        process.kill()  # what it means: no clean-up runs, the kernel closes the descriptors
    raise Killed(f"os.{original.__name__} ended the process")


@stands_for("kill")
def _kill(original: Any, pid: int, signal_number: int, /) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(pid, signal_number)  # type: ignore[no-any-return]
    if pid == process.pid:
        if signal_number == 0:
            return None
        if signal_number in _DEADLY:
            process.kill()
            raise Killed(f"os.kill ended the process with signal {signal_number}")
        raise SimulationError(f"os.kill: signal {signal_number} is not simulated")
    if any(other.pid == pid and not other.dead for other in process.machine.processes):
        if signal_number == 0:
            return None
        raise SimulationError("os.kill of another simulated process is not simulated")
    # A stale lock file's owner: pids of the real machine mean nothing here.
    raise ProcessLookupError(3, "No such process")


@stands_for("killpg")
def _killpg(original: Any, pgid: int, signal_number: int, /) -> None:
    if ACTIVE.get(get_ident()) is None:
        return original(pgid, signal_number)  # type: ignore[no-any-return]
    _refuse("os.killpg", "process groups are the real machine's")


# -- the audit hook --------------------------------------------------------------------------------


def _audit_open(path: Any, mode: Any, flags: Any) -> None:
    del mode
    if isinstance(path, int) or path is None:
        return  # an open descriptor; what is done to it comes through the stand-ins
    writes = bool((flags or 0) & _WRITING)
    process = ACTIVE.get(get_ident())
    assert process is not None
    if isinstance(path, str | bytes) and locate(process, path) is not None:
        text = path.decode(errors="replace") if isinstance(path, bytes) else path
        if not called_by_import():
            _refuse(f"open of {text!r}", "it went to the real disk, by code that is not rerouted")
        return
    if writes and not harmless_device(path):
        escape("open", path)


def _audit_path(call: str) -> Callable[..., None]:
    def audit(path: Any = None, *_: Any) -> None:
        if isinstance(path, int):
            permit_descriptor(call, path)
        else:
            escape(call, path)

    return audit


def _audit_child(call: str) -> Callable[..., None]:
    def audit(*_: Any) -> None:
        _refuse(call, _CHILD)

    return audit


def _audit_mmap(descriptor: int, length: int, access: int, offset: int) -> None:
    del length, offset
    if descriptor >= FIRST_DESCRIPTOR:
        _refuse("mmap", "stores through memory are not system calls, so they would go unrecorded")
    if descriptor >= 0 and access != 1:  # mmap.ACCESS_READ
        permit_descriptor("mmap", descriptor)


def _audit_sqlite(database: Any) -> None:
    text = os.fsdecode(database) if isinstance(database, str | bytes | os.PathLike) else ""
    if text not in {":memory:", ""} and "mode=memory" not in text:
        _refuse(f"sqlite3.connect({text!r})", "sqlite does its own file access in C")


_AUDITS: Final[dict[str, Callable[..., None]]] = {
    "open": _audit_open,
    "mmap.__new__": _audit_mmap,
    "sqlite3.connect": _audit_sqlite,
    "subprocess.Popen": _audit_child("subprocess.Popen"),
    "os.system": _audit_child("os.system"),
    "os.fork": _audit_child("os.fork"),
    "os.forkpty": _audit_child("os.forkpty"),
    "os.posix_spawn": _audit_child("os.posix_spawn"),
    "os.exec": _audit_child("os.exec"),
    "os.spawn": _audit_child("os.spawn"),
}
_AUDITS.update(
    (call, _audit_path(call))
    for call in (
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.truncate",
        "os.link",
        "os.symlink",
        "os.chmod",
        "os.chown",
        "os.utime",
        "os.setxattr",
        "os.removexattr",
        "os.chdir",
    )
)

_STRAY: Final = (
    "the thread was started by no simulated process but, it seems, when the store was imported; "
    "start it when the store is opened, or first used"
)


def _is_simulated(path: object) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    text = os.fsdecode(path)
    return text.startswith(MOUNT) and text[len(MOUNT) :][:1] in ("", "/")


_installed = False


def install_audit_hook() -> None:
    """Add the hook, once for the life of the interpreter: CPython has no way to take one out.

    An event of a thread that acts for no simulated process costs one look-up, and a look at the
    path where it is about a file.
    """
    global _installed  # noqa: PLW0603 - the interpreter's state, not ours
    if _installed:
        return
    _installed = True
    actives, audits, ident = ACTIVE, _AUDITS, get_ident

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in audits:
            return
        if ident() in actives:
            audits[event](*arguments)
        elif arguments and _is_simulated(arguments[0]):
            _refuse(f"{event} of {arguments[0]!r}", _STRAY)

    sys.addaudithook(hook)
