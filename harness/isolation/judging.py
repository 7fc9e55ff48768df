"""What a concurrent history breaks, in the terms of a finding.

Without a fault no operation may raise, none may wait for ever, and every answer must be explained
by one order of the operations (`harness.linear`). Where a writer was killed or a call failed, what
that writer was doing may have happened or not; the others are promised as much as before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.guarantees import Severity
from harness.isolation.runs import LATER
from harness.linear import PRESENT, Broken, Done, Seen, explain, keys_of
from harness.subjects import MISSING, Outcome, Raised
from harness.violation import Violation, show

__all__ = ["judge_history", "name_of", "wording"]


def name_of(writer: int) -> str:
    """Name a writer as a schedule does: A, B, C."""
    return "a later reader" if writer == LATER else chr(ord("A") + writer)


def judge_history(
    history: Sequence[Done],
    initial: dict[str, bytes],
    *,
    excused: Collection[int] = (),
) -> tuple[list[Violation], list[str]]:
    """Judge one concurrent history.

    Args:
        history: What was called, by whom, and what came.
        initial: What the store held before.
        excused: Numbers of operations that may raise: a fault struck them.

    Returns:
        What it breaks; and the keys for which that could not be found out.
    """
    found = [_raises(done) for done in history if _raised(done) and done.number not in excused]
    broken, unknown = explain(history, initial)
    by_number = {done.number: done for done in history}
    ever = _ever(history, initial)
    found += [_unexplained(one, by_number[one.number], ever.get(one.key, set())) for one in broken]
    return found, unknown


def _raised(done: Done) -> bool:
    return isinstance(done.answer, Raised) and done.returned is not None


def _raises(done: Done) -> Violation:
    what = "opening" if done.operation.kind == "open" else _said(done)
    return Violation(
        "isolation",
        "raises",
        "unavailable",
        done.operation.key,
        f"{name_of(done.writer)}: {what} raises {done.answer}",
        ("no operation raises",),
        done.number,
        concerns=done.number,
    )


def _said(done: Done) -> str:
    operation = done.operation
    return f"{operation.kind}({'' if operation.key is None else repr(operation.key)})"


def _ever(history: Sequence[Done], initial: dict[str, bytes]) -> dict[str, set[Outcome]]:
    """Give every value that each key ever was to have; absence always was one."""
    values: dict[str, set[Outcome]] = {
        key: {initial[key]} if key in initial else {MISSING} for key in keys_of(history, initial)
    }
    for done in history:
        key = done.operation.key
        if key is not None and done.operation.kind == "write":
            values[key].add(done.operation.value or b"")
        elif key is not None and done.operation.kind == "delete":
            values[key].add(MISSING)
    return values


def _unexplained(broken: Broken, done: Done, ever: set[Outcome]) -> Violation:
    kind, severity = _classified(broken, done, ever)
    return Violation(
        "isolation",
        kind,
        severity,
        broken.key,
        wording(done, broken.key, broken.answer),
        tuple(dict.fromkeys(_shown(seen) for seen in broken.allowed)),
        done.number,
        concerns=done.number,
    )


def _classified(broken: Broken, done: Done, ever: set[Outcome]) -> tuple[str, Severity]:
    last = done.writer == LATER
    if done.operation.kind == "list":
        if broken.answer is MISSING:
            return "unlisted", "unavailable"
        # A name that no operation ever gave a value is no key at all.
        return ("ghost", "unavailable") if ever - {MISSING} else ("stray", "leak")
    if broken.answer in ever:
        return ("lost-update" if last else "stale-read"), "data-loss"
    if broken.answer is MISSING:
        return ("lost-update" if last else "vanished"), "data-loss"
    return "mixed", "silent-corruption"


def wording(done: Done, key: str, answer: Seen) -> str:
    """Say what an operation gave."""
    who = name_of(done.writer)
    if done.operation.kind == "list":
        names = "does not name" if answer is MISSING else "names"
        return f"{who}: list() {names} {key!r}"
    if done.operation.kind == "delete":
        return f"{who}: delete({key!r}) says that there is no such key"
    if done.operation.kind == "write":
        return f"{who}: what others read of {key!r} allows no order of the writes"
    return f"{who}: read({key!r}) gives {_shown(answer)}"


def _shown(seen: Seen) -> str:
    return "listed" if seen is PRESENT else show(seen)
