"""Histories from the literature and from other checkers, with the verdicts their authors give.

Re-told on one register. A line is (writer, what, value, called, returned); ``None`` as the return
time means that it never came.
"""

import pytest

from harness.linear import (
    ABSENT_SAID,
    PRESENT,
    Done,
    acts_of,
    explain,
    final_values,
    linearize,
)
from harness.ops import delete, listing, read, write
from harness.subjects import MISSING, Raised

ABSENT = MISSING


def history(*lines):
    found = []
    for number, (writer, what, value, called, returned) in enumerate(lines):
        answer = None
        if what == "w":
            operation = write("k", value)
        elif what == "r":
            operation, answer = read("k"), value
        elif what == "d":
            operation, answer = delete("k"), value
        else:
            operation, answer = listing(), tuple(value)
        found.append(Done(number, writer, operation, called, returned, answer))
    return found


def verdict(lines, initial=ABSENT):
    return linearize(acts_of(history(*lines), "k"), initial).verdict == "linearizable"


CASES = {
    # Lamport, "On interprocess communication" (1986): regular, and not atomic.
    "new-old inversion": (
        False,
        [(0, "w", b"1", 0, 9), (1, "r", b"1", 1, 2), (1, "r", ABSENT, 3, 4)],
    ),
    "the same with the reads the other way round": (
        True,
        [(0, "w", b"1", 0, 9), (1, "r", ABSENT, 1, 2), (1, "r", b"1", 3, 4)],
    ),
    # Lamport 1986: a safe register may give anything while it is written; an atomic one not.
    "a value nobody wrote": (False, [(0, "w", b"1", 0, 9), (1, "r", b"7", 1, 2)]),
    # Herlihy and Wing, TOPLAS 1990, section 1: an operation takes effect between call and return.
    "a read after the write returned sees it": (
        False,
        [(0, "w", b"1", 0, 1), (1, "r", ABSENT, 2, 3)],
    ),
    # Ibid., section 1.1: order within a process and between processes, two writers at once.
    "writes at once, and everybody agrees on their order": (
        True,
        [
            (0, "w", b"0", 0, 5),
            (1, "w", b"1", 1, 6),
            (0, "r", b"1", 7, 8),
            (1, "r", b"1", 9, 10),
        ],
    ),
    "writes at once, and two readers do not": (
        False,
        [
            (0, "w", b"0", 0, 5),
            (1, "w", b"1", 1, 6),
            (2, "r", b"1", 7, 8),
            (3, "r", b"0", 9, 10),
        ],
    ),
    # Ibid., figure 3: sequentially consistent, and not linearizable.
    "sequential consistency is less": (
        False,
        [
            (0, "w", b"0", 0, 1),
            (1, "w", b"1", 2, 3),
            (0, "r", b"0", 4, 5),
        ],
    ),
    # porcupine, porcupine_test.go, the two histories of its register model.
    "porcupine: two readers of a write under way": (
        True,
        [(0, "w", b"100", 0, 100), (1, "r", b"100", 25, 75), (2, "r", ABSENT, 30, 60)],
    ),
    "porcupine: the later reader sees less": (
        False,
        [(0, "w", b"200", 0, 100), (1, "r", b"200", 10, 30), (2, "r", ABSENT, 40, 90)],
    ),
    # knossos: an operation that crashed (:info) stays concurrent with all that comes.
    "a crashed write is seen much later": (
        True,
        [
            (0, "w", b"1", 0, None),
            (1, "r", ABSENT, 1, 2),
            (1, "w", b"2", 3, 4),
            (1, "r", b"2", 5, 6),
            (1, "r", b"1", 7, 8),
        ],
    ),
    "and only once": (
        False,
        [
            (0, "w", b"1", 0, None),
            (1, "r", b"1", 1, 2),
            (1, "w", b"2", 3, 4),
            (1, "r", b"1", 7, 8),
        ],
    ),
    "a crashed write need not happen": (True, [(0, "w", b"1", 0, None), (1, "r", ABSENT, 1, 2)]),
    # Izraelevitz, Mendes, Scott, DISC 2016: what had returned is there after the crash.
    "durable: what was acknowledged is gone after the crash": (
        False,
        [(0, "w", b"1", 0, 1), (1, "w", b"2", 2, None), (2, "r", ABSENT, 10, 11)],
    ),
    "durable: a pending operation may have happened": (
        True,
        [(0, "w", b"1", 0, 1), (1, "w", b"2", 2, None), (2, "r", b"2", 10, 11)],
    ),
    "durable: or not": (
        True,
        [(0, "w", b"1", 0, 1), (1, "w", b"2", 2, None), (2, "r", b"1", 10, 11)],
    ),
    "durable: what a reader saw stays": (
        False,
        [
            (0, "w", b"1", 0, 1),
            (1, "w", b"2", 2, None),
            (2, "r", b"2", 3, 4),
            (3, "r", b"1", 10, 11),
        ],
    ),
    # Stores have more than registers: absence is a value, and a list sees presence.
    "a delete that found nothing, of what was there": (
        False,
        [(0, "w", b"1", 0, 1), (1, "d", ABSENT_SAID, 2, 3)],
    ),
    "one of two deletes finds nothing": (
        True,
        [(0, "w", b"1", 0, 1), (1, "d", None, 2, 5), (2, "d", ABSENT_SAID, 3, 6)],
    ),
    "a list that misses what was written": (False, [(0, "w", b"1", 0, 1), (1, "l", (), 2, 3)]),
    "a list during a write may name it": (True, [(0, "w", b"1", 0, 9), (1, "l", ("k",), 2, 3)]),
    "a list that named it, then one that does not": (
        False,
        [(0, "w", b"1", 0, 9), (1, "l", ("k",), 2, 3), (1, "l", (), 4, 5)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_published_histories(name):
    expected, lines = CASES[name]
    assert verdict(lines) is expected


def test_an_operation_that_raised_may_have_happened_or_not():
    failed = Done(0, 0, write("k", b"1"), 0, 1, Raised("OSError"))
    for seen in (b"1", ABSENT):
        assert explain([failed, Done(1, 1, read("k"), 2, 3, seen)], {}) == ([], [])
    broken, _ = explain([failed, Done(1, 1, read("k"), 2, 3, b"1half")], {})
    assert [one.number for one in broken] == [1]
    assert set(broken[0].allowed) == {b"1", ABSENT}


def test_the_first_answer_that_nothing_explains_is_named_with_all_that_would_have_been():
    lines = history(
        (0, "w", b"1", 0, 1),
        (1, "w", b"2", 2, 6),
        (2, "r", b"1", 3, 4),
        (2, "r", ABSENT, 5, 7),
        (2, "r", b"2", 8, 9),
    )
    broken, unknown = explain(lines, {})
    assert unknown == []
    assert [(one.key, one.number, one.answer) for one in broken] == [("k", 3, ABSENT)]
    assert set(broken[0].allowed) == {b"1", b"2"}


def test_a_list_is_explained_key_by_key():
    """b appears and a goes: no moment has both, and a list may have passed each in time."""
    lines = [
        Done(0, 0, write("b", b"2"), 2, 3),
        Done(1, 0, delete("a"), 4, 5),
    ]
    seen = {
        ("a", "b"): True,  # a before it went, b after it came: which is really so at 3.5
        ("b",): True,
        ("a",): True,
        (): True,  # a after it went, b before it came: no moment, and nobody could tell
        ("a", "b", "tmp"): False,  # nobody ever wrote it
    }
    for names, holds in seen.items():
        done = Done(2, 1, listing(), 0, 9, names)
        broken, _ = explain([*lines, done], {"a": b"1"})
        assert (not broken) is holds, names
    broken, _ = explain([*lines, Done(2, 1, listing(), 0, 9, ("a", "b", "tmp"))], {"a": b"1"})
    assert [(one.key, one.answer, one.allowed) for one in broken] == [("tmp", PRESENT, (ABSENT,))]


def test_keys_are_judged_apart():
    """Locality: what is wrong with one key is wrong with that key alone."""
    lines = [
        Done(0, 0, write("a", b"1"), 0, 1),
        Done(1, 1, write("b", b"2"), 0, 1),
        Done(2, 2, read("a"), 2, 3, b"1"),
        Done(3, 2, read("b"), 4, 5, MISSING),
    ]
    broken, _ = explain(lines, {})
    assert [(one.key, one.number) for one in broken] == [("b", 3)]


def test_it_gives_up_as_inconclusive_and_never_as_held():
    writes = [Done(n, n, write("k", b"%d" % n), 0, 100) for n in range(14)]
    lines = [*writes, Done(99, 99, read("k"), 101, 102, b"never")]
    acts = acts_of(lines, "k")
    assert linearize(acts, configurations_max=1000).verdict == "inconclusive"
    assert explain(lines, {}, configurations_max=1000) == ([], ["k"])
    assert final_values(lines, "k", ABSENT, 200, configurations_max=100) is None


def test_what_a_crash_may_leave():
    lines = history((0, "w", b"1", 0, 1), (1, "w", b"2", 2, 8), (2, "d", None, 3, 9))
    assert set(final_values(lines, "k", ABSENT, 1)) == {b"1"}
    assert set(final_values(lines, "k", ABSENT, 5)) == {b"1", b"2", ABSENT}
    assert set(final_values(lines, "k", ABSENT, 10)) == {b"2", ABSENT}
    seen = [*lines, Done(3, 3, read("k"), 4, 5, b"2")]
    assert set(final_values(seen, "k", ABSENT, 6)) == {b"2", ABSENT}
