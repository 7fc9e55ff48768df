"""The fault language: failing calls and full disks; `harness.fault_hooks` injects what it says.

A fault names one call of a run and what becomes of it, in a line that a person can type and that
parses back to the same fault::

    write #2: ENOSPC, once
    write "*.tmp" #2: ENOSPC after 512 bytes, until cleared
    read #1: 1 bytes only, once
    fsync #1: EIO, once
    * #17: killed
    disk: full at 8192 bytes
    disk: full at 3 inodes
    fsync #1: EIO, once; then unlink #1: EIO, once

Calls are counted from 1, those alone that have the name (``*``: any) and whose path the pattern
matches. "N bytes only" is a short read or write that succeeds. "E after N bytes" is what a disk
does that fills up: this write takes N bytes, and the next one to the same file fails. What stands
behind "then" strikes while the store still deals with the first, in the same operation: its calls
are counted from there.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from harness.disk.calls import CALLS
from harness.errors import UsageError

__all__ = ["ERRORS", "AnyFault", "Fault", "Full", "Seen", "faults_of", "parse"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One call that fails.

    Attributes:
        call: Its name on `harness.disk.Process`; ``*`` for any.
        number: Which of the calls that match, from 1.
        error: Symbol of the errno it fails with; None where it is only cut short or dies.
        after: Bytes that it moves before it stops.
        sticky: Whether later calls that match fail too, until the fault is cleared.
        pattern: What its path, or the last part of it, has to match; None for all.
        killed: The process dies before the call instead.
        then: What strikes while the store deals with this one, its calls counted from here.
    """

    call: str
    number: int
    error: str | None = None
    after: int | None = None
    sticky: bool = False
    pattern: str | None = None
    killed: bool = False
    then: Fault | None = None

    def __str__(self) -> str:
        return self._alone() + _then(self.then)

    def _alone(self) -> str:
        which = self.call if self.pattern is None else f'{self.call} "{self.pattern}"'
        if self.killed:
            return f"{which} #{self.number}: killed"
        effect = self.error or ""
        if self.after is not None:
            effect = f"{effect} after {self.after} bytes" if effect else f"{self.after} bytes only"
        return f"{which} #{self.number}: {effect}, {'until cleared' if self.sticky else 'once'}"


@dataclass(frozen=True, slots=True)
class Full:
    """A disk with room for so much, until it is cleared.

    Attributes:
        amount: How many.
        unit: Of what: ``bytes`` of data in whole blocks of 4096, or ``inodes``, the root included.
        then: What strikes while the store deals with it, its calls counted from there.
    """

    amount: int
    unit: str
    then: Fault | None = None

    def __str__(self) -> str:
        return f"disk: full at {self.amount} {self.unit}{_then(self.then)}"


def _then(fault: Fault | None) -> str:
    return "" if fault is None else f"{_THEN}{fault}"


_THEN: Final = "; then "

AnyFault: TypeAlias = Fault | Full

_FULL: Final = re.compile(r"disk: full at (\d+) (bytes|inodes)")
_FAULT: Final = re.compile(
    r'(?P<call>\*|[a-z0-9_]+)(?: "(?P<pattern>[^"]+)")? #(?P<number>\d+): '
    r"(?:(?P<killed>killed)|(?:(?P<only>\d+) bytes only|(?P<error>E[A-Z0-9]+)"
    r"(?: after (?P<after>\d+) bytes)?), (?P<how>once|until cleared))"
)


def parse(text: str) -> AnyFault:
    """Read a fault back.

    Raises:
        UsageError: It is none.
    """
    first, *rest = text.split(_THEN)
    following = None
    for part in reversed(rest):
        one = _parse(part, following)
        if isinstance(one, Full):
            raise UsageError(f"fault {text!r}: a full disk is there from the start; name it first")
        following = one
    return _parse(first, following)


def _parse(text: str, then: Fault | None) -> AnyFault:
    full = _FULL.fullmatch(text)
    if full:
        return Full(int(full[1]), full[2], then)
    found = _FAULT.fullmatch(text)
    if found is None:
        raise UsageError(
            f'fault {text!r}: not understood; write it like \'write "*.tmp" #2: ENOSPC after 512 '
            "bytes, once' (`harness list faults`)"
        )
    call, error = found["call"], found["error"]
    if call != "*" and call not in CALLS:
        raise UsageError(f"fault {text!r}: there is no call {call!r}")
    if error is not None and not isinstance(getattr(errno, error, None), int):
        raise UsageError(f"fault {text!r}: there is no error {error!r}")
    if int(found["number"]) < 1:
        raise UsageError(f"fault {text!r}: calls are counted from 1")
    after = found["only"] or found["after"]
    return Fault(
        call,
        int(found["number"]),
        error,
        None if after is None else int(after),
        found["how"] == "until cleared",
        found["pattern"],
        found["killed"] is not None,
        then,
    )


