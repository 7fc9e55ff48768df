"""Exploring all schedules with a bounded number of preemptions, each class of equal ones once.

**Bound.** A *preemption* is a switch away from a writer that could go on; a switch where a writer
blocks, sleeps or ends is free. A writer and the threads that the store started for it are a family,
which goes on as long as one of them can, in a fixed order; any departure from it counts, too.
Schedules are explored in order of their number of preemptions (iterative context bounding:
Musuvathi and Qadeer, PLDI'07), so the first that shows a fault has the fewest that any has.

**Search.** Stateless: a schedule is a list of choices, and each run starts at the beginning. A run
follows its prefix and then goes on without preemption; at each state that no run was in before, the
other choices are put down for later.

**Pruning.** Happens-before caching (Musuvathi and Qadeer, *Partial-order reduction for
context-bounded state exploration*, MSR-TR-2007-12). Dependence of turns is that of
`harness.schedule.footprint`, and the invocation of an operation depends on each return of one of
the same key, so equal orders mean equal histories. Two prefixes with the same writers' turns and
the same order of dependent turns (one Mazurkiewicz trace) leave every writer and the disk in the
same state, so what can follow is the same. The turns are hash-consed: a turn is known by its
writer's turn before, its name, and the last turns of others that it depends on; the class of a
prefix is the last turn of each writer, compared exactly, by no hash.

Sound under the bound, which sleep sets and plain DPOR are not (Coons, Musuvathi and McKinley,
OOPSLA'13): a prefix is dropped only if one of its class *with the same writer running last* was
met with *no more* preemptions. What follows from one follows from the other at the same price: the
next choice costs what it costs because of who runs and who can go, both equal; by induction on the
length, every schedule within the bound has an equivalent one that is run. As prefixes are visited
in order of preemptions, the first visit of a class is the cheapest.

It follows, too, that each state *between* two turns that any schedule within the bound reaches, up
to the order of independent turns, is a state of a run: a power cut at each turn from
`Interleaving.fresh` on covers all of them.

**Among threads** of one process everything is dependent, because Python code between two calls may
touch any object of the store: nothing is pruned but prefixes that are equal.

**What is not varied**: the moment at which a sleeper wakes beyond its first sleeps in a row, which
reads the clock; after how many rounds a livelock is cut off; and in which order independent turns
appear in the trace. With ``crashes`` all calls that change the disk keep their order, so each order
of changes that any schedule makes is in some trace, and with it each crash state after a call. A
write torn in the middle is seen with whoever had returned in the run that made it; another who was
about to return then, after only having looked, counts as not yet returned. Time grows linearly with
the classes, memory with the classes met (about 1 KiB each); `budget` bounds both.

**Counts.** Because every class met keeps its choices, the number of schedules within the bound is
the number of paths through them: exact, though most were never run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from harness.disk import Hooks
from harness.image import BootSource
from harness.intercept import rerouted
from harness.schedule.carriers import Carriers
from harness.schedule.footprint import CONFLICTS, Footprint, Object
from harness.schedule.interleaving import Interleaving
from harness.schedule.policy import PCT, Choice, Moment
from harness.schedule.run import Look, prepare, run_policy
from harness.schedule.schedule import Kill
from harness.schedule.workload import ConcurrentWorkload
from harness.subjects import Subject

__all__ = ["BUDGET_DEFAULT", "Exploration"]

BUDGET_DEFAULT: Final = 20_000
"""Runs that one exploration may take."""

_Key: TypeAlias = tuple[tuple[int, ...], int]
"""Last turn of each writer, and who ran last."""

_NOBODY: Final = -1
_KILLED: Final = 1 << 16
"""Added to a writer's number where a choice is its death."""


class _Order:
    """The happens-before order of one run.

    Args:
        turns: All turns of all runs, by what they are.
    """

    def __init__(self, turns: dict[object, int], names: dict[str, int]) -> None:
        self._turns = turns
        self._names = names
        self.last: list[int] = []
        self._count: list[int] = []
        self._touched: dict[Object, dict[tuple[int, str], tuple[int, int]]] = {}

    def turn(self, writer: int, name: str, touches: Footprint, extra: tuple[int, ...]) -> int:
        """Tell which turn it would be if a writer took it now."""
        latest: dict[int, tuple[int, int]] = {}
        for thing, mode in touches:
            known = self._touched.get(thing)
            if known is not None:
                conflicting = CONFLICTS[mode]
                for (other, done), place in known.items():
                    if (
                        other != writer
                        and done in conflicting
                        and (other not in latest or latest[other] < place)
                    ):
                        latest[other] = place
        key = (
            writer,
            self.last[writer] if writer < len(self.last) else 0,
            self._names.setdefault(name, len(self._names)),
            tuple((other, latest[other][1]) for other in sorted(latest)),
            extra,
        )
        found = self._turns.get(key)
        if found is None:
            found = self._turns[key] = len(self._turns) + 1
        return found

    def take(self, writer: int, turn: int, touches: Footprint) -> None:
        """Note that a writer took a turn."""
        while len(self.last) <= writer:
            self.last.append(0)
            self._count.append(0)
        self.last[writer] = turn
        self._count[writer] += 1
        place = self._count[writer], turn
        for thing, mode in touches:
            self._touched.setdefault(thing, {})[writer, mode] = place

    def after(self, writer: int, turn: int) -> tuple[int, ...]:
        """Give the class that follows when a writer takes a turn."""
        last = self.last + [0] * (writer + 1 - len(self.last))
        last[writer] = turn
        return tuple(last)


