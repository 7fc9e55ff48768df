"""The text of every fault there is, read back: for the command line, and for a finding's file.

::

    write "*.tmp" #2: ENOSPC after 512 bytes, once          a failing call (harness.faults)
    disk: full at 8192 bytes                                a full disk
    fsync #1: EIO, once; then unlink #1: EIO, once          two, the second in what comes of it
    write #2: EIO, once; power cut after call 9             one of these, and then a crash there
    killed after call 3; afterwards: fsync #2: EIO, once    one of these in the life after a kill
    in recovery: unlink #1: EIO, once                       a crash anywhere, then one of these
    power cut after call 7; in recovery: open #2: EIO, once     a crash there, then one of these
    repeat operation 0: * #4: killed                        over and over (harness.hygiene)
    repeat operation 0: * #4: power cut                     the same, and the most files are left
    "store/a": bit 3 of byte 17 flipped                     rot (harness.rot)

``power cut in the middle of call 8`` is another place. Calls are those that changed the disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from harness.errors import UsageError
from harness.faults import AnyFault, Fault, parse
from harness.hygiene import Repeated, parse_repeated
from harness.rot import Damage, parse_damage

__all__ = ["Given", "cut_text", "give", "killed_text"]


@dataclass(frozen=True, slots=True)
class Given:
    """A fault, and what it is put to.

    Attributes:
        text: How it is written.
        guarantee: The promise that is judged with it.
        call: The failing call or full disk, if it is one.
        killed: Calls after which a process dies before, if one does.
        at: Where the power is cut, in half calls; None for everywhere.
        repeated: The repetition, if it is one.
        damage: The damage, if it is rot.
    """

    text: str
    guarantee: str
    call: AnyFault | None = None
    at: int | None = None
    repeated: Repeated | None = None
    damage: Damage | None = None
    killed: int | None = None


_CUT: Final = r"power cut (?P<how>after|in the middle of) call (?P<call>\d+)"
_BEFORE: Final = re.compile(rf"(?:{_CUT}; )?in recovery: (?P<fault>.*)", re.DOTALL)
_KILLED: Final = re.compile(r"killed after call (\d+); afterwards: (.*)", re.DOTALL)
_AFTER: Final = re.compile(rf"(?P<fault>.*); {_CUT}", re.DOTALL)


def cut_text(position: int) -> str:
    """Word where the power is cut.

    Args:
        position: In half calls: 2n is between call n and the next, 2n - 1 the middle of call n.
    """
    calls = (position + 1) // 2
    return f"power cut {'in the middle of' if position % 2 else 'after'} call {calls}"


def killed_text(calls: int) -> str:
    """Word that a process dies before the fault, as the beginning of its text.

    Args:
        calls: Calls that it made.
    """
    return f"killed after call {calls}; afterwards: "


def give(text: str) -> Given:
    """Read a fault of any kind.

    Raises:
        UsageError: It is none.
    """
    if text.startswith('"'):
        return Given(text, "integrity", damage=parse_damage(text))
    if text.startswith("repeat "):
        return Given(text, "hygiene", repeated=parse_repeated(text))
    killed = _KILLED.fullmatch(text)
    if killed is not None:
        fault = _failing(killed[2])
        if not isinstance(fault, Fault) or int(killed[1]) < 1:
            raise UsageError(f"fault {text!r}: a call from the first on, and then a failing call")
        return Given(text, "clean-failure", fault, killed=int(killed[1]))
    for guarantee, pattern in (("recovery", _BEFORE), ("clean-failure", _AFTER)):
        found = pattern.fullmatch(text)
        if found is not None:
            return Given(text, guarantee, _failing(found["fault"]), _at(found))
    return Given(text, "clean-failure", _failing(text))


def _failing(text: str) -> AnyFault:
    fault = parse(text)
    if isinstance(fault, Fault) and fault.killed:
        raise UsageError(
            f"fault {text!r}: a kill is what --profile kill does at every call; "
            f"it is a fault here where it is repeated: 'repeat operation 0: {text}'"
        )
    return fault


def _at(found: re.Match[str]) -> int | None:
    if found["call"] is None:
        return None
    return 2 * int(found["call"]) - (found["how"] != "after")
