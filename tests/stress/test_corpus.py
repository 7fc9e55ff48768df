"""The corpus: small plans that together see all that was seen; what found something stays."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from stressing import report_of, run, stress

from harness.guarantees import GUARANTEES
from harness.persistence import PROFILES
from harness.stress.corpus import cover, load_corpus
from harness.stress.plans import Step, Traits, draw_round, dump_plan, honest, plan_id, portable
from harness.stress.smaller import TRIES_MAX, smaller

BROKEN = "scenarios.zoo.rename_without_fsync:broken"
TRAITS = Traits(
    subject="x:y",
    keys=(),
    syncs=False,
    sized=True,
    judged=tuple(GUARANTEES),
    profiles=tuple(PROFILES),
)


def shrunk(plan, sees, few=None, tries=TRIES_MAX):
    """The smallest plan that sees what it has to, and how many were tried."""
    steps, count, answer = smaller(plan, few, tries=tries), 0, None
    try:
        tried = next(steps)
        while True:
            count += 1
            answer = sees(tried)
            tried = steps.send(answer)
    except StopIteration as end:
        return end.value, count


def drawn(feature):
    plans = (draw_round(TRAITS, 0, number) for number in range(300))
    return next(plan for plan in plans if {"long-history", feature} <= set(plan.features))


def test_a_plan_keeps_what_it_needs_and_nothing_else():
    plan = drawn("chain")
    wanted = next(step for step in plan.operations if 1 < step.size < 5000)

    def sees(one):
        return wanted in one.operations and 7 in one.drawn_chains and "chain" in one.features

    small, count = shrunk(plan, sees, few=[7], tries=100)
    assert small.operations == [wanted]
    assert (small.setup, small.drawn_chains, small.chains) == ([], [7], 8)
    assert len(small.profiles) == 1
    assert small.features == ["chain"]
    assert count <= 100
    assert shrunk(plan, sees, few=[7])[1] <= TRIES_MAX


def test_a_plan_that_needs_everything_stays_as_it_is():
    plan = drawn("crash")
    small, _ = shrunk(plan, lambda _: False)
    assert small == honest(plan)


def test_a_guess_about_chains_that_is_wrong_costs_one_try():
    plan = drawn("chain")
    numbers = {plan.chains - 1, plan.chains - 2}
    small, _ = shrunk(plan, lambda one: numbers <= set(one.drawn_chains), few=[0], tries=200)
    assert set(small.drawn_chains) == numbers


def test_a_plan_claims_no_feature_that_it_has_no_more():
    plan = drawn("big-values")
    bare = msgspec.structs.replace(
        plan, setup=[], operations=[Step("write", "a", 1, 1)], race=msgspec.UNSET
    )
    assert not set(honest(bare).features) & {"long-history", "many-keys", "big-values", "deletes"}


def test_few_rounds_are_chosen_that_saw_all_and_each_says_what_for():
    rounds = [("0", [1, 2, 3], 9), ("1", [3, 4], 1), ("2", [4], 1), ("3", [1, 2, 3], 5)]
    chosen = cover(rounds)
    assert [one.key for one in chosen] == ["3", "2"]
    assert set().union(*(one.wanted for one in chosen)) == {1, 2, 3, 4}
    assert [one.key for one in cover(rounds, seen=[1, 2, 3])] == ["2"]


def test_what_a_plan_found_does_not_change_its_name_and_is_read_back():
    plan = draw_round(TRAITS, 0, 0)
    told = msgspec.structs.replace(plan, found=["recovery-1"])
    assert plan_id(told) == plan_id(plan)
    assert b'"found": ["recovery-1"]' in dump_plan(told)
    assert b"found" not in dump_plan(plan)


def test_a_corpus_is_the_same_wherever_the_project_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    absolute = f"{tmp_path}/stores/mine.py:store"
    assert portable(absolute) == "stores/mine.py:store"
    assert portable("/elsewhere/mine.py:store") == "mine.py:store"
    assert portable("package.module:store") == "package.module:store"
    plan = draw_round(replace(TRAITS, subject=absolute), 0, 0)
    assert str(tmp_path).encode() not in dump_plan(plan)
    Path("corpus").mkdir()
    (Path("corpus") / "x.plan.json").write_bytes(dump_plan(plan))
    assert len(load_corpus(Path("corpus"), absolute)[0]) == 1
    assert len(load_corpus(Path("corpus"), "stores/mine.py:store")[0]) == 1


WORDS = ("--rounds", 2, "--guarantee", "atomicity", "--profile", "posix")


def files(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_found_something_is_made_small_found_again_and_kept_once_it_is_mended(tmp_path):
    corpus = tmp_path / "corpus"
    stress(BROKEN, *WORDS, "--seed", 1, "--corpus", corpus, "--report", tmp_path / "one", code=1)
    found = {one["id"] for one in report_of(tmp_path / "one")["findings"]}
    plans, _ = load_corpus(corpus, BROKEN)
    told = {name for plan in plans if plan.found for name in plan.found}
    assert found == told
    drawn = report_of(tmp_path / "one")["kept"]
    assert 0 < len(plans) <= len(drawn)
    assert max(len(plan.operations) for plan in plans) < 10
    # Every one of them is a round of its own, and those that found something find it alone.
    for plan in plans:
        done = run(
            "stress", BROKEN, "--plan", corpus / f"{plan_id(plan)}.plan.json",
            "--guarantee", "atomicity", "--profile", "posix",
        )  # fmt: skip
        assert all(name in done.stdout for name in plan.found or [])
        assert done.returncode == (1 if plan.found else 0)
    # The next run begins with them, and finds all that they do before its first round.
    before = files(corpus)
    stress(BROKEN, *WORDS, "--seed", 1, "--corpus", corpus, "--report", tmp_path / "two", code=1)
    two = report_of(tmp_path / "two")
    assert two["corpus"] == len(plans)
    assert two["curve"][0][0] == 0
    # The same seed: nothing is new. What one plan sees, another need not be kept for.
    assert files(corpus).items() <= before.items()


def test_a_plan_stays_for_what_it_found_though_nothing_is_found_any_more(tmp_path):
    """A fix does not take the plan out that would notice if the bug came back."""
    store = tmp_path / "store.py"
    name = f"{store}:open_store"
    store.write_text("from scenarios.zoo.rename_without_fsync import broken as open_store\n")
    corpus = tmp_path / "corpus"
    words = (name, "--rounds", 1, "--guarantee", "atomicity", "--profile", "posix")
    stress(*words, "--corpus", corpus, "--report", tmp_path / "one", code=1)
    kept = {p.name for p in corpus.iterdir() if b'"found"' in p.read_bytes()}
    assert kept
    store.write_text("from scenarios.zoo.rename_without_fsync import fixed as open_store\n")
    stress(*words, "--corpus", corpus, "--report", tmp_path / "two", code=0)
    assert kept <= {path.name for path in corpus.iterdir()}


@pytest.mark.parametrize("text", ["{}", "not json", '{"schema": "checkpoint-harness/plan/9"}'])
def test_a_file_that_is_no_plan_is_named_and_stays(tmp_path, text):
    (tmp_path / "x.plan.json").write_text(text)
    done = stress(BROKEN, "--rounds", 1, "--corpus", tmp_path, "--report", tmp_path / "r", code=2)
    assert "x.plan.json: not a plan" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "x.plan.json").read_text() == text
