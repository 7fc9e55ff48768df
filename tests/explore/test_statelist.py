"""The listing of crash states: the lines of the contract, their text, and the reasons given."""

import json
from base64 import b64decode, b64encode

import pytest

from harness.errors import UsageError
from harness.explore import Explorer, explain
from harness.explore.reasons import losses
from harness.persistence import PROFILES, constrain, derive, profile, profile_from_mapping
from harness.persistence.profiles import SWITCHES
from harness.statelist import (
    describe_profiles,
    list_states,
    profile_table,
    show_state,
)
from harness.trace import dump_line

from .traces import random_trace


def lines(*records):
    for record in records:
        one = dict(record)
        if "data" in one:
            one["data"] = b64encode(one["data"]).decode()
        if "files" in one:
            one["files"] = {p: b64encode(data).decode() for p, data in one["files"].items()}
        yield json.dumps(one)


REPLACE = (
    {"op": "image", "files": {"t": b"OOO"}},
    {"op": "create", "path": "a.tmp"},
    {"op": "write", "path": "a.tmp", "offset": 0, "data": b"NNNNN"},
    {"op": "rename", "src": "a.tmp", "dst": "t"},
)


def listed(*records, model="posix", **options):
    *states, total = list_states(lines(*records), "t.jsonl", model, **options)
    return states, total


def tree(state):
    return {path: b64decode(data) for path, data in state["files"].items()}


def test_each_image_is_listed_once_with_what_was_lost():
    states, total = listed(*REPLACE, model="xfs")
    assert [(s["state"], s["after"], s["lost"], tree(s), s["dirs"]) for s in states] == [
        (1, 0, [], {"t": b"OOO"}, []),
        (2, 1, [], {"t": b"OOO", "a.tmp": b""}, []),
        (3, 2, [], {"t": b"OOO", "a.tmp": b"NNNNN"}, []),
        (4, 3, [[2, "data 0..5"], [2, "size 5"]], {"t": b""}, []),
        (5, 3, [], {"t": b"NNNNN"}, []),
    ]
    assert total == {"total": 5, "exhaustive": True, "possible": 5}
    assert list(states[0]) == ["state", "after", "lost", "files", "dirs"]


@pytest.mark.parametrize("model", PROFILES)
def test_after_keeps_to_the_crashes_between_two_calls(model):
    everything, _ = listed(*REPLACE, model=model)
    first = {repr(tree(state)): state["after"] for state in everything}
    seen = {}
    for calls in range(4):
        states, total = listed(*REPLACE, model=model, after=calls)
        images = [repr(tree(state)) for state in states]
        assert len(images) == len(set(images)) == total["possible"] == total["total"]
        assert total["exhaustive"]
        for state, image in zip(states, images, strict=True):
            seen.setdefault(image, calls)
            assert state["after"] == first[image] <= calls
    assert seen == first


def test_an_image_that_comes_back_keeps_the_first_time_it_could_be_there():
    records = ({"op": "create", "path": "a"}, {"op": "unlink", "path": "a"}, {"op": "sync"})
    states, _ = listed(*records, model="ext4", after=3)
    assert [(tree(s), s["after"]) for s in states] == [({}, 0)]


def test_the_inode_the_place_and_the_numbers_of_a_record_may_be_missing():
    full = [
        {**record, "i": i, "process": 1, "at": [["f.py", 3, "f"]], "error": None}
        for i, record in enumerate(REPLACE)
    ]
    assert listed(*REPLACE) == listed(*full)


def test_directories_and_links_are_listed():
    states, _ = listed(
        {"op": "mkdir", "path": "d"},
        {"op": "symlink", "target": "d", "path": "l"},
        {"op": "sync"},
        after=3,
    )
    (state,) = states
    assert (state["dirs"], state["symlinks"], state["files"]) == (["d"], {"l": "d"}, {})


def test_a_limit_ends_the_list_and_the_rest_is_counted():
    states, total = listed(*REPLACE, limit=2)
    assert [state["state"] for state in states] == [1, 2]
    assert (total["total"], total["exhaustive"]) == (2, False)
    assert total["possible"] >= 7
    assert listed(*REPLACE, limit=7)[1]["exhaustive"]


def test_a_budget_that_is_too_small_is_admitted():
    records = [
        {"op": "create", "path": "a"},
        {"op": "write", "path": "a", "offset": 0, "data": b"N" * 4096 * 12},
    ]
    states, total = listed(*records, budget=100)
    assert not total["exhaustive"]
    assert len(states) == total["total"] < total["possible"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["{}"], "t.jsonl:1: not a trace record"),
        (["", "nonsense"], "t.jsonl:2: not a trace record"),
        (['{"op": "paint"}'], "t.jsonl:1: not a trace record"),
        (['{"op": "create"}'], "t.jsonl:1: not a trace record"),
        (['{"op": "write", "path": "a", "offset": 0, "data": "!"}'], "not a trace record"),
        (['{"op": "sync"}', '{"op": "image"}'], "an image may only be the first line"),
        (['{"op": "unlink", "path": "a"}'], "trace record 1: unlink: nothing is named 'a'"),
    ],
)
def test_a_malformed_trace_is_one_line(given, says):
    with pytest.raises(UsageError) as error:
        list_states(given, "t.jsonl", "posix")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_arguments_are_one_line():
    with pytest.raises(UsageError, match="after 4: the trace has 3 calls"):
        listed(*REPLACE, after=4)
    with pytest.raises(UsageError, match="after 2: the trace has 1 call;"):
        listed({"op": "sync"}, after=2)
    with pytest.raises(UsageError, match="unknown profile 'zfs'"):
        listed(*REPLACE, model="zfs")


