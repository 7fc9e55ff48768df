"""The published reports are what the harness says now; ``python -m tests.reports`` renews them."""

import importlib
import json
import os
import re

import jsonschema
import msgspec
import pytest

from harness.report import Report, shipped_schema
from tests.reports import ROOT, STORES, files_of, index, make

FULL = os.environ.get("HARNESS_FULL") == "1"
SOME = ("boltons_atomic", "fsspec_mapper")
REMEDY = "`python -m tests.reports` makes it anew"


@pytest.mark.parametrize("name", STORES if FULL else SOME)
def test_a_report_is_current(name):
    store = STORES[name]
    if store.adapter is not None:
        pytest.importorskip(store.adapter, exc_type=ImportError)
    for file, data in files_of(store, make(store)).items():
        same = (ROOT / file).read_bytes() == data
        assert same, f"reports/{file} is not what the harness says now; {REMEDY} {name}"


def test_there_is_one_of_each_store_and_nothing_else():
    wanted = {f"{name}.{end}" for name in STORES for end in ("md", "json")}
    wanted |= {"README.md", "scaling.md"}  # the latter is the benchmarks' (tests/benchmarks)
    assert {path.name for path in ROOT.iterdir()} == wanted
    packages = {
        importlib.import_module(store.adapter).PACKAGE
        for store in STORES.values()
        if store.adapter is not None
    }
    assert len(packages) >= 10
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", package) for package in packages)


def test_the_index_says_what_the_reports_say():
    saved = [
        (store, msgspec.json.decode((ROOT / f"{name}.json").read_bytes(), type=Report))
        for name, store in STORES.items()
    ]
    assert (ROOT / "README.md").read_bytes() == index(saved), REMEDY


@pytest.mark.parametrize("name", STORES)
def test_a_report_is_of_the_published_shape_and_holds_no_clock_and_no_machine(name):
    data = (ROOT / f"{name}.json").read_bytes()
    document = json.loads(data)
    jsonschema.validate(document, json.loads(shipped_schema()))
    assert document["stats"]["seconds"] == 0
    assert all(finding["replays"] == "10/10" for finding in document["findings"])
    for text in (data.decode(), (ROOT / f"{name}.md").read_text()):
        assert not re.search(r"/home/|/tmp/|/root/|site-packages|\.venv", text)


@pytest.mark.parametrize("name", STORES)
def test_no_two_findings_have_one_cause(name):
    document = json.loads((ROOT / f"{name}.json").read_bytes())
    causes, fixes = [], []
    for one in document["findings"]:
        culprit = one["culprit"] or {}
        place = culprit.get("file"), culprit.get("line")
        causes.append((one["guarantee"], one["kind"], *place))
        if one["fix"]["verified"]:
            fixes.append((one["guarantee"], one["fix"]["change"]))
    assert len(causes) == len(set(causes))
    assert len(fixes) == len(set(fixes))


def test_the_reference_conforms_and_the_kubelet_does_not():
    assert json.loads((ROOT / "reference-hardened.json").read_bytes())["findings"] == []
    assert json.loads((ROOT / "reference-kubelet.json").read_bytes())["findings"]


@pytest.mark.parametrize("name", [name for name, store in STORES.items() if store.adapter])
def test_a_report_has_the_verdicts_that_the_adapter_expects(name):
    adapter = pytest.importorskip(STORES[name].adapter, exc_type=ImportError)
    document = json.loads((ROOT / f"{name}.json").read_bytes())
    found = {(one["profile"], one["guarantee"]): one["verdict"] for one in document["verdicts"]}
    for profile, verdicts in adapter.EXPECTED.items():
        for guarantee, verdict in verdicts.items():
            assert found[profile, guarantee] == verdict
