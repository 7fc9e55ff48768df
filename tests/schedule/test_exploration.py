"""Pruning loses nothing: against full enumeration, on random programs and small stores."""

import fcntl
import os
from random import Random

import pytest

from harness.disk import Hooks
from harness.image import from_tree
from harness.ops import delete, read, write
from harness.schedule import ConcurrentWorkload, Exploration
from tests.schedule import stores
from tests.schedule.conftest import Plain, subject_of

FULL = bool(os.environ.get("HARNESS_FULL"))
UNBOUNDED = 60


def tree(image):
    """A disk by names and contents, without inode numbers."""
    found = (
        *image.files().items(),
        *image.symlinks().items(),
        *((one, None) for one in image.dirs()),
    )
    return tuple(sorted(found, key=str))


class Cuts(Hooks):
    """Pictures the page cache before each call, and who had got how far."""

    def __init__(self, cuts):
        self.cuts = cuts
        self.here = []
        cuts.append(self.here)

    def before(self, process, call, **_):
        del call
        machine = process.machine
        calls = tuple(one.calls - (one is process) for one in machine.processes)
        self.here.append((tree(machine.image()), calls))

    def record(self, record):
        pass


def history(found):
    """Answers, and the order of operations of one key."""
    events = sorted(found.events, key=lambda one: (one.writer, one.number))
    places = [(one.writer, str(one.operation), repr(one.answer), one.certain) for one in events]
    order = tuple(
        (a, b)
        for a, one in enumerate(events)
        for b, other in enumerate(events)
        if one.writer != other.writer
        and one.returned is not None
        and one.returned < other.invoked
        and one.operation.kind not in ("open", "close")
        and other.operation.kind not in ("open", "close")
        and one.operation.key == other.operation.key
    )
    return tuple(places), order, tree(found.image), waits(found.stuck)


def waits(stuck):
    """Who waits for ever, and how; of a livelock not where in its round it was cut off."""
    if stuck is None or stuck.kind != "livelock":
        return str(stuck)
    return stuck.kind, tuple(sorted(wait.partition(" ")[0] for wait in stuck.waits))


def everything(subject, workload, **options):
    """What an exploration shows: histories with answers and disks, and disks on the way."""
    cuts = []
    search = Exploration(subject, workload, budget=100_000, hooks=lambda: Cuts(cuts), **options)
    found = set()
    for one in search:
        if one.complete:
            found.add(history(one))
        if one.stuck is not None and one.stuck.kind == "livelock":
            # Round and round on one disk: how often is a matter of where that was cut off.
            run = cuts[-1]
            while len(run) > 1 and run[-1][0] == run[-2][0]:
                run.pop()
    return found, {cut for run in cuts for cut in run}, search


ACTIONS = (
    "create", "exclusive", "append", "overwrite", "read", "stat", "unlink", "rename", "link",
    "list", "truncate", "mkdir", "rmdir", "below", "symlink", "through", "seek", "trylock",
)  # fmt: skip


class Program:
    """A store whose reads run random system calls on few names, and tell what they saw."""

    def __init__(self, directory):
        self.top = os.path.dirname(directory)

    def _at(self, name):
        return os.path.join(self.top, name)

    def read(self, key):
        random = Random(key)
        seen = []
        for _ in range(2):
            try:
                seen.append(self._do(random.choice(ACTIONS), random))
            except OSError as error:
                seen.append(error.errno)
        return repr(seen).encode()

    def _do(self, action, random):
        one, other = (self._at(random.choice("xyd")) for _ in range(2))
        match action:
            case "stat":
                found = os.stat(one)
                return found.st_size, found.st_nlink, found.st_mode
            case "unlink":
                return os.unlink(one)
            case "rename":
                return os.rename(one, other)
            case "link":
                return os.link(one, other)
            case "list":
                return sorted(os.listdir(self.top))
            case "truncate":
                return os.truncate(one, 1)
            case "mkdir":
                return os.mkdir(self._at("d"))
            case "rmdir":
                return os.rmdir(self._at("d"))
            case "below":
                one = self._at("d/x")
                flags = os.O_RDWR | os.O_CREAT
            case "symlink":
                return os.symlink("x", self._at("s"))
            case "through":
                one = self._at("s")
                flags = os.O_RDWR
            case _:
                flags = {
                    "create": os.O_RDWR | os.O_CREAT,
                    "exclusive": os.O_RDWR | os.O_CREAT | os.O_EXCL,
                    "append": os.O_RDWR | os.O_CREAT | os.O_APPEND,
                    "overwrite": os.O_RDWR | os.O_CREAT | os.O_TRUNC,
                    "read": os.O_RDONLY,
                    "seek": os.O_RDWR,
                    "trylock": os.O_RDWR | os.O_CREAT,
                }[action]
        descriptor = os.open(one, flags)
        if action == "trylock":
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if action == "seek":
            return os.lseek(descriptor, 0, os.SEEK_END)
        if action in ("append", "overwrite", "through"):
            return os.write(descriptor, random.choice("abc").encode())
        if action == "read":
            return os.read(descriptor, 10)
        return None

    def write(self, key, value):
        raise NotImplementedError

    delete = list = write