class _Explorer:
    """The policy of one run: follows its prefix, then notes what else could be done."""

    def __init__(
        self, search: Exploration, prefix: tuple[int, ...], level: int, kills: int
    ) -> None:
        self._search = search
        self._prefix = prefix
        self._level = level
        self._kills = kills
        self._order = _Order(search.turns, search.names)
        self._choices: list[int] = []
        self._running = _NOBODY
        self._touches: dict[int, tuple[int, Footprint]] = {}
        self._left: set[int] = set()
        self.fresh: int | None = None

    def choose(self, moment: Moment) -> Choice:
        number = len(self._choices)
        if number < len(self._prefix):
            return self._go(moment, self._prefix[number])
        search, order = self._search, self._order
        key: _Key = tuple(order.last if search.prune else self._choices), self._running
        if key in search.edges:
            return None  # all that follows is known
        if self.fresh is None:
            self.fresh = moment.turn
        self._touches.clear()
        usual = moment.usual
        edges: list[tuple[_Key, int]] = []
        search.edges[key] = edges
        for writer in (*moment.ready, *moment.early):
            price = moment.price(writer)
            if self._level + price > search.preemptions:
                search.beyond = True
                continue
            child = self._child(writer, self._turn(moment, writer), writer, writer)
            edges.append((child, price))
            if writer == usual:
                search.known.add(child)
            else:
                self._put_down(child, writer, price, self._kills)
        if self._kills:
            for victim in self._victims(moment):
                turn = order.turn(victim, "killed", moment.engine.locks_of(victim), ())
                choice = victim + _KILLED
                child = self._child(victim, turn, choice, self._runs_after(choice))
                edges.append((child, 0))
                self._put_down(child, choice, 0, self._kills - 1)
        return self._go(moment, usual)

    def _victims(self, moment: Moment) -> Iterator[int]:
        """Give the writers whose death here is another one than a turn earlier.

        After a turn in which a process only looked, nothing has changed that its death could leave
        or undo; it counts only if an operation has returned, or been called, meanwhile. Threads
        die together: one of them stands for all.
        """
        for writer in moment.engine.writers:
            victim = writer.index
            if writer.finished or not writer.begun:
                continue
            if self._search.workload.mode == "threads" and victim != self._running:
                continue
            if victim in self._left or writer.pending.call in ("invoke", "exit"):
                yield victim

    def _child(self, writer: int, turn: int, choice: int, running: int) -> _Key:
        if not self._search.prune:
            return (*self._choices, choice), running
        return self._order.after(writer, turn), running

    def _runs_after(self, killed: int) -> int:
        """Tell who counts as running when somebody has died: whoever did, if it lives."""
        return killed if killed - _KILLED == self._running else self._running

    def _put_down(self, child: _Key, choice: int, price: int, kills: int) -> None:
        search = self._search
        if child in search.known:
            search.pruned += 1
            return
        search.known.add(child)
        search.pending[self._level + price].append(((*self._choices, choice), child, kills))

    def _turn(self, moment: Moment, writer: int) -> int:
        name, touches, extra = moment.engine.footprint(writer)
        turn = self._order.turn(writer, name, touches, extra)
        self._touches[writer] = turn, touches
        return turn

    def _go(self, moment: Moment, choice: int) -> Choice:
        self._choices.append(choice)
        self._running = choice if choice < _KILLED else self._runs_after(choice)
        if choice >= _KILLED:
            victim = choice - _KILLED
            touches = moment.engine.locks_of(victim)
            self._order.take(victim, self._order.turn(victim, "killed", touches, ()), touches)
            return Kill(victim)
        if choice not in self._touches:
            self._turn(moment, choice)
        turn, touches = self._touches[choice]
        self._touches.clear()
        self._order.take(choice, turn, touches)
        if self._search.kills:
            # Whether an operation will return in this turn is seen when it has been taken.
            called = moment.engine.writers[choice].pending.call == "invoke"
            changed = called or any(mode != "r" for _, mode in touches)
            (self._left.add if changed else self._left.discard)(choice)
        return choice


