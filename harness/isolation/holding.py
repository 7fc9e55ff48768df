"""Descriptors that a race leaves open: hygiene, as far as several writers are needed to show it.

A process whose operations have all returned may hold files open: a lock, a log. It is suspected
where it holds more after a race than it ever does where each writer finishes before the next
begins. That alone proves nothing, because a pool, or a cache, may be what grew; so the same race is
run again and again, by the same process and on the same keys, the others in new processes each
time. What goes on growing is a leak, by the rule for every repetition (`harness.hygiene`).

Looked at are schedules in which nothing fails. What is left open while a store is being opened is
counted once, not again and again: a process opens its store once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.hygiene import Leak, leaks
from harness.image import BootSource
from harness.isolation.blame import Blame
from harness.isolation.judging import name_of
from harness.isolation.races import Race, race_of
from harness.isolation.runs import LATER, Run, Step
from harness.isolation.staging import Stage
from harness.linear import Done
from harness.ops import Operation
from harness.repeating import Amounts
from harness.schedule.policy import Choice, Moment
from harness.subjects import Subject

__all__ = ["Holding", "blamed"]

_TRIES_MAX: Final = 12
"""Suspicions of one race that are followed up: what proves to be a pool goes on being one."""


@dataclass
class Holding:
    """What processes hold when all of a race has returned.

    Attributes:
        subject: The store.
        race: Who does what.
        base: The disk before.
        seed: Of the simulated machine.
    """

    subject: Subject
    race: Race
    base: BootSource
    seed: int
    _usual: dict[int, int] = field(default_factory=dict)
    _proven: set[int] = field(default_factory=set)
    _tries: int = 0

    def suspected(self, run: Run) -> Iterator[Leak]:
        """Look at one more run, and follow up what it holds too much of.

        Args:
            run: One to its end; those without any preemption come first.
        """
        for holder, held in _held(run):
            if run.serial:
                self._usual[holder] = max(self._usual.get(holder, 0), held)
            elif (
                held > self._usual.get(holder, held)
                and holder not in self._proven
                and self._tries < _TRIES_MAX
            ):
                self._tries += 1
                for leak in self._followed(run, holder):
                    self._proven.add(holder)
                    yield leak

    def leaks(self, run: Run) -> Iterator[Leak]:
        """Tell what a run leaves open that grows with each time it is repeated."""
        for holder, _ in _held(run):
            yield from self._followed(run, holder)

    def _followed(self, run: Run, holder: int) -> Iterator[Leak]:
        """Repeat a race, and tell what the process that goes on holds more of each time."""

        def rounds(count: int, lines: bool) -> Iterator[Amounts]:  # noqa: FBT001 - as declared
            opened = _opened(run, holder) if lines else None
            place = ((), "") if opened is None else (opened.at, opened.text)
            repeated = _repeated(self.race, holder, count + 1)
            stage = Stage(self.subject, repeated, self.base, seed=self.seed, look=False)
            again = stage.draw(_Again(run, holder, self.race, count))
            own = [done for done in again.history if _belongs(done, run, holder)]
            each = len(list(_operations(self.race, run, holder)))
            if len(own) < each * (count + 1) or any(one.returned is None for one in own):
                return  # somebody failed or was stuck: isolation's matter
            own.sort(key=lambda done: done.returned or 0)
            for last in own[each - 1 :: each]:
                descriptors = len(again.held[last.number])
                yield Amounts(descriptors=descriptors, made={"descriptors": place})

        who = "the process" if run.shared else name_of(holder)
        yield from leaks(rounds, f"races in this order {who} is left with", ("descriptors",))


def blamed(run: Run) -> Blame:
    """Blame whoever opened the newest descriptor that is left when all has returned."""
    counts = sorted(_held(run), key=lambda one: one[1])
    step = _opened(run, counts[-1][0]) if counts else None
    return Blame(step, None, "opens what is not closed when others come in between")


def _opened(run: Run, holder: int) -> Step | None:
    """Find the step that opened the newest of the descriptors that a process is left with."""
    last = _last(run, holder)
    if last is None or not run.held[last.number]:
        return None
    newest, until = run.held[last.number][-1], last.returned or 0
    own = [one for one in run.steps if run.shared or one.writer == holder]
    made = (one for one in reversed(own) if one.number <= until and one.opened == newest)
    return next(made, None)


def _held(run: Run) -> Iterator[tuple[int, int]]:
    """Give, for each process, how many descriptors it has when the last operation has returned.

    Threads of one process are known by the first of them.
    """
    writers = {done.writer for done in run.history if done.writer not in (LATER, run.main)}
    for holder in sorted(writers)[: 1 if run.shared else None]:
        last = _last(run, holder)
        if last is not None:
            yield holder, len(run.held[last.number])


def _last(run: Run, holder: int) -> Done | None:
    own = [done for done in run.history if _belongs(done, run, holder)]
    if not own or any(one.returned is None for one in own):
        return None
    return max(own, key=lambda done: done.returned or 0)


def _belongs(done: Done, run: Run, holder: int) -> bool:
    """Tell whether an operation is one of a process, other than opening and closing."""
    mine = done.writer not in (LATER, run.main) if run.shared else done.writer == holder
    return mine and done.operation.kind not in ("open", "close")


def _operations(race: Race, run: Run, holder: int) -> Iterator[Operation]:
    for writer, operations in enumerate(race.writers):
        if run.shared or writer == holder:
            yield from operations


def _repeated(race: Race, holder: int, rounds: int) -> Race:
    """Make the race in which one process does its part so many times; others come anew."""
    shared = race.mode == "threads"
    writers = []
    for writer, operations in enumerate(race.writers):
        again = (Operation("reopen"),) if not shared and writer != holder else ()
        writers.append((*operations, *((*again, *operations) * (rounds - 1))))
    return race_of(race.name, race.mode, writers, race.setup, lists=race.lists)


class _Again:
    """Follows one run again and again; one more time, everybody goes on without interruption.

    A round ends when every writer stands where it would begin the next, so that a call more or less
    in one of them (the key is there now; the directory is known to be durable) moves nothing in the
    others.

    Args:
        run: What to follow.
        holder: Whose process goes on.
        race: Who does what in one round.
        rounds: How often.
    """

    def __init__(self, run: Run, holder: int, race: Race, rounds: int) -> None:
        self._rounds, self._round = rounds, 1
        living = set(range(len(race.writers))) if run.shared else {holder}
        # The first operation waits for opening; where there is no thread to do that, it is counted.
        self._quota = {
            writer: (not run.shared, len(operations))
            if writer in living
            else (0, len(operations) + 2)
            for writer, operations in enumerate(race.writers)
        }
        self._called = dict.fromkeys(self._quota, 0)
        self._first = list(_turns(run, living, opening=True))
        self._later = list(_turns(run, living, opening=False))
        self._left = deque(self._first)

    def choose(self, moment: Moment) -> Choice:
        """Give the writer that goes next; see `harness.schedule.Policy`."""
        while not (waiting := self._waiting(moment)):
            self._round += 1
            self._left = deque(self._later if self._round <= self._rounds else ())
        chosen = moment.running if moment.running in waiting else waiting[0]
        while self._left:
            following = self._left.popleft()
            if following in waiting:
                chosen = following
                break
        assert chosen is not None
        if chosen in self._called and moment.engine.writers[chosen].pending.call == "invoke":
            self._called[chosen] += 1
        return chosen

    def _waiting(self, moment: Moment) -> Sequence[int]:
        """Give those who can go on and have not come to the end of the round."""
        ready = [one for one in moment.ready if not self._stands(one, moment)]
        return ready or [one for one in moment.early if not self._stands(one, moment)]

    def _stands(self, writer: int, moment: Moment) -> bool:
        if writer not in self._quota or self._round > self._rounds:
            return False
        once, each = self._quota[writer]
        over = self._called[writer] >= once + each * self._round
        return over and moment.engine.writers[writer].pending.call == "invoke"


def _turns(run: Run, living: set[int], *, opening: bool) -> Iterator[int]:
    """Give who took each turn of a run, as far as it is to be taken again.

    Args:
        run: It.
        living: Writers of the process that goes on: they open once and do not close.
        opening: Whether this is the first time, with the opening.
    """
    spans: dict[int, tuple[int, int]] = {}
    for writer in living:
        own = [done for done in run.history if done.writer == writer]
        own = [done for done in own if done.operation.kind not in ("open", "close")]
        if own:
            spans[writer] = min(d.invoked for d in own), max(d.returned or 0 for d in own)
    for turn, writer in enumerate(run.order, 1):
        if writer in living:
            first, last = spans.get(writer, (1, 0))
            if turn > last or (turn < first and not opening):
                continue
        elif writer == run.main and not opening:
            continue
        yield writer
