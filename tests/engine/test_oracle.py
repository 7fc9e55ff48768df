"""The oracle on histories and readings made by hand: each rule of the guarantees by itself."""

import pytest

from harness.history import Event
from harness.image import EMPTY
from harness.moments import Segment
from harness.ops import Operation, delete, write
from harness.oracle import Judge
from harness.recovery import FollowUp, Observation, Reading
from harness.subjects import MISSING, Raised

A1, A2, A3 = b"a one, long enough", b"a two, long enough", b"a three, long enough"
B1 = b"b one, long enough"
TORN = b"a one, \0\0\0\0"
DAMAGED = Raised("ValueError", "bad checksum")


def history(*operations, uncertain=()):
    """Events of two system calls each, the store having been opened before the first call."""
    events = [Event(0, Operation("open"), 0, 0)]
    for number, operation in enumerate(operations, 1):
        events.append(Event(number, operation, 2 * number, 2 * number + 2, number not in uncertain))
    return events


def judge(*operations, initial=None, syncs=False, uncertain=()):
    return Judge(history(*operations, uncertain=uncertain), initial or {}, syncs=syncs)


def during(number):
    """The crash strikes while an operation is in flight."""
    return Segment(4 * number + 1, 4 * number + 3, number, number)


def after(number):
    """The crash strikes when an operation has returned and the next is yet to come."""
    return Segment(4 * number + 4, 4 * number + 4, number + 1, None)


def seen(one, values, segment, *, before=None, opened=None):
    """What breaks: guarantee, kind and severity of each violation."""
    reading = Reading(opened, tuple(k for k, v in values.items() if v is not MISSING), values)

    def without_in_flight(_):
        return None if before is None else Reading(None, (), before)

    return [
        (violation.guarantee, violation.kind, violation.severity)
        for violation in one.values(reading, segment, segment.first, without_in_flight)
    ]


# -- atomicity ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [A1, A2])
def test_in_flight_both_the_old_and_the_new_value_are_right(value):
    one = judge(write("a", A2), initial={"a": A1})
    assert seen(one, {"a": value}, during(1), before={"a": A1}) == []


@pytest.mark.parametrize("value", [MISSING, A1])
def test_a_first_write_in_flight_may_be_absent_or_there(value):
    assert seen(judge(write("a", A1)), {"a": value}, during(1), before={"a": MISSING}) == []


@pytest.mark.parametrize("value", [MISSING, A1])
def test_a_delete_in_flight_may_have_happened_or_not(value):
    one = judge(delete("a"), initial={"a": A1})
    assert seen(one, {"a": value}, during(1), before={"a": A1}) == []


@pytest.mark.parametrize(
    ("value", "kind", "severity"),
    [
        (TORN, "mixed", "silent-corruption"),
        (b"", "mixed", "silent-corruption"),
        (B1, "foreign", "silent-corruption"),
        (DAMAGED, "raises", "unavailable"),
        (MISSING, "absent", "data-loss"),
    ],
)
def test_anything_else_that_the_operation_in_flight_left_breaks_atomicity_only(
    value, kind, severity
):
    one = judge(write("a", A2), initial={"a": A1, "b": B1})
    found = seen(one, {"a": value, "b": B1}, during(1), before={"a": A1, "b": B1})
    assert found == [("atomicity", kind, severity)]


def test_a_first_write_that_reads_torn_breaks_atomicity_and_loses_nothing():
    found = seen(judge(write("a", A1)), {"a": TORN}, during(1), before={"a": MISSING})
    assert found == [("atomicity", "mixed", "silent-corruption")]


def test_another_key_that_the_operation_in_flight_changes_breaks_atomicity():
    one = judge(write("b", B1), initial={"a": A1})
    found = seen(one, {"a": MISSING, "b": B1}, during(1), before={"a": A1, "b": MISSING})
    assert found == [("atomicity", "absent", "data-loss")]