class Exploration:
    """All schedules of a workload within a bound; iterate to run them.

    Args:
        subject: The store.
        workload: What its writers do.
        base: The disk at the start; None for what the workload's setup leaves.
        seed: Of the machine, and of the schedules drawn beyond the budget.
        preemptions: The bound.
        kills: How many writers may die on the way, each at any of its turns.
        budget: Runs to take at most.
        samples: Runs by random priorities (PCT) where the budget, or the bound, left some out.
        hooks: Makes, for each run, who else looks on and may inject faults.
        crashes: Whether crash states on the way are looked at: then calls that change something
            keep their order, among each other and among those that make something durable.
        prune: Switch the pruning off, to test it.
        look: Looks at the machine where a run has come to its end; see
            `harness.schedule.run.run_policy`.

    Attributes:
        visited: Schedules run to their end.
        runs: Those, and the runs that were ended early.
        pruned: Choices not followed, because an equal one was.
        beyond: Whether the bound left any schedule out.
    """

    def __init__(
        self,
        subject: Subject,
        workload: ConcurrentWorkload,
        *,
        base: BootSource | None = None,
        seed: int = 0,
        preemptions: int = 2,
        kills: int = 0,
        budget: int = BUDGET_DEFAULT,
        samples: int = 0,
        hooks: Callable[[], Hooks] | None = None,
        crashes: bool = False,
        prune: bool = True,
        look: Look | None = None,
    ) -> None:
        self.subject = subject
        self.workload = workload
        self.seed = seed
        self.preemptions = preemptions
        self.kills = kills
        self.budget = budget
        self.samples = samples
        self.hooks = hooks
        self.crashes = crashes
        self.prune = prune
        self.look = look
        self.visited = self.runs = self.pruned = self.sampled = 0
        self.beyond = False
        self.turns: dict[object, int] = {}
        self.names: dict[str, int] = {}
        self.edges: dict[_Key, list[tuple[_Key, int]]] = {}
        self.known: set[_Key] = set()
        self.pending: list[deque[tuple[tuple[int, ...], _Key, int]]] = [
            deque() for _ in range(preemptions + 1)
        ]
        self._base = base
        self._finished = False
        self._turns_max = 0

    @property
    def exhaustive(self) -> bool:
        """Whether every schedule within the bound, up to equivalence, was run."""
        return self._finished

    @property
    def possible(self) -> int | None:
        """How many schedules there are within the bound; None while not all classes are known."""
        return self._count() if self._finished else None

    @property
    def reduction(self) -> float | None:
        """Schedules within the bound for each one that was run; None as for `possible`."""
        possible = self.possible
        return None if possible is None or not self.runs else possible / self.runs

    def __iter__(self) -> Iterator[Interleaving]:
        base = self._base
        if base is None:
            base = prepare(self.subject, self.workload, seed=self.seed)
        with rerouted(), Carriers() as carriers:
            yield from self._systematic(carriers, base)
            if not self._finished or self.beyond:
                yield from self._drawn(carriers, base)

    def _systematic(self, carriers: Carriers, base: BootSource) -> Iterator[Interleaving]:
        root: _Key = (), _NOBODY
        self.pending[0].append(((), root, self.kills))
        for level, pending in enumerate(self.pending):
            while pending:
                if self.runs >= self.budget:
                    return
                prefix, child, kills = pending.popleft()
                if child in self.edges:
                    self.pruned += 1
                    continue
                policy = _Explorer(self, prefix, level, kills)
                found = self._run(carriers, base, policy)
                self.runs += 1
                found.fresh = len(found.steps) if policy.fresh is None else policy.fresh
                self.visited += found.complete
                self._turns_max = max(self._turns_max, len(found.steps))
                yield found
        self._finished = True

    def _drawn(self, carriers: Carriers, base: BootSource) -> Iterator[Interleaving]:
        for number in range(self.samples):
            policy = PCT(f"{self.seed}/pct/{number}", self._turns_max)
            found = self._run(carriers, base, policy)
            self.sampled += 1
            yield found

    def _run(self, carriers: Carriers, base: BootSource, policy: _Explorer | PCT) -> Interleaving:
        hooks = None if self.hooks is None else self.hooks()
        found, _ = run_policy(
            self.subject,
            self.workload,
            policy,
            carriers,
            base=base,
            seed=self.seed,
            hooks=hooks,
            crashes=self.crashes,
            look=self.look,
        )
        return found

    def _count(self) -> int:
        """Count the paths from the root to an end, by how many preemptions are left."""
        counts: dict[tuple[_Key, int], int] = {}
        root = ((), _NOBODY), self.preemptions
        stack: list[tuple[_Key, int]] = [root]
        while stack:
            here = stack[-1]
            if here in counts:
                stack.pop()
                continue
            key, left = here
            following = [
                (child, left - price) for child, price in self.edges.get(key, ()) if price <= left
            ]
            missing = [one for one in following if one not in counts]
            if missing:
                stack += missing
                continue
            counts[here] = sum(counts[one] for one in following) if following else 1
            stack.pop()
        return counts[root]
