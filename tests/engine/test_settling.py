"""One cause is one finding: causes are told apart by what would mend them, not by its words."""

from dataclasses import replace
from functools import cache

import msgspec

from harness.partial import Settled
from harness.runner import Plan, check
from harness.settling import of_one_cause


@cache
def in_place() -> tuple[Settled, ...]:
    # An in-place overwrite shows from several of its lines: made, half written, cut too early.
    store = "scenarios.zoo.overwrite_keeps_old_tail:broken"
    return check(Plan(store, ("posix",), ("atomicity",), "quick")).settled


def changed(one: Settled, **how: object) -> Settled:
    return msgspec.structs.replace(one, candidate=replace(one.candidate, **how))  # type: ignore[arg-type]


def test_what_one_change_mends_is_one_cause_in_whatever_order_it_is_seen() -> None:
    seen = in_place()
    assert len(seen) > 1
    (joined,) = of_one_cause(seen)
    (other,) = of_one_cause(reversed(seen))
    assert joined.candidate.culprit == other.candidate.culprit
    assert joined.fix is not None
    assert other.fix is not None
    assert joined.fix.change == other.fix.change
    counts = [sum(one.candidate.profiles.values()) for one in seen]
    assert sum(joined.candidate.profiles.values()) == sum(counts)


def test_the_same_words_about_another_file_are_another_cause() -> None:
    one = next(one for one in in_place() if one.candidate.edit)
    here = changed(one, edit="sync before a/store.py:41", whole=None)
    there = changed(one, edit="sync before b/store.py:41", whole=None)
    assert len(of_one_cause([here, there])) == 2
    assert len(of_one_cause([here, here])) == 1


def test_other_words_for_the_same_change_are_the_same_cause() -> None:
    one = next(one for one in in_place() if one.candidate.edit)
    assert one.fix is not None
    said = msgspec.structs.replace(one, fix=msgspec.structs.replace(one.fix, change="sync it"))
    assert len(of_one_cause([one, said])) == 1


def test_what_nothing_is_proven_for_stays_apart() -> None:
    one = in_place()[0]
    bare = changed(msgspec.structs.replace(one, fix=None), edit="", whole=None)
    assert len(of_one_cause([bare, bare])) == 2
    shown = changed(msgspec.structs.replace(one, fix=None), edit="", whole=("s.py", "write"))
    # A checksum may do for each of them: that the protocol would as well does not join them.
    assert len(of_one_cause([shown, shown])) == 2
