"""Which line is to blame for a race, and the story of it.

Two steps of different writers *conflict* if they are about the same name or file and one of them
changes it. A race needs a conflict that no common lock keeps apart (the locks held at both: Savage
et al., *Eraser*, TOCS 1997). To blame is, in this order:

1. a lock that does not lock: two writers each hold what they take for the same lock, because one of
   them removed the file of it (blamed), or because it is a record lock, which belongs to the
   process and keeps no thread of it out (blamed: who took it second);
2. where somebody died, the lock file that it made, if others wait for that file to go;
   in a deadlock, whoever takes the locks in another order than the first writer does;
3. of the two sides of the conflict the one that held no lock, if the other held one;
4. else the side whose turn was cut: it acted on what it had read, or written, before others ran.

Where an operation raised and its own side is to blame, it is the call that failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.diagnose import Site, site_at
from harness.isolation.runs import LATER, Run, Step
from harness.linear import Done
from harness.subjects import Raised
from harness.violation import Violation

__all__ = ["LEFT_BEHIND", "Blame", "blame", "turns"]

LEFT_BEHIND: Final = "makes a lock file, which stays when its holder dies"


@dataclass(frozen=True, slots=True)
class Blame:
    """Who is to blame, and who with.

    Attributes:
        step: What was done at the line to blame.
        other: What it raced with.
        why: In a clause about the line.
        inner: Whether it is the very line that made the call; else the line of the store's own
            operation that led there, because what is wrong is what that operation does not hold.
    """

    step: Step | None
    other: Step | None
    why: str
    inner: bool = True

    @property
    def site(self) -> Site | None:
        """The line."""
        if self.step is None or self.inner:
            return _site(self.step)
        return site_at(self.step.at[-1:], self.step.text)

    @property
    def words(self) -> str:
        """Why, with the line that made the call where that is another one."""
        if self.step is None or self.inner or len(self.step.at) < 2:  # noqa: PLR2004
            return self.why
        file, line, _ = self.step.at[0]
        return f"{self.why} ({file.rpartition('/')[2]}:{line})"

    @property
    def against(self) -> Site | None:
        """The line that it raced with."""
        return _site(self.other)


def _site(step: Step | None) -> Site | None:
    return None if step is None else site_at(step.at, step.text)


_STALE: Final = "relies on what others change meanwhile"
_BARE: Final = "holds no lock while others rely on it"


def blame(run: Run, violation: Violation) -> Blame:
    """Find the line to blame for what an interleaving breaks."""
    left = _left_behind(run)
    if left is not None:
        return left
    if run.stuck is not None and run.detail.waiting:
        first, *others = sorted(run.detail.waiting, key=lambda step: step.writer)
        return Blame(
            others[-1] if others else first,
            first if others else None,
            "waits for a lock that is never left: locks are taken in different orders"
            if others
            else "waits for a lock that is never left",
        )
    wrong = _useless_lock(run)
    if wrong is not None:
        return wrong
    failed = _failed(run, violation)
    pair = _conflict(run, violation)
    if pair is None:
        return Blame(failed, None, "fails while others are at work")
    mine, other = pair
    opening = {done.number for done in run.history if done.operation.kind == "open"}
    if mine.held and not other.held:
        return Blame(other, mine, _BARE, inner=other.operation in opening)
    if (
        violation.kind in ("raises", "recovering-raises")
        and failed is not None
        and failed.writer == mine.writer
    ):
        return Blame(failed, other, _STALE)
    why = _BARE if other.held and not mine.held else _STALE
    return Blame(mine, other, why, inner=mine.operation in opening)


def _left_behind(run: Run) -> Blame | None:
    """Find the lock file of a dead writer that the living still wait for, or fail at."""
    if not run.killed:
        return None
    last: dict[int, Step] = {}
    for step in run.steps:
        if step.exclusive and not step.changes and step.writer not in run.killed:
            last[step.writer] = step
    for wanting in last.values():
        for step in reversed(run.steps):
            if (
                step.exclusive
                and step.changes
                and step.writer in run.killed
                and set(step.names) & set(wanting.names)
            ):
                return Blame(step, wanting, LEFT_BEHIND)
    return None


def _failed(run: Run, violation: Violation) -> Step | None:
    """The call that an operation which raised failed at: the last about what it complains of."""
    done = next((one for one in run.history if one.number == violation.concerns), None)
    steps = [
        step
        for step in run.steps
        if step.operation == violation.concerns and step.at and step.call not in _TIDYING
    ]
    if done is None or not steps:
        return None
    text = done.answer.text if isinstance(done.answer, Raised) else ""
    about = [step for step in steps if any(f"{name}'" in text for name in step.names)]
    return (about or steps)[-1]


_TIDYING: Final = ("close", "flock", "posix_lock", "acquire")


def _conflict(run: Run, violation: Violation) -> tuple[Step, Step] | None:
    """Find the conflict that the break comes from.

    Returns:
        The last step of an operation that conflicts with what others did before it ended, and the
        first such step of theirs; None without one.
    """
    concerned = _concerned(run.history, violation)
    locks = _lock_names(run.steps)
    first: tuple[Step, Step] | None = None
    for mine, other in _conflicts(run.steps, locks):
        if mine.operation in concerned or other.operation in concerned:
            return mine, other
        first = first or (mine, other)
    return first


def _concerned(history: Sequence[Done], violation: Violation) -> set[int]:
    """The operations that a break is about: the one that shows it, and those on the same key."""
    found = set() if violation.concerns is None else {violation.concerns}
    if violation.key is not None:
        found |= {
            done.number
            for done in history
            if done.writer != LATER and done.operation.key == violation.key
        }
    return found


def _lock_names(steps: Iterable[Step]) -> frozenset[str]:
    return frozenset(lock.partition("#")[0] for step in steps for lock in step.held)


def _conflicts(steps: Sequence[Step], locks: frozenset[str]) -> Iterator[tuple[Step, Step]]:
    """Yield the conflicts of what an operation did with what others did before it ended.

    The operation that ended last comes first, and what it did last.
    """
    operations: dict[int, list[Step]] = {}
    for step in steps:
        operations.setdefault(step.operation, []).append(step)
    for own in sorted(operations.values(), key=lambda own: -own[-1].number):
        end = own[-1].number
        for mine in reversed(own):
            met = [
                other
                for other in steps
                if mine.number < other.number < end and _meet(mine, other, locks)
            ]
            if met:
                # What they changed matters more than what they looked at on the way.
                yield mine, next((other for other in met if other.changes), met[0])


def turns(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Cut an interleaving into the turns of its writers."""
    turn: list[Step] = []
    for step in steps:
        if turn and turn[-1].writer != step.writer:
            yield turn
            turn = []
        turn.append(step)
    if turn:
        yield turn


