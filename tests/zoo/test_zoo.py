"""The zoo without faults: bug and twin behave alike, and each declares what must be found."""

import random
from pathlib import Path

import pytest

import scenarios.zoo
from scenarios.zoo import all_bugs, names
from scenarios.zoo._base import EVERY, Damaged, Store, seal, unseal

GUARANTEES = {
    "atomicity",
    "clean-failure",
    "durability",
    "hygiene",
    "integrity",
    "isolation",
    "listing",
    "recovery",
}
BUGS = all_bugs()
SIZES = [0, 1, 9, 10, 511, 512, 513, 4095, 4096, 4097, 10_240, 70_000]
KEYS = ["a", "b-1", "tmp.x", "a0.new"]


@pytest.fixture(params=BUGS, ids=lambda bug: bug.name)
def bug(request):
    return request.param


def script(seed):
    """Operations that write shorter over longer and the other way round, delete, and reopen."""
    rng = random.Random(seed)
    for _ in range(30):
        kind = rng.choices(["write", "delete", "reopen"], [7, 3, 2])[0]
        yield kind, rng.choice(KEYS), rng.randbytes(rng.choice(SIZES))


def play(factory, directory, seed):
    """Run the script and return everything that could be seen, checked against a dictionary."""
    store, expected, seen = factory(directory), {}, []
    for kind, key, value in script(seed):
        if kind == "write":
            store.write(key, value)
            expected[key] = value
        elif kind == "delete":
            if key in expected:
                store.delete(key)
                del expected[key]
            else:
                with pytest.raises((KeyError, FileNotFoundError)):
                    store.delete(key)
        else:
            store = factory(directory)
        found = {}
        for name in KEYS:
            try:
                found[name] = store.read(name)
            except (KeyError, FileNotFoundError):
                continue
        assert found == expected, (kind, key)
        assert sorted(store.list()) == sorted(expected)
        seen.append((kind, key, found))
    return seen


@pytest.mark.parametrize("seed", range(3))
def test_bug_and_twin_behave_alike_without_faults(bug, tmp_path, seed):
    broken = play(bug.broken, str(tmp_path / "broken"), seed)
    fixed = play(bug.fixed, str(tmp_path / "fixed"), seed)
    assert broken == fixed


def test_declares_what_must_be_found(bug):
    assert bug.guarantee in GUARANTEES
    assert bug.profiles
    assert bug.since in (2, 3, 4, 5, 6, 7)
    assert not set(bug.profiles) & set(bug.held)
    assert set(bug.profiles) | set(bug.held) <= set(EVERY)
    for guarantee, profiles in bug.also.items():
        assert guarantee in GUARANTEES - {bug.guarantee}
        assert set(profiles) <= set(EVERY)
    assert bug.kind
    assert bug.fix.endswith(".")
    assert bug.issue


def test_claims_the_guarantee_it_breaks_and_the_twin_keeps_it(bug):
    for factory in (bug.broken, bug.fixed):
        claimed = set(getattr(factory, "guarantees", GUARANTEES))
        assert claimed <= GUARANTEES
    assert bug.guarantee in getattr(bug.fixed, "guarantees", GUARANTEES)
    if bug.guarantee != "integrity":
        assert bug.guarantee in getattr(bug.broken, "guarantees", GUARANTEES)


def test_marks_one_culprit_line(bug):
    path, number = bug.culprit_at()
    line = Path(path).read_text(encoding="utf-8").splitlines()[number - 1]
    assert line.strip().removesuffix("# culprit").rstrip() == bug.culprit


def test_names_are_the_modules(bug):
    assert Path(bug.module.__file__).stem == bug.name
    assert bug.broken is bug.module.broken
    assert bug.fixed is bug.module.fixed


def test_covers_every_guarantee_and_tells_profiles_apart():
    assert [bug.name for bug in BUGS] == names()
    assert len(BUGS) >= 30
    assert {bug.guarantee for bug in BUGS} == GUARANTEES
    # Each model is told from each other by a bug that is found under one and not the other.
    for one in EVERY:
        for other in EVERY:
            if one != other:
                assert any(
                    (one in bug.profiles) != (other in bug.profiles)
                    and {one, other} <= set(bug.profiles) | set(bug.held)
                    for bug in BUGS
                ), (one, other)


def test_generations_nest():
    counts = [len(all_bugs(since)) for since in (2, 3, 4, 5, 7)]
    assert counts == sorted(counts)
    assert counts[-1] == len(BUGS)
    assert counts[0] >= 20


def test_all_files_are_bugs_or_private():
    (room,) = scenarios.zoo.__path__
    files = {path.stem for path in Path(room).glob("*.py") if not path.stem.startswith("_")}
    assert files == set(names())


def test_reading_a_damaged_envelope_raises(tmp_path):
    store = Store(str(tmp_path / "store"))
    store.write("k", b"value" * 100)
    whole = (tmp_path / "store" / "k").read_bytes()
    for damaged in (
        b"",
        whole[:-1],
        whole + b"x",
        bytes(len(whole)),
        seal("other", b"value" * 100),
    ):
        (tmp_path / "store" / "k").write_bytes(damaged)
        with pytest.raises(Damaged):
            store.read("k")
    assert unseal("k", whole) == b"value" * 100
