"""What has failed beside other writers may have happened or not, but never half.

The stores here write a value in two halves, in place, under a lock, and put the old value back if a
call fails. By itself that is clean; whether another may look in between is what the two differ in.
"""

import fcntl
import os
from contextlib import contextmanager

from harness.intercept import rerouted
from harness.isolation.races import standing_races
from harness.isolation.racing import Bounds, judge_race
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.replay import replay
from harness.subjects import load

HERE = "tests/isolation/test_failed_operations.py"
BOUNDS = Bounds(preemptions=1, cut=0, struck=1, budget=400)
RACE = next(race for race in standing_races() if race.name == "processes: write and read")


class MendsUnderTheLock:
    """A value is written in two halves; a failure takes back what was written."""

    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory

    def path(self, key):
        return os.path.join(self.directory, key)

    @contextmanager
    def locked(self):
        with open(self.path(".lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def write(self, key, value):
        with self.locked():
            old = self.content(key)
            try:
                self.put(key, value)
            except OSError:
                self.put_back(key, old)
                raise

    def put(self, key, value):
        middle = len(value) // 2
        fd = os.open(self.path(key), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(fd, value[:middle])
            os.write(fd, value[middle:])
        finally:
            os.close(fd)

    def put_back(self, key, old):
        if old is None:
            os.unlink(self.path(key))
        else:
            self.put(key, old)

    def content(self, key):
        try:
            with open(self.path(key), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def read(self, key):
        with self.locked():
            value = self.content(key)
        if value is None:
            raise KeyError(key)
        return value

    def delete(self, key):
        with self.locked():
            try:
                os.unlink(self.path(key))
            except FileNotFoundError:
                raise KeyError(key) from None

    def list(self):
        with self.locked():
            return [name for name in os.listdir(self.directory) if not name.startswith(".")]


class MendsLater(MendsUnderTheLock):
    """The same, but the lock is let go in between."""

    def write(self, key, value):
        with self.locked():
            old = self.content(key)
            try:
                self.put(key, value)
            except OSError as error:
                failed = error
            else:
                return
        with self.locked():
            self.put_back(key, old)
        raise failed


def under_the_lock(directory):
    return MendsUnderTheLock(directory)


def later(directory):
    return MendsLater(directory)


def judged(name):
    with rerouted(), quiet():
        return judge_race(
            load(f"{HERE}:{name}"),
            RACE,
            (PROFILES["kill"],),
            BOUNDS,
            seed=0,
            claims=("clean-failure",),  # of kills, which leave halves as they must, it says nothing
        )


def test_half_of_what_failed_is_seen_by_a_reader_found_and_replayed():
    found = judged("later").candidates
    halves = [one for one in found if one.kind == "mixed"]
    assert halves
    for one in halves:
        assert (one.guarantee, one.severity) == ("isolation", "silent-corruption")
        assert one.reproduction.race.failing is not None
        assert replay(load(f"{HERE}:later"), one.reproduction, PROFILES).exact
        twin = replay(load(f"{HERE}:under_the_lock"), one.reproduction, PROFILES)
        assert twin.outcome != "reproduced"


def test_it_may_have_happened_or_not():
    result = judged("under_the_lock")
    assert [(one.kind, one.observed) for one in result.candidates] == []
    assert result.error is None
    assert result.coverage["kill"].exhaustive
    assert result.coverage["kill"].faults > 50
