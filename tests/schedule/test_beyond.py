"""Deaths of threads, deaths in other places, and what is drawn where the budget ends."""

from harness.ops import write
from harness.schedule import PCT, ConcurrentWorkload, Exploration, Kill, Run, Schedule, run_schedule
from harness.schedule.footprint import footprint
from tests.schedule import stores
from tests.schedule.conftest import TWO_WRITES, Plain, subject_of
from tests.schedule.test_exploration import tree
from tests.schedule.test_run import THREADS, outcome

COUNT = ConcurrentWorkload("count", tuple((write("n", b""),) for _ in range(3)))


def lost(found):
    """Whether an update of the counter is gone."""
    return found.image.files().get("store/n") != b"3"


def test_beyond_the_budget_priorities_are_drawn_and_find_what_the_budget_did_not():
    def search():
        return Exploration(
            subject_of(stores.Counter), COUNT, preemptions=2, budget=1, samples=40, seed=3
        )

    first = search()
    runs = list(first)
    assert not first.exhaustive
    assert (first.runs, first.sampled) == (1, 40)
    assert not lost(runs[0])
    drawn = [one for one in runs[1:] if lost(one)]
    assert drawn
    # What was drawn is a schedule like any other: it holds no chance any more.
    again = run_schedule(subject_of(stores.Counter), COUNT, Schedule.parse(str(drawn[0].taken)))
    assert (again.records, again.events) == (drawn[0].records, drawn[0].events)
    assert [str(one.taken) for one in search()] == [str(one.taken) for one in runs]


def test_nothing_is_drawn_where_nothing_was_left_out():
    search = Exploration(subject_of(Plain), TWO_WRITES, preemptions=60, samples=5)
    list(search)
    assert search.exhaustive
    assert not search.beyond
    assert search.sampled == 0


def test_a_bug_that_needs_two_orderings_is_drawn_within_the_bound_of_pct():
    # n = 3 writers, k turns, depth 2: at least 1 in n * k.
    turns = len(run_schedule(subject_of(stores.Counter), COUNT, Schedule()).steps)
    tries = 3 * turns
    hits = sum(
        lost(run_schedule(subject_of(stores.Counter), COUNT, PCT(str(seed), turns, depth=2)))
        for seed in range(tries)
    )
    assert hits >= 1


def test_a_thread_that_is_killed_takes_its_process_along():
    found = run_schedule(subject_of(stores.Locked), THREADS, Schedule.parse("C+ A*4 !A"))
    assert found.killed == (0,)
    assert found.stuck is None
    assert [event.returned for event in found.events if event.operation.kind == "write"] == [None]
    search = Exploration(subject_of(stores.Locked), THREADS, preemptions=0, kills=1)
    killed = [one for one in search if one.killed]
    assert len({tree(one.image) for one in killed}) >= 4
    again = run_schedule(subject_of(stores.Locked), THREADS, killed[3].taken)
    assert outcome(again) == outcome(killed[3])


def test_deaths_in_other_places_leave_nothing_that_is_not_explored():
    """Only deaths after a turn that others can notice are explored: the others leave the same."""
    for store in (stores.Flocked, stores.LockFile, stores.Counter):
        subject = subject_of(store)

        def seen(found):
            answers = [
                (one.writer, str(one.operation), repr(one.answer))
                for one in found.events
                if one.returned is not None and one.writer not in found.killed
            ]
            kind = None if found.stuck is None else found.stuck.kind
            return tuple(sorted(answers)), tree(found.image), kind

        search = Exploration(subject, TWO_WRITES, preemptions=0, kills=1)
        explored = {seen(one) for one in search if one.killed and one.complete}
        whole = run_schedule(subject, TWO_WRITES, Schedule.parse("A+"))
        mine = sum(step.writer == 0 for step in whole.steps)
        for turns in range(1, mine):
            dead = run_schedule(subject, TWO_WRITES, Schedule((Run(0, turns), Kill(0))))
            assert seen(dead) in explored, (store.__name__, turns)


def test_two_that_lock_one_file_depend_on_each_other(monkeypatch):
    """flock, and the close that drops it, touch the lock: found out by leaving that away."""
    calls = []

    def noting(process, call, details, **options):
        found = footprint(process, call, details, **options)
        calls.append((call, {thing[0] for thing, _ in found}))
        return found

    monkeypatch.setattr("harness.schedule.engine.footprint", noting)
    list(Exploration(subject_of(stores.Flocked), TWO_WRITES, preemptions=1))
    assert [things for call, things in calls if call == "flock"]
    assert all("locks" in things for call, things in calls if call == "flock")
    assert any("locks" in things for call, things in calls if call == "close")


class TryLocked(Plain):
    """Two trylocks, the second of which tells who was first."""

    def write(self, key, value):
        import fcntl  # noqa: PLC0415 - as stores do
        import os  # noqa: PLC0415 - as stores do

        lock = os.open(os.path.join(self.directory, ".lock"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        super().write(key, value)


def test_who_gets_a_lock_that_nobody_waits_for_is_explored():
    both = ConcurrentWorkload("both", ((write("a", b"1"),), (write("b", b"2"),)))
    ends = [
        frozenset(name for name in found.image.files() if not name.endswith(".lock"))
        for found in Exploration(subject_of(TryLocked), both, preemptions=1)
        if found.complete
    ]
    # One alone, the other alone; with both after each other neither is shut out.
    assert {frozenset({"store/a"}), frozenset({"store/b"})} <= set(ends)