def test_two_keys_are_each_judged():
    one = judge(write("a", A2), initial={"a": A1, "b": B1})
    found = seen(one, {"a": TORN, "b": DAMAGED}, during(1), before={"a": A1, "b": B1})
    assert [kind for _, kind, _ in found] == ["mixed", "raises"]


def test_a_short_value_equal_to_another_keys_is_no_proof_of_a_mix_up():
    one = judge(write("a", A2), initial={"a": A1, "b": b"x"})
    found = seen(one, {"a": b"x", "b": b"x"}, during(1), before={"a": A1, "b": b"x"})
    assert found == [("atomicity", "mixed", "silent-corruption")]


def test_keys_nobody_wrote_are_not_judged_here():
    assert seen(judge(write("a", A1)), {"a": A1, "zzz": b"junk"}, after(1)) == []


# -- durability --------------------------------------------------------------------------------


def test_an_acknowledged_write_must_be_there():
    one = judge(write("a", A1))
    assert seen(one, {"a": A1}, after(1)) == []
    assert seen(one, {"a": MISSING}, after(1)) == [("durability", "lost", "data-loss")]


def test_a_rollback_to_an_earlier_value_is_a_matter_of_durability_alone():
    one = judge(write("a", A2), write("a", A3), initial={"a": A1})
    for older in (A1, A2):
        assert seen(one, {"a": older}, after(2)) == [("durability", "lost", "data-loss")]


def test_absence_of_what_was_always_there_is_torn_and_gone():
    one = judge(write("a", A2), initial={"a": A1})
    found = seen(one, {"a": MISSING}, after(1))
    assert found == [("atomicity", "absent", "data-loss"), ("durability", "absent", "data-loss")]


def test_absence_of_what_was_once_absent_is_a_rollback():
    one = judge(write("a", A1), write("a", A2))
    assert seen(one, {"a": MISSING}, after(2)) == [("durability", "lost", "data-loss")]


def test_an_acknowledged_delete_must_not_be_undone():
    one = judge(delete("a"), initial={"a": A1})
    assert seen(one, {"a": MISSING}, after(1)) == []
    assert seen(one, {"a": A1}, after(1)) == [("durability", "lost", "data-loss")]


def test_a_torn_acknowledged_value_breaks_both():
    one = judge(write("a", A1))
    assert seen(one, {"a": TORN}, after(1)) == [
        ("atomicity", "mixed", "silent-corruption"),
        ("durability", "mixed", "silent-corruption"),
    ]


def test_an_acknowledged_loss_is_not_blamed_on_the_next_operation_unless_it_did_it():
    one = judge(write("a", A1), write("b", B1))
    gone = {"a": MISSING, "b": MISSING}
    # Already gone without what is in flight: an earlier loss.
    assert seen(one, gone, during(2), before=gone) == [("durability", "lost", "data-loss")]
    # There without it: the operation in flight destroyed it.
    assert seen(one, gone, during(2), before={"a": A1, "b": MISSING}) == [
        ("atomicity", "lost", "data-loss")
    ]


def test_an_overwrite_in_flight_that_falls_back_behind_the_acknowledged_value_destroyed_it():
    one = judge(write("a", A2), write("a", A3), initial={"a": A1})
    found = seen(one, {"a": A1}, during(2), before={"a": A2})
    assert found == [("atomicity", "lost", "data-loss")]
    found = seen(one, {"a": A1}, during(2), before={"a": A1})
    assert found == [("durability", "lost", "data-loss")]


def test_an_operation_in_flight_that_brings_a_key_forward_destroyed_nothing():
    # A log's append may bring earlier ones of the same page along, and still not all of them.
    one = judge(write("a", A1), write("a", A2), write("b", B1), initial={"a": A3})
    for before in (A3, TORN, DAMAGED):
        found = seen(one, {"a": A1}, during(3), before={"a": before})
        assert found == [("durability", "lost", "data-loss")]
    found = seen(one, {"a": A3}, during(3), before={"a": A1})
    assert found == [("atomicity", "lost", "data-loss")]