PROGRAM = subject_of(Program)


def program(number, writers=2):
    return ConcurrentWorkload(
        f"program-{number}",
        tuple((read(f"{number}/{writer}"),) for writer in range(writers)),
    )


@pytest.mark.parametrize("bound", [0, 1, 2, UNBOUNDED])
@pytest.mark.parametrize("number", range(100 if FULL else 10))
def test_pruning_loses_no_history_no_disk_and_no_state_on_the_way(number, bound):
    if bound == UNBOUNDED and not FULL and number > 1:
        pytest.skip("takes long: HARNESS_FULL=1")
    pruned, states, search = everything(PROGRAM, program(number), preemptions=bound)
    complete, all_states, full = everything(
        PROGRAM, program(number), preemptions=bound, prune=False
    )
    assert pruned == complete
    assert states == all_states
    assert search.exhaustive
    assert full.exhaustive
    assert search.possible == full.visited == full.possible
    assert search.runs <= full.runs


class _InOrder:
    """Draws the first, then the second."""

    def __init__(self):
        self.drawn = 0

    def choice(self, choices):
        self.drawn += 1
        return choices[self.drawn - 1]


class OneName(Program):
    """The same, on one name."""

    def _do(self, action, random):
        del random
        return super()._do(action, _InOrder())


@pytest.mark.parametrize("one", ACTIONS)
def test_no_pair_of_calls_is_taken_for_independent_that_is_not(one):
    subject = subject_of(OneName)
    for other in ACTIONS if FULL else ACTIONS[ACTIONS.index(one) :]:
        for there in ({}, {"x": b"12"}, {"d/x": b"3", "x": b"4"}):
            workload = ConcurrentWorkload("pair", ((read(f"0/{one}"),), (read(f"1/{other}"),)))
            base = from_tree(there)
            pruned, states, _ = everything(subject, workload, preemptions=1, base=base)
            complete, all_states, _ = everything(
                subject, workload, preemptions=1, base=base, prune=False
            )
            assert pruned == complete, (other, there)
            assert states == all_states, (other, there)


@pytest.mark.parametrize("number", range(30 if FULL else 3))
def test_with_three_writers_too(number):
    pruned, states, search = everything(PROGRAM, program(number, 3), preemptions=1)
    complete, all_states, full = everything(PROGRAM, program(number, 3), preemptions=1, prune=False)
    assert (pruned, states) == (complete, all_states)
    assert search.possible == full.visited


@pytest.mark.parametrize(
    "store", [Plain, stores.Flocked, stores.Posix, stores.LockFile, stores.Counter, stores.Crossed]
)
@pytest.mark.parametrize("kills", [0, 1])
def test_on_stores_with_locks_and_deaths(store, kills):
    if kills and not FULL:
        pytest.skip("takes long: HARNESS_FULL=1")
    workload = ConcurrentWorkload("mixed", ((write("a", b"1"),), (write("b", b"2"), delete("a"))))
    subject = subject_of(store)
    options = {"preemptions": 1 if kills else 2, "kills": kills}
    pruned, states, search = everything(subject, workload, **options)
    complete, all_states, full = everything(subject, workload, prune=False, **options)
    assert pruned == complete
    assert states == all_states
    if not kills:
        assert search.possible == full.visited
    assert search.visited < full.visited
