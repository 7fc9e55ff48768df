"""The adapters behave without faults, and declare what the harness must find."""

import contextlib
import importlib
import importlib.metadata
import logging
import os
import random

import pytest

from scenarios.adapters import ADAPTERS

PROFILES = ("kill", "ordered", "posix")
GUARANTEES = {"atomicity", "durability", "recovery", "listing"}
VERDICTS = {"held", "violated", "not-exercised"}


@pytest.fixture(params=ADAPTERS)
def adapter(request):
    return importlib.import_module(f"scenarios.adapters.{request.param}")


def read_all(store, not_found, keys):
    found = {}
    for key in keys:
        try:
            found[key] = store.read(key)
        except not_found:
            continue
    return found


def close(store):
    getattr(store, "close", lambda: None)()


@contextlib.contextmanager
def opened(adapter, directory):
    store = adapter.open_store(str(directory))
    yield store
    close(store)


@pytest.mark.parametrize("seed", range(4))
def test_behaves_like_a_dictionary_across_restarts(adapter, tmp_path, seed):
    rng = random.Random(seed)
    open_store, directory = adapter.open_store, str(tmp_path / "disk" / "store")
    keys = ["a", "b-1", "tmp.x", "key_with_the_length_of.24"[:24]]
    sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 10_240, 70_000]
    os.mkdir(tmp_path / "disk")
    expected = {}
    store = open_store(directory)
    for _ in range(40):
        key, action = rng.choice(keys), rng.random()
        if action < 0.65:
            expected[key] = rng.randbytes(rng.choice(sizes))
            store.write(key, expected[key])
        elif action < 0.85:
            try:
                store.delete(key)
            except open_store.not_found:
                assert key not in expected
            expected.pop(key, None)
        else:
            close(store)
            store = open_store(directory)
        assert read_all(store, open_store.not_found, keys) == expected
        assert sorted(store.list()) == sorted(expected)
    close(store)
    with opened(adapter, directory) as store:
        assert read_all(store, open_store.not_found, keys) == expected


def test_sync_makes_writes_visible_to_the_next_opening(adapter, tmp_path):
    open_store = adapter.open_store
    with opened(adapter, tmp_path / "store") as store:
        store.write("k", b"value")
        if hasattr(open_store, "sync"):
            getattr(store, open_store.sync)()
        with opened(adapter, tmp_path / "store") as other:
            assert other.read("k") == b"value"


def test_declares_what_must_be_found(adapter):
    claimed = set(getattr(adapter.open_store, "guarantees", GUARANTEES))
    for declared, judged in ((adapter.EXPECTED, True), (adapter.UNCLAIMED, False)):
        for profile, verdicts in declared.items():
            assert profile in PROFILES
            assert set(verdicts.values()) <= VERDICTS
            assert set(verdicts) <= GUARANTEES
            assert all((guarantee in claimed) is judged for guarantee in verdicts)
    assert set(adapter.EXPECTED) == set(PROFILES)
    # A verdict can only get worse from a profile to one that allows more.
    for guarantee in GUARANTEES:
        seen = [adapter.EXPECTED[profile].get(guarantee) for profile in PROFILES]
        assert seen != ["violated", "violated", "held"]
        assert seen[:2] != ["violated", "held"]


def test_pinned_version_is_the_one_installed(adapter):
    package, _, version = adapter.PACKAGE.partition("==")
    if version:
        assert importlib.metadata.version(package) == version


def test_every_adapter_is_listed():
    names = vars(importlib.import_module("scenarios.adapters"))["ADAPTERS"]
    files = {
        name.removesuffix(".py")
        for name in os.listdir(
            os.path.dirname(importlib.util.find_spec("scenarios.adapters").origin)
        )
        if name.endswith(".py") and not name.startswith("_")
    }
    assert set(names) == files
    assert list(names) == sorted(names)


def test_a_damaged_cache_entry_is_a_miss(tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    adapter = importlib.import_module("scenarios.adapters.cachelib_filesystem")
    store = adapter.open_store(str(tmp_path))
    store.write("k", b"value")
    (name,) = os.listdir(tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(KeyError):
        store.read("k")