def test_values_of_operations_yet_to_come_are_not_right():
    one = judge(write("a", A1), write("a", A2))
    found = seen(one, {"a": A2}, during(1), before={"a": MISSING})
    assert [guarantee for guarantee, _, _ in found] == ["atomicity"]


def test_the_violation_names_the_operation_to_blame():
    one = judge(write("a", A1), write("a", A2))
    reading = Reading(None, (), {"a": MISSING})
    (lost,) = one.values(reading, after(1), 8, lambda _: None)
    assert (lost.concerns, lost.destroyed_by) == (1, None)
    (torn,) = one.values(
        Reading(None, (), {"a": TORN}), during(2), 9, lambda _: Reading(None, (), {"a": A1})
    )
    assert (torn.concerns, torn.destroyed_by) == (None, 2)


def test_a_store_that_will_not_open_counts_under_recovery_only():
    one = judge(write("a", A1))
    assert seen(one, {}, after(1), opened=DAMAGED) == []
    reading = Reading(DAMAGED)
    assert list(one.listing(reading, 0)) == []
    (found,) = one.recovery(Observation(EMPTY, reading, []), 0)
    assert (found.guarantee, found.kind) == ("recovery", "will-not-open")


# -- stores that promise durability at a sync only -----------------------------------------------

SYNC = Operation("sync")


@pytest.mark.parametrize("value", [MISSING, A1, A2])
def test_what_was_never_synced_may_be_lost_by_a_store_that_declares_a_sync(value):
    one = judge(write("a", A1), write("a", A2), syncs=True)
    assert seen(one, {"a": value}, after(2)) == []


def test_what_was_synced_must_be_there_and_later_writes_may_be():
    one = judge(write("a", A1), SYNC, write("a", A2), syncs=True)
    for value in (A1, A2):
        assert seen(one, {"a": value}, after(3)) == []
    assert seen(one, {"a": MISSING}, after(3)) == [("durability", "lost", "data-loss")]


def test_a_sync_in_flight_has_promised_nothing_yet():
    one = judge(write("a", A1), SYNC, syncs=True)
    assert seen(one, {"a": MISSING}, during(2), before={"a": MISSING}) == []
    assert seen(one, {"a": MISSING}, after(2)) == [("durability", "lost", "data-loss")]


def test_without_a_sync_torn_is_still_torn():
    one = judge(write("a", A1), syncs=True)
    found = seen(one, {"a": TORN}, after(1))
    assert found == [("atomicity", "mixed", "silent-corruption")]


def test_a_synced_delete_must_not_be_undone_and_an_unsynced_one_may():
    one = judge(delete("a"), initial={"a": A1}, syncs=True)
    assert seen(one, {"a": A1}, after(1)) == []
    one = judge(delete("a"), SYNC, initial={"a": A1}, syncs=True)
    assert seen(one, {"a": A1}, after(2)) == [("durability", "lost", "data-loss")]


def test_a_store_that_declares_no_sync_owes_durability_at_once():
    one = judge(write("a", A1), SYNC, write("a", A2))
    assert seen(one, {"a": A1}, after(3)) == [("durability", "lost", "data-loss")]


# -- operations cut off by a kill ----------------------------------------------------------------


@pytest.mark.parametrize("value", [A1, A2])
def test_an_operation_cut_off_by_a_kill_may_have_happened_for_ever_after(value):
    one = judge(write("a", A2), write("b", B1), initial={"a": A1}, uncertain={1})
    assert seen(one, {"a": value, "b": B1}, after(2)) == []


def test_a_write_after_the_kill_settles_what_was_uncertain():
    one = judge(write("a", A2), write("a", A3), initial={"a": A1}, uncertain={1})
    assert seen(one, {"a": A3}, after(2)) == []
    for older in (A1, A2):
        assert seen(one, {"a": older}, after(2)) == [("durability", "lost", "data-loss")]


def test_what_was_acknowledged_before_the_kill_still_has_to_be_there():
    one = judge(write("a", A1), write("a", A2), write("b", B1), uncertain={2})
    for value in (A1, A2):
        assert seen(one, {"a": value, "b": B1}, after(3)) == []
    assert seen(one, {"a": MISSING, "b": B1}, after(3)) == [("durability", "lost", "data-loss")]


