"""Plans of rounds: the same from the same seed and number, varied, and readable as files."""

import json
from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.guarantees import GUARANTEES
from harness.persistence import PROFILES
from harness.stress.plans import (
    FEATURES,
    Traits,
    draw_round,
    dump_plan,
    load_plan,
    plan_id,
    workload_of,
)

TRAITS = Traits(
    subject="x:y",
    keys=(),
    syncs=False,
    sized=True,
    judged=tuple(GUARANTEES),
    profiles=tuple(PROFILES),
)


PINNED = ["3ce91210fa2a", "ab1d71dd66cf", "2ad8418e72d1"]


def test_a_round_follows_from_seed_and_number():
    # Pinned: another machine, Python or day has to draw the same bytes.
    ids = [plan_id(draw_round(TRAITS, 7, number)) for number in range(3)]
    assert ids == PINNED
    assert dump_plan(draw_round(TRAITS, 7, 1)) != dump_plan(draw_round(TRAITS, 8, 1))


def test_every_feature_is_on_in_some_rounds_and_off_in_others():
    plans = [draw_round(TRAITS, 0, number) for number in range(200)]
    for feature in FEATURES:
        count = sum(feature in plan.features for plan in plans)
        assert 10 < count < 190, (feature, count)
    assert max(len(plan.operations) for plan in plans) > 30
    assert max(len({step.key for step in plan.operations}) for plan in plans) > 6
    assert max(step.size for plan in plans for step in plan.operations) > 150_000


def test_features_that_show_nothing_about_what_is_judged_stay_off():
    few = replace(TRAITS, judged=("integrity",))
    for number in range(50):
        features = set(draw_round(few, 0, number).features)
        assert "rot" in features
        assert not features & {"crash", "chain", "faults", "repetition"}


def test_a_plan_file_reads_back_and_makes_the_same_workload():
    for number in range(20):
        plan = draw_round(TRAITS, 3, number)
        again = load_plan(dump_plan(plan), "x.plan.json")
        assert again == plan
        assert workload_of(again, []) == workload_of(plan, [])


def test_a_subject_s_own_values_and_keys_are_used():
    traits = replace(TRAITS, keys=("only",), syncs=True, sized=False)
    plan = next(
        plan
        for plan in (draw_round(traits, 0, number) for number in range(50))
        if any(step.op == "write" for step in plan.operations)
        and any(step.op == "sync" for step in plan.operations)
    )
    workload = workload_of(plan, [b"one", b"two"])
    assert set(workload.keys) == {"only"}
    assert {op.value for op in workload.operations if op.kind == "write"} <= {b"one", b"two"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": "checkpoint-harness/plan/2"}, "not a plan"),
        ({"features": ["teleport"]}, "unknown feature 'teleport'"),
        ({"operations": [{"op": "write", "value": 1, "size": 5}]}, "a write without a key"),
        ({"operations": [{"op": "write", "key": "a", "size": 1 << 40}]}, "bytes"),
        ({"operations": [{"op": "explode"}]}, "not a plan"),
    ],
)
def test_a_plan_that_is_none_is_refused_by_name(change, told):
    document = json.loads(dump_plan(draw_round(TRAITS, 0, 0))) | change
    with pytest.raises(UsageError, match=r"^bad\.plan\.json: not a plan") as caught:
        load_plan(json.dumps(document).encode(), "bad.plan.json")
    assert told in str(caught.value)
