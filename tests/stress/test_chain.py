"""Chains of faults: a bug that takes two crashes and a full disk, and no alarm without one."""

import re
from functools import cache

import msgspec
import pytest
from chained import chained
from stressing import FULL, RARE

from harness.chain import chain_of, describe, walk
from harness.chainshrink import shrink_chain
from harness.exhibit import exhibit
from harness.finding import Life, load_reproduction
from harness.intercept import rerouted
from harness.persistence import PROFILES, profile
from harness.quiet import quiet
from harness.replay import replay, replay_times
from harness.runner import Plan, check
from harness.story import finding_record
from harness.subjects import load
from scenarios.zoo import all_bugs

MODELS = {name: profile(name) for name in PROFILES}


@cache
def rare():
    """The rare bug as it is found; no round before shows it."""
    return next(chained(f"{RARE}:broken", range(38, 100), needed={"full-disk"}))


def test_an_exhaustive_check_of_single_faults_does_not_find_the_rare_bug():
    outcome = check(Plan(f"{RARE}:broken", ("posix",), ("recovery",), "quick"))
    assert {verdict.verdict for verdict in outcome.report.verdicts} == {"held"}


def test_chains_find_it_where_it_is_and_it_takes_two_crashes_and_a_full_disk():
    subject = load(f"{RARE}:broken")
    small = shrink_chain(subject, rare(), MODELS)
    assert small.guarantee == "recovery"
    assert small.culprit is not None
    assert small.culprit.file.endswith(("journal_dropped_for_room.py", "_journal.py"))
    lives = small.reproduction.chain
    assert len(lives) == 2
    assert "full" in lives[1].room
    assert lives[0].kill is not None
    assert lives[1].kill is not None
    assert replay_times(subject, small.reproduction, MODELS, 10) == 10
    # Each of the three is needed: without one of them the same chain ends well.
    workload = small.reproduction.workload()
    for broken, life in ((0, {"kill": None}), (1, {"kill": None}), (1, {"room": None})):
        fewer = list(lives)
        fewer[broken] = msgspec.structs.replace(lives[broken], **life)
        with rerouted(), quiet():
            chain = chain_of(subject, workload, MODELS[small.reproduction.profile], seed=0)
            assert walk(chain, fewer) == [], life


def test_the_file_replays_and_the_twin_is_left_alone_by_it():
    data = msgspec.json.encode(rare().reproduction)
    reproduction = load_reproduction(data, "x.repro.json")
    assert reproduction == rare().reproduction
    broken, fixed = load(f"{RARE}:broken"), load(f"{RARE}:fixed")
    assert replay(broken, reproduction, MODELS).outcome == "reproduced"
    assert replay(fixed, reproduction, MODELS).outcome == "no longer"


def test_a_chain_is_shown_life_by_life():
    subject, one = load(f"{RARE}:broken"), rare()
    finding = finding_record(one, [one.reproduction.profile], "10/10", None)
    shown = exhibit(subject, one.reproduction, finding, MODELS)
    lives = one.reproduction.chain
    assert len(shown.acts) == len(lives)
    for number, (act, life) in enumerate(zip(shown.acts, lives, strict=True), 1):
        assert act.title.startswith(f"Process {number}")
        assert (life.room or "") in act.title
        assert (act.crash_after is not None) == (life.kill is not None or life.cut is not None)
        assert act.spans
        assert ("power" in act.ending) == (life.cut is not None)
    assert any(step.culprit for act in shown.acts for step in act.steps)
    # What a power cut took is struck out, all of it, up to the end of the life that it ended.
    lost = sorted(part for act in shown.acts for step in act.steps for part in step.lost)
    assert lost == sorted(part for life in lives if life.cut for _, part in life.cut.lost)
    assert shown.disk


def test_the_call_that_a_process_is_killed_after_is_the_last_that_is_shown_of_it():
    subject, one = load(f"{RARE}:broken"), rare()
    finding = finding_record(one, [one.reproduction.profile], "10/10", None)
    acts = exhibit(subject, one.reproduction, finding, MODELS).acts
    lives = one.reproduction.chain
    killed = [act for act, life in zip(acts, lives, strict=True) if life.kill is not None]
    assert killed
    told = re.findall(r"process (\d+)[^;]* is killed after its call (\d+)", finding.fault["fault"])
    assert told == [
        (act.title.split(",")[0].split()[1], str(act.steps[-1].number)) for act in killed
    ]
    assert told != [(number, str(lives[int(number) - 1].kill - 1)) for number, _ in told]  # reads


def test_a_chain_in_words():
    lives = [
        Life(kill=9),
        Life(room="disk: full at 8192 bytes", kill=3),
        Life(fault="fsync #1: EIO, once"),
    ]
    assert describe(lives, (4, 0, 7)) == (
        "process 1 is killed after its call 4; "
        "process 2 with the disk full at 8192 bytes is killed before its first call; "
        "process 3 with fsync #1: EIO, once ends"
    )
    # Kept by a run from before those calls were counted.
    assert describe(lives[:1], ()) == "process 1 is killed"


def test_what_a_killed_process_wrote_is_there_and_what_the_power_took_is_not():
    """By hand: the kernel lives on after a kill, and a cut loses what was not synced."""
    subject = load("scenarios.zoo.no_directory_sync:broken")
    from harness.ops import Workload, write  # noqa: PLC0415

    workload = Workload("x", (write("a", b"one"),))
    with rerouted(), quiet():
        for cut in (False, True):
            chain = chain_of(subject, workload, MODELS["posix"], seed=0)
            chain.live(Life())
            if cut:
                explorer, states = chain.states()
                worst = max(states, key=lambda state: len(explorer.lost(state)))
                chain.cut(explorer, worst)
            values = chain.look().first.values
            assert (values["a"] == b"one") is not cut


def test_a_delete_that_finds_no_key_promises_nothing():
    """The one before it raised: it took the name away, and its sync failed."""
    subject = load("scenarios.zoo.no_directory_sync:fixed")
    from harness.ops import Workload, delete, write  # noqa: PLC0415

    workload = Workload("x", (delete("a"), delete("a")), (write("a", b"one"),))
    with rerouted(), quiet():
        chain = chain_of(subject, workload, MODELS["posix"], seed=0)
        lived = chain.live(Life(fault="fsync #2: EIO, once"))
        assert lived.refused == "OSError"
        explorer, states = chain.states()
        chain.cut(explorer, max(states, key=lambda state: len(explorer.lost(state))))
        observation = chain.look()
        assert observation.first.values["a"] == b"one"
        assert list(chain.broken(observation)) == []


TWINS = [f"scenarios.zoo.{bug.name}:fixed" for bug in all_bugs(4)] + [f"{RARE}:fixed"]
SOME = [
    "harness.reference.subjects:hardened",
    "scenarios.zoo.rename_without_fsync:fixed",
    f"{RARE}:fixed",
]


@pytest.mark.parametrize("name", SOME + [one for one in TWINS if one not in SOME] if FULL else SOME)
def test_no_chain_breaks_a_store_that_is_right(name):
    rounds = range(60) if FULL else range(8)
    assert [(one.kind, one.observed) for one in chained(name, rounds)] == []