def test_an_empty_trace_has_one_state():
    states, total = listed()
    assert [tree(state) for state in states] == [{}]
    assert total == {"total": 1, "exhaustive": True, "possible": 1}


# -- text --------------------------------------------------------------------------------------


def test_a_state_as_text():
    states, total = listed(*REPLACE, model="xfs", explained=True)
    assert show_state(states[3]).splitlines() == [
        "state 4, after 3 calls",
        "  lost: #2 data 0..5, #2 size 5",
        "  - #2 write: bytes 0..5 (1 page) lost and growth to 5 bytes lost, though the",
        "    rename of a.tmp to t (#3) is there: no flush on rename: a replace without",
        "    fsync may leave an empty, short or holed file [measured L1, L14;",
        "    fs/xfs/xfs_inode.c xfs_rename() has none]",
        "    t: empty",
    ]
    assert show_state(total) == "5 images, all there are"
    assert show_state(listed()[0][0]) == "state 1, after 0 calls\n  lost: nothing\n    (nothing)"


def test_contents_are_shown_by_their_runs_or_their_beginning():
    data = {"a": b"N" * 100 + bytes(50), "b": bytes(range(100)), "c": b"short", "d/e": b""}
    text = show_state(listed({"op": "image", "files": data})[0][0])
    assert "    a: 150 bytes: 'N' x 100, zero x 50" in text
    assert "    b: 100 bytes: '\\x00\\x01" in text
    assert "    c: 5 bytes: 'short'" in text
    assert "    d: directory" in text
    assert "    d/e: empty" in text


@pytest.mark.parametrize("model", PROFILES)
def test_text_keeps_to_eighty_columns(model):
    for seed in range(8):
        records = random_trace(seed, 5)
        for state in list_states(dumped(records), "t", model, budget=300, explained=True):
            assert max(map(len, show_state(state).splitlines())) <= 80


def dumped(records):
    return [dump_line(record) for record in records]


def test_totals_as_text():
    assert show_state({"total": 1, "exhaustive": True, "possible": 1}) == "1 image, all there are"
    half = {"total": 2000, "exhaustive": False, "possible": 30000}
    assert show_state(half) == "2,000 images, not all; 30,000 sets of effects are possible"
    unknown = show_state({**half, "possible": None})
    assert unknown == "2,000 images, not all; too many sets of effects to count"


# -- reasons -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", PROFILES)
def test_every_loss_is_allowed_by_a_rule_of_the_profile(model):
    kinds = set()
    for seed in range(60):
        made = constrain(derive(random_trace(seed, 6)), profile(model))
        # Some are lost only with calls after them: to a walk that is an earlier crash.
        at = 2 * made.effects.calls if seed % 2 else None
        explorer = Explorer(made, budget=2_000, at=at)
        for state in explorer.states():
            found = list(losses(explorer, state))
            for _, loss, rule in found:
                assert rule in profile(model).rules, (seed, loss)
                kinds.add(loss)
            reasons = explain(explorer, state)
            assert bool(reasons) == bool(found) == bool(explorer.lost(state))
    allowed = {loss for rule in profile(model).rules for loss in rule.allows}
    assert kinds == allowed


def test_a_profile_without_a_rule_for_a_loss_says_so():
    model = profile_from_mapping("mine", {"base": "ordered", "order": "free"})
    states, _ = listed(*REPLACE, model=model, explained=True)
    assert any("profile mine does not forbid it" in why for s in states for why in s["why"])


def test_the_rule_table_is_readable_and_complete():
    text = describe_profiles()
    assert max(map(len, text.splitlines())) <= 80
    for model in PROFILES.values():
        assert f"{model.name}: " in text
    joined = " ".join(text.split())
    table = profile_table()
    assert [entry["name"] for entry in table] == list(PROFILES)
    for entry in table:
        assert entry["rules"]
        for rule in entry["rules"]:
            assert rule["source"]
            assert rule["rule"] in joined


# -- a profile of one's own --------------------------------------------------------------------


def test_a_profile_of_ones_own_has_the_switches_of_its_base():
    mine = profile_from_mapping("mine", {"base": "ext4", "rename-over": "nothing", "torn": False})
    assert (mine.name, mine.names, mine.rename_over, mine.torn) == (
        "mine",
        "journal",
        "nothing",
        False,
    )
    assert mine.rules[0].text == "rename_over = 'nothing'"
    bare = profile_from_mapping("bare", {"title": "the weakest"})
    least = profile("posix")
    assert all(getattr(bare, switch) == getattr(least, switch) for switch in SWITCHES)
    assert bare.title == "the weakest"


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"tron": True}, "profile 'x': unknown switch 'tron'; did you mean torn?"),
        ({"zzz": 1}, "unknown switch 'zzz'; there are order, "),
        ({"torn": 1}, "torn = 1; give true or false"),
        ({"names": "log"}, "names = 'log'; give one of journal, log-tree, independent"),
        ({"names": ["journal"]}, "give one of journal, log-tree, independent"),
        ({"base": "zfs"}, "base = 'zfs'; give one of kill, "),
        ({"base": []}, "base = []; give one of kill, "),
        ({"title": 3}, "title = 3; give a text"),
        ({"cut-tail": "data", "cut_tail": "data"}, "given twice"),
    ],
)
def test_a_wrong_switch_is_one_line(mapping, says):
    with pytest.raises(UsageError) as error:
        profile_from_mapping("x", mapping)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