_LISTS: Final = ("listdir", "scandir")
_NEUTRAL: Final = ("flock", "posix_lock", "close", "fsync", "fdatasync", "sleep")


def _meet(one: Step, other: Step, locks: frozenset[str]) -> bool:
    """Tell whether two steps conflict, and no lock keeps them apart."""
    if not (one.changes or other.changes) or one.held & other.held:
        return False
    if one.call in _NEUTRAL or other.call in _NEUTRAL:
        return False
    mine, theirs = (set(step.names) - locks for step in (one, other))
    if one.ino is not None and one.ino == other.ino and mine and theirs:
        return True
    return bool(mine & theirs) or _lists(one, theirs) or _lists(other, mine)


def _lists(step: Step, names: set[str]) -> bool:
    """Who lists a directory has seen each name in it."""
    return step.call in _LISTS and any(name.rpartition("/")[0] in step.names for name in names)


def _useless_lock(run: Run) -> Blame | None:
    """Find two writers that hold what both take for one lock, at one time."""
    now: dict[int, frozenset[str]] = {}
    for step in run.steps:
        now[step.writer] = step.held
        for writer, held in now.items():
            if writer == step.writer:
                continue
            for mine in step.held:
                for theirs in held:
                    wrong = _wrong(run, mine, theirs, step)
                    if wrong is not None:
                        return wrong
    return None


def _wrong(run: Run, mine: str, theirs: str, step: Step) -> Blame | None:
    if "#" not in mine or mine.partition("#")[0] != theirs.partition("#")[0]:
        return None
    name = mine.partition("#")[0]
    taking = [
        one
        for one in run.steps
        if one.number < step.number
        and one.writer == step.writer
        and one.call in ("flock", "posix_lock")
        and name in one.names
    ]
    if mine == theirs and mine.endswith("(record)") and run.shared and taking:
        return Blame(
            taking[-1],
            None,
            "takes a record lock, which belongs to the process: no thread of it is kept out",
        )
    removed = [
        one
        for one in run.steps
        if one.number < step.number
        and one.call in ("unlink", "rename")
        and one.changes
        and name in one.names
    ]
    if mine != theirs and removed:
        why = "takes the lock's file away from those who wait for it"
        return Blame(removed[-1], taking[-1] if taking else None, why)
    return None
