"""The checker against all permutations, on small random histories; and its mutants are caught."""

import random
from itertools import combinations, permutations

import pytest

import harness.linear as checker
from harness.linear import ABSENT_SAID, PRESENT, Done, acts_of, final_values, linearize
from harness.ops import delete, listing, read, write
from harness.subjects import MISSING, Raised

VALUES = (b"1", b"2", MISSING)


def drawn(random):
    """A history of a few operations by writers who take turns at nothing."""
    lines, clock = [], 0
    free = dict.fromkeys(range(3), 0)
    for number in range(random.randrange(1, 7)):
        writer = random.randrange(3)
        called = max(free[writer], clock - random.randrange(6)) + 1
        returned = called + random.randrange(1, 8)
        clock = max(clock, called)
        free[writer] = returned
        kind = random.choice("wwwrrrdl")
        if kind == "w":
            operation, answer = write("k", random.choice(VALUES[:2])), None
        elif kind == "r":
            operation, answer = read("k"), random.choice(VALUES)
        elif kind == "d":
            operation, answer = delete("k"), random.choice((None, None, ABSENT_SAID))
        else:
            operation, answer = listing(), random.choice(((), ("k",)))
        if random.random() < 0.2:
            answer = random.choice((None, Raised("OSError")))
            end = None if answer is None else 10 * returned
            free[writer] = 10 * returned
        else:
            end = 10 * returned
        # No two moments are equal: two clocks never tick at once.
        lines.append(
            Done(number, writer, operation, 10 * called + number, end and end + number, answer)
        )
    return lines


def plays(value, order):
    """Run operations one after another on a register; tell whether all answers are right."""
    for done in order:
        answer, kind = done.answer, done.operation.kind
        uncertain = done.returned is None or isinstance(answer, Raised)
        if kind == "write":
            value = done.operation.value
        elif kind == "delete":
            if answer is ABSENT_SAID and not uncertain:
                if value is not MISSING:
                    return False
            else:
                value = MISSING
        elif uncertain:
            continue
        elif kind == "read":
            if answer != value:
                return False
        elif ("k" in answer) != (value is not MISSING):
            return False
    return True


def brute_force(lines, initial=MISSING):
    """Try every order of every choice of those that may have happened."""
    certain = [d for d in lines if d.returned is not None and not isinstance(d.answer, Raised)]
    maybe = [d for d in lines if d not in certain]
    for count in range(len(maybe) + 1):
        for some in combinations(maybe, count):
            for order in permutations([*certain, *some]):
                early = all(
                    not (
                        second in certain
                        and second.returned is not None
                        and second.returned < first.invoked
                    )
                    for place, first in enumerate(order)
                    for second in order[place + 1 :]
                )
                if early and plays(initial, order):
                    return True
    return False


HISTORIES = 3000


@pytest.fixture(scope="module")
def cases():
    rng = random.Random(17)
    lines = [drawn(rng) for _ in range(HISTORIES)]
    return [(one, brute_force(one)) for one in lines]


def disagreements(cases):
    return [
        lines for lines, expected in cases if linearize(acts_of(lines, "k")).holds is not expected
    ]


def test_every_small_history_is_judged_as_all_permutations_judge_it(cases):
    assert disagreements(cases) == []
    answers = [expected for _, expected in cases]
    # Neither answer is rare, or the test would show little.
    assert HISTORIES / 10 < sum(answers) < HISTORIES * 9 / 10
    assert sum(any(d.returned is None for d in lines) for lines, _ in cases) > HISTORIES / 10


def test_the_order_it_gives_is_one(cases):
    checked = 0
    for lines, expected in cases:
        if not expected:
            continue
        acts = acts_of(lines, "k")
        found = linearize(acts)
        by_number = {act.number: act for act in acts}
        order = [by_number[number] for number in found.order]
        assert len(set(found.order)) == len(order)
        assert {act.number for act in acts if act.certain} <= set(found.order)
        value = MISSING
        for place, act in enumerate(order):
            assert not any(
                later.returned is not None and later.returned < act.invoked
                for later in order[place + 1 :]
            )
            if act.sees is PRESENT:
                assert value is not MISSING
            elif act.sees is not None:
                assert value == act.sees
            value = value if act.sets is None else act.sets
        checked += 1
    assert checked


def test_final_values_are_those_a_reader_could_get(cases):
    rng = random.Random(3)
    for lines, _ in cases[:400]:
        now = rng.randrange(0, 150)
        begun = [d for d in lines if d.invoked <= now]
        cut = [
            d
            if d.returned is not None and d.returned <= now
            else Done(d.number, d.writer, d.operation, d.invoked, None, None)
            for d in begun
        ]
        expected = {
            value
            for value in VALUES
            if brute_force([*cut, Done(99, 9, read("k"), 10_000, 10_001, value)])
        }
        if any(d.answer is ABSENT_SAID and d not in cut for d in begun):
            continue  # known only later: that it found nothing
        assert set(final_values(lines, "k", MISSING, now)) == expected


def _forget_real_time(order, taken):
    return [(place, act) for place, act in enumerate(order) if not taken >> place & 1]


def _reads_always_explained(value, sees):
    del value, sees
    return True


def _presence_ignored(value, sees):
    return sees is None or sees is PRESENT or value == sees


def _pending_never_happens(lines, key):
    return [act for act in acts_of(lines, key) if act.certain]


def _pending_always_happens(lines, key):
    return [
        checker.replace(act, returned=10_000) if act.returned is None else act
        for act in acts_of(lines, key)
    ]


MUTANTS = {
    "real time forgotten": ("_candidates", _forget_real_time),
    "reads not looked at": ("_explains", _reads_always_explained),
    "presence not looked at": ("_explains", _presence_ignored),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_of_the_checker_is_caught(cases, monkeypatch, name):
    monkeypatch.setattr(checker, *MUTANTS[name])
    assert disagreements(cases)


@pytest.mark.parametrize("mutant", [_pending_never_happens, _pending_always_happens])
def test_a_mutant_of_what_may_have_happened_is_caught(cases, mutant):
    assert any(linearize(mutant(lines, "k")).holds is not expected for lines, expected in cases)
