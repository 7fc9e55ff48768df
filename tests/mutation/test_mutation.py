"""The harness finds the reference broken, statement by statement.

Those that matter most by default; every mutant with ``HARNESS_FULL=1``. ``python -m
tests.mutation`` prints them all.
"""

import os

import pytest

from tests.mutation.__main__ import all_mutants, summary
from tests.mutation.survivors import KINDS, SURVIVORS
from tests.mutation.trying import tried

FULL = os.environ.get("HARNESS_FULL") == "1"
MUTANTS = {one.name: one for one in all_mutants()}

SOME = {
    "hardened_files.write: drop `os.fsync(fd)`": {"atomicity", "durability"},
    "hardened_files.write: drop `os.fsync(directory)`": {"durability"},
    "hardened_files.write: once `while rest:`": {"clean-failure"},
    "hardened_files.write: drop `_close(fd)`": {"recovery"},
    "hardened_files.read: careless `try:`": {"hygiene"},
    "hardened_files.delete: drop `os.fsync(directory)`": {"durability"},
    "hardened_files._make_directory: drop `_sync_directory(_parent(path))`": {"durability"},
    "hardened_files.__init__: drop `self._sweep(names)`": {"hygiene"},
    "envelope.unwrap: never `if name != key.encode():`": {"integrity"},
    "envelope.unwrap_any: never `if actual != expected:`": {"integrity"},
}
"""Mutant to the guarantees of which one has to be named."""


@pytest.mark.parametrize("name", SOME)
def test_a_mutant_that_matters_is_found_by_the_promise_it_breaks(name):
    found = tried(MUTANTS[name], shallow=True)
    assert found is not None
    assert found.split(" (")[0] in SOME[name]


def test_the_reference_itself_lives():
    assert tried(None, shallow=not FULL) is None


def test_each_mutant_has_a_name_of_its_own_and_each_survivor_an_argument():
    assert len(MUTANTS) > 250
    assert set(SURVIVORS) <= set(MUTANTS)
    for name, (kind, why) in SURVIVORS.items():
        assert kind in KINDS, name
        assert len(why) > 20, name


@pytest.mark.skipif(not FULL, reason="every mutant: HARNESS_FULL=1")
def test_every_mutant_is_found_or_argued():
    assert summary({name: tried(one) for name, one in MUTANTS.items()}) == 0