# -- listing -----------------------------------------------------------------------------------


def listed(names, values, *, opened=None):
    one = judge(write("a", A1), write("b", B1))
    return [
        (violation.kind, violation.key)
        for violation in one.listing(Reading(opened, names, values), 0)
    ]


def test_a_list_of_exactly_what_can_be_read_is_right():
    assert listed(("b", "a"), {"a": A1, "b": B1}) == []
    assert listed((), {"a": MISSING, "b": MISSING}) == []


def test_each_way_a_list_can_be_wrong():
    assert listed(("a", "a"), {"a": A1}) == [("twice", "a")]
    assert listed(("a", ".tmp"), {"a": A1, ".tmp": b"x"}) == [("stray", ".tmp")]
    assert listed(("a", "b"), {"a": A1, "b": MISSING}) == [("ghost", "b")]
    assert listed(("a",), {"a": A1, "b": B1}) == [("unlisted", "b")]


def test_a_key_whose_read_raises_is_not_the_lists_fault():
    assert listed(("a",), {"a": DAMAGED}) == []
    assert listed((), {"a": DAMAGED}) == []


def test_a_list_that_raises_is_a_matter_of_recovery():
    assert listed(DAMAGED, {"a": A1}) == []
    reading = Reading(None, DAMAGED, {"a": A1})
    (found,) = judge(write("a", A1)).recovery(Observation(EMPTY, reading, []), 0)
    assert found.kind == "will-not-list"


# -- recovery ----------------------------------------------------------------------------------

FIRST = Reading(None, ("a",), {"a": A1, "b": MISSING})
NEXT = b"written after recovery"


def recovered(first=FIRST, **changes):
    right = {
        "again": first,
        "wrote": (("a", NEXT, None),),
        "back": {"a": NEXT},
        "closed": None,
        "later": Reading(None, ("a",), {"a": NEXT, "b": MISSING}),
    }
    follow = FollowUp(**(right | changes))
    found = judge(write("a", A1)).recovery(Observation(EMPTY, first, [], follow), 0)
    return [(violation.kind, violation.key) for violation in found]


def test_a_store_that_recovers_settles_and_takes_writes_is_right():
    assert recovered() == []


def test_each_way_a_recovery_can_fail():
    closed = Reading(DAMAGED)
    other = Reading(None, ("a",), {"a": A2, "b": MISSING})
    assert recovered(again=closed) == [("will-not-reopen", None)]
    assert recovered(again=other) == [("unstable", "a")]
    assert recovered(wrote=(("a", NEXT, DAMAGED),), back={"a": A1}, later=FIRST) == [
        ("refuses-writes", "a")
    ]
    assert recovered(back={"a": A1})[0] == ("follow-up-lost", "a")
    assert recovered(closed=DAMAGED) == [("will-not-close", None)]
    assert recovered(later=closed) == [("will-not-reopen", None)]
    assert recovered(later=FIRST) == [("follow-up-lost", "a")]
    appeared = Reading(None, ("a",), {"a": NEXT, "b": B1})
    assert recovered(later=appeared) == [("unstable", "b")]


def nested(first, second):
    one = judge(write("a", A2), initial={"a": A1})
    return [
        violation.kind
        for violation in one.after_recovery_crash(
            Reading(None, (), {"a": first}),
            second if isinstance(second, Reading) else Reading(None, (), {"a": second}),
            [during(1)],
            5,
        )
    ]


def test_after_a_crash_during_recovery_each_value_allowed_before_it_is_allowed_still():
    assert nested(A1, A1) == nested(A1, A2) == nested(A2, A1) == []
    assert nested(A1, MISSING) == ["crash-in-recovery"]
    assert nested(A2, DAMAGED) == ["crash-in-recovery"]
    assert nested(A1, Reading(DAMAGED)) == ["will-not-open-after-crash-in-recovery"]
    # What was wrong already is not the recovery's doing.
    assert nested(TORN, MISSING) == []
