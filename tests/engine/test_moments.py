"""Judging at the telling moments of a history finds what judging at all of them does."""

from random import Random

import pytest

from harness.history import Event
from harness.moments import KeyHistory, Version, segments_of
from harness.ops import Operation, delete, write
from harness.oracle import Judge
from harness.recovery import Reading
from harness.subjects import MISSING, Raised

KEYS = ("a", "b")
VALUES = (b"one, long enough", b"two, long enough", b"three, long enough")
SEEN = (*VALUES, MISSING, b"torn, long enough", Raised("ValueError"))


def random_history(random):
    """Events of none to three calls each, some uncertain, some values more than once."""
    events, calls = [Event(0, Operation("open"), 0, 0)], 0
    for number in range(1, random.randrange(2, 12)):
        kind = random.randrange(6)
        key = random.choice(KEYS)
        operation = Operation("sync") if kind == 0 else delete(key) if kind == 1 else None
        operation = operation or write(key, random.choice(VALUES))
        returned = calls + random.randrange(4)
        certain = random.random() < 0.8 or operation.kind == "sync"
        events.append(Event(number, operation, calls, returned, certain))
        calls = returned
    initial = {key: random.choice(VALUES) for key in KEYS if random.random() < 0.5}
    return events, initial


def allowed_by_definition(judge, key, segment, *, syncs):
    """The rule as one would say it: acknowledged last, or of the operation in flight."""
    oldest = segment.acknowledged
    if syncs:
        done = [e.number for e in judge.events if e.operation.kind == "sync"]
        oldest = max((number for number in done if number < segment.acknowledged), default=-1)
    allowed = []
    for version in judge.versions(key):
        if version.event >= segment.acknowledged and version.event != segment.in_flight:
            break
        if version.certain and version.event != segment.in_flight and version.event <= oldest:
            allowed.clear()
        allowed.append(version.value)
    return tuple(allowed)


@pytest.mark.parametrize("syncs", [False, True])
def test_the_values_allowed_at_a_moment_are_those_of_the_definition(syncs):
    compared = 0
    for seed in range(400):
        events, initial = random_history(Random(seed))
        judge = Judge(events, initial, syncs=syncs)
        for number, segment in enumerate(judge.segments):
            for key in KEYS:
                expected = allowed_by_definition(judge, key, segment, syncs=syncs)
                assert judge.acceptable(key, segment) == expected
                history = judge.history(key)
                for value in SEEN:
                    wrong = history.first_wrong(value, number, number)
                    assert (wrong is None) == (value in expected), (seed, number, key, value)
                    compared += 1
    assert compared > 10_000


def judged(judge, reading, segments, before):
    """The first violation of each sort."""
    found = {}
    for segment in segments:
        for v in judge.values(reading, segment, segment.first, lambda s: before.get(s, reading)):
            found.setdefault((v.guarantee, v.kind, v.key), v)
    return list(found.values())


@pytest.mark.parametrize("syncs", [False, True])
def test_telling_moments_break_all_that_any_moment_does(syncs):
    broken = destroyed = skipped = 0
    for seed in range(1500):
        random = Random(seed)
        events, initial = random_history(random)
        judge = Judge(events, initial, syncs=syncs)
        first = random.randrange(len(judge.segments))
        span = first, random.randrange(first, len(judge.segments))
        reading = Reading(None, (), {key: random.choice(SEEN) for key in KEYS})
        earlier = Reading(None, (), {key: random.choice(SEEN) for key in KEYS})

        everywhere = judge.segments[span[0] : span[1] + 1]
        telling = judge.telling(reading, span)
        # Only the operation in flight at the first moment can have left its mark.
        before = {judge.segments[first]: earlier}
        found = judged(judge, reading, telling, before)
        assert found == judged(judge, reading, everywhere, before), (seed, span)
        broken += bool(telling)
        skipped += len(everywhere) - len(telling)
        destroyed += any(v.destroyed_by is not None for v in found)
    assert broken > 500
    assert skipped > 500
    assert destroyed > 50


def test_turning_moments_are_the_first_at_which_a_second_recovery_shows_less():
    turned = 0
    for seed in range(1500):
        random = Random(seed)
        events, initial = random_history(random)
        judge = Judge(events, initial)
        first = random.randrange(len(judge.segments))
        span = first, random.randrange(first, len(judge.segments))
        one = Reading(None, (), {key: random.choice(SEEN) for key in KEYS})
        two = Reading(None, (), {key: random.choice(SEEN) for key in KEYS})
        everywhere = judge.segments[span[0] : span[1] + 1]
        telling = judge.turning(one, two, span)
        found = list(judge.after_recovery_crash(one, two, telling, 0))
        assert found == list(judge.after_recovery_crash(one, two, everywhere, 0))
        turned += bool(found)
    assert turned > 100


def test_a_value_that_never_changes_is_right_for_ever():
    segments = segments_of([Event(0, write("b", b""), 0, 3)])
    history = KeyHistory([Version(-1, b"x")], segments, None)
    assert list(history.spans(b"x", 0, 2)) == [(0, 2)]
    assert history.first_wrong(b"y", 1, 2) == 1