_CREATING: Final = ("ENOSPC", "EDQUOT", "EROFS")
_WRITING: Final = ("ENOSPC", "EDQUOT", "EIO")
_NAMING: Final = ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES")
_REMOVING: Final = ("EIO", "EROFS", "EACCES", "EPERM")
_MARKING: Final = ("EIO", "EROFS", "EPERM")
_LISTING: Final = ("EIO", "EMFILE", "ENFILE", "EACCES")

ERRORS: Final[dict[str, tuple[str, ...]]] = {
    "open": ("EIO", "EMFILE", "ENFILE", "EACCES"),
    "close": _WRITING,
    **dict.fromkeys(("read", "readinto", "pread", "readv", "preadv"), ("EIO",)),
    **dict.fromkeys(("write", "pwrite", "writev", "pwritev"), _WRITING),
    **dict.fromkeys(("sendfile", "copy_file_range", "posix_fallocate"), _WRITING),
    "ftruncate": ("EIO", "ENOSPC", "EDQUOT"),
    "truncate": ("EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES"),
    **dict.fromkeys(("fsync", "fdatasync"), ("EIO", "ENOSPC", "EDQUOT")),
    **dict.fromkeys(("rename", "symlink", "mknod"), _NAMING),
    "link": (*_NAMING, "EMLINK", "EPERM"),
    "mkdir": (*_NAMING, "EMLINK"),
    **dict.fromkeys(("unlink", "rmdir"), _REMOVING),
    **dict.fromkeys(("stat", "access", "readlink"), ("EIO", "EACCES")),
    "fstat": ("EIO",),
    **dict.fromkeys(("listdir", "scandir"), _LISTING),
    **dict.fromkeys(("chmod", "fchmod", "chown", "fchown", "utime", "futime"), _MARKING),
    **dict.fromkeys(("setxattr", "removexattr"), ("ENOSPC", "EDQUOT", *_MARKING)),
    "flock": ("ENOLCK",),
    "posix_lock": ("ENOLCK",),
}
"""The errors that each call can really give, the likeliest first, from its manual page (section 2,
ERRORS; of a directory's reading: opendir(3), getdents(2)); those that say that the caller asked for
nonsense (EBADF, EINVAL) are no faults. An open that creates a file, without a name too
(O_TMPFILE), can also give ENOSPC, EDQUOT and EROFS, and one that only writes EROFS. EINTR is none:
Python tries again (PEP 475)."""

SECTOR: Final = 512
PAGE: Final = 4096

_READS: Final = frozenset({"read", "readinto", "pread", "readv", "preadv"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that a run made, as far as its faults depend on it.

    Attributes:
        call: Its name.
        number: Which call of that name, from 1.
        size: Bytes it moved at most; None for a call that moves none.
        flags: Of an open.
        existed: Whether what an open names was there.
        serial: Which call at all, from 1.
    """

    call: str
    number: int
    size: int | None
    flags: int
    existed: bool
    serial: int


def faults_of(seen: Seen, *, short: bool = False) -> list[Fault]:
    """List the faults that a call can suffer.

    Args:
        seen: The call.
        short: Only the most telling ones: one error, for good, and one cut.
    """
    errors = ERRORS.get(seen.call, ())
    if seen.call == "open":
        unnamed = seen.flags & os.O_TMPFILE == os.O_TMPFILE
        if unnamed or (seen.flags & os.O_CREAT and not seen.existed):
            errors = (*_CREATING, *errors)
        elif seen.flags & (os.O_WRONLY | os.O_RDWR):
            errors = ("EROFS", *errors)
    found = [
        Fault(seen.call, seen.number, error, sticky=sticky)
        for error in (errors[:1] if short else errors)
        for sticky in (False, True)
        # A descriptor is closed once; a name is looked up under one error as under another.
        if not (sticky and seen.call == "close")
    ]
    for cut in _cuts(seen, short=short):
        found.append(Fault(seen.call, seen.number, after=cut))
        if seen.call not in _READS:
            found.append(Fault(seen.call, seen.number, "ENOSPC", cut))
            if not short:
                found.append(Fault(seen.call, seen.number, "EIO", cut, sticky=True))
    return found


_EDGES: Final = 8
"""Sector and page boundaries tried at each end of a call that moves more bytes."""


def _cuts(seen: Seen, *, short: bool) -> list[int]:
    """Lengths at which a call that moves bytes may stop.

    One byte, all but one, half, and every sector and page boundary between; of more than 16
    boundaries of a kind the first and the last 8. Where a disk is full it is a page boundary
    (measured: 100,000 bytes into 64 KiB stop at 65,536), after a signal or on a network any.
    """
    size = seen.size
    if size is None or size < 2 or CALLS[seen.call].moves is False:  # noqa: PLR2004
        return []
    if short:
        return [size // 2]
    wanted = {1, size // 2, size - 1}
    for unit in (SECTOR, PAGE):
        edges = range(unit, size, unit)
        wanted |= {*edges[:_EDGES], *edges[-_EDGES:]}
    return sorted(wanted)
