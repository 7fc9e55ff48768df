"""Where a path or descriptor belongs: to the simulated machine, or to the real one.

A simulated process may read the real machine (imports, certificates, time zones) and may write to
what is no store: standard streams, null devices, pipes and sockets. Any other change there would go
unrecorded, so it fails loudly.
"""

from __future__ import annotations

import posixpath
import stat as stat_bits
import sys
from typing import Any, Final

from harness.disk import Machine, Process
from harness.errors import EscapeError
from harness.intercept import real
from harness.intercept.current import FIRST_DESCRIPTOR, current

__all__ = [
    "aliased",
    "as_descriptor",
    "beyond",
    "called_by_import",
    "escape",
    "harmless_device",
    "locate",
    "permit_descriptor",
]

_PREFIX: Final = Machine.MOUNT + "/"
_DEVICES: Final = frozenset({
    "/dev/null", "/dev/tty", "/dev/zero", "/dev/full", "/dev/stdout", "/dev/stderr", "/dev/stdin",
    "/dev/random", "/dev/urandom",
})  # fmt: skip
_DESCRIPTOR_PATHS: Final = frozenset({"/proc/self/fd", "/dev/fd"})
_STANDARD_STREAMS: Final = 3
_fspath = real.os.fspath


def locate(process: Process, path: Any, dir_fd: int | None = None) -> str | None:
    """Give the path as the simulated kernel takes it, or None where it is not the kernel's.

    Args:
        process: Whose current directory a relative path starts from.
        path: str, bytes or os.PathLike, as the caller gave it.
        dir_fd: Descriptor of the directory that a relative path starts from.

    Raises:
        TypeError: ``path`` is no path.
        ValueError: ``path`` holds a null character.
    """
    if type(path) is not str:
        path = _fspath(path)
        if type(path) is bytes:
            path = path.decode("utf-8", "surrogateescape")
    if "\0" in path:
        raise ValueError("embedded null byte")
    if path[:1] == "/":
        if path.startswith(_PREFIX) and ".." not in path:
            return path  # type: ignore[no-any-return]
        if process.machine.aliases:
            path = aliased(process, path)
        if path == Machine.MOUNT or process.machine.owns(path) or _names_a_descriptor(path):
            return path  # type: ignore[no-any-return]
        return None
    if dir_fd is not None:
        return path if dir_fd >= FIRST_DESCRIPTOR else None
    if ".." in path and not process.machine.owns(posixpath.join(process.getcwd(), path)):
        return None
    return path  # type: ignore[no-any-return]


def aliased(process: Process, path: str) -> str:
    """Give the simulated name of a path that the machine knows by a real one as well."""
    plain = posixpath.normpath(path) if ".." in path else path
    for outside, inside in process.machine.aliases:
        if plain == outside or plain.startswith(outside + "/"):
            return inside + plain[len(outside) :]
    return path


def _names_a_descriptor(path: str) -> bool:
    """Tell whether a path is /proc/self/fd/N of a simulated descriptor: how O_TMPFILE is linked."""
    head, _, number = path.rpartition("/")
    return number.isdecimal() and int(number) >= FIRST_DESCRIPTOR and head in _DESCRIPTOR_PATHS


def beyond(process: Process, path: Any, dir_fd: int | None = None) -> Any:
    """Give a path outside the simulated machine in the form that the real one understands.

    A relative one that climbed out of the simulated current directory must not be taken from the
    real current directory.
    """
    path = _fspath(path)
    text = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
    if dir_fd is not None or text.startswith("/"):
        return path
    return posixpath.normpath(posixpath.join(process.getcwd(), text))


def harmless_device(path: Any) -> bool:
    """Tell whether writing to a real path changes nothing that lasts."""
    try:
        text = _fspath(path)
    except TypeError:
        return False
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return text in _DEVICES or text.startswith(("/dev/fd/", "/dev/pts/"))


def called_by_import() -> bool:
    """Tell whether the import system, not the subject, makes the call: it caches bytecode.

    The innermost frame outside this package and the modules that calls pass through decides: a
    module that writes a file while it is being imported is the subject's own doing.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to see one's caller
    here = __name__.rpartition(".")[0]
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(here) and name not in {"os", "pathlib", "io", "tempfile"}:
            return name in {
                "importlib._bootstrap_external", "zipimport", "_frozen_importlib_external",
                "_pytest.assertion.rewrite",
            }  # fmt: skip
        frame = frame.f_back  # type: ignore[assignment]
    return False


def escape(call: str, path: Any) -> None:
    """Stop a change to the real machine, unless the import system makes it.

    Raises:
        EscapeError: Names the call and the path.
    """
    if not called_by_import():
        shown = path.decode(errors="replace") if isinstance(path, bytes) else path
        error = EscapeError(f"{call} writes outside the store directory: {shown}")
        process = current()
        if process is not None:
            # The program may swallow it; whoever runs the machine must not.
            process.machine.escapes.append(str(error))
        raise error


def as_descriptor(value: Any) -> int:
    """Give the descriptor that an int or an object with ``fileno`` stands for."""
    if type(value) is int:
        return value
    if hasattr(value, "fileno"):
        return value.fileno()  # type: ignore[no-any-return]
    return value.__index__()  # type: ignore[no-any-return]


def permit_descriptor(call: str, descriptor: int) -> None:
    """Let a call change what a real descriptor stands for, if that is no file.

    Raises:
        EscapeError: It is a regular file or a directory of the real machine.
    """
    if 0 <= descriptor < _STANDARD_STREAMS:
        return
    try:
        mode = real.os.fstat(descriptor).st_mode
    except OSError:
        return  # the real call will say EBADF
    if stat_bits.S_ISREG(mode) or stat_bits.S_ISDIR(mode) or stat_bits.S_ISBLK(mode):
        escape(call, f"descriptor {descriptor}")
