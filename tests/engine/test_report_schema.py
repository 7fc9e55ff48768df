"""The shipped JSON Schema is the classes', and real reports are valid by it."""

import json
from functools import cache

import jsonschema
import pytest

from harness.report import dump, schema, shipped_schema
from harness.runner import Plan, check


@cache
def report(subject):
    guarantees = ("atomicity", "durability", "integrity", "hygiene")
    plan = Plan(subject, ("ordered", "posix"), guarantees, "quick")
    return json.loads(dump(check(plan).report))


@pytest.fixture(scope="module")
def validator():
    shipped = json.loads(shipped_schema())
    jsonschema.Draft202012Validator.check_schema(shipped)
    return jsonschema.Draft202012Validator(shipped)


def test_the_shipped_schema_is_current():
    assert shipped_schema() == schema(), (
        "python -c 'import harness.report as r, sys; sys.stdout.buffer.write(r.schema())' "
        "> harness/report.schema.json"
    )


@pytest.mark.parametrize("which", ["broken", "fixed"])
def test_reports_are_valid(validator, which):
    document = report(f"scenarios.zoo.no_directory_sync:{which}")
    validator.validate(document)
    assert bool(document["findings"]) is (which == "broken")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "checkpoint-harness/report/2"),
        (("verdicts", 0, "verdict"), "fine"),
        (("verdicts", 0, "faults"), "many"),
        (("verdicts", 0, "exhaustive"), "yes"),
        (("findings", 0, "severity"), "bad"),
        (("findings", 0, "culprit"), "line 3"),
        (("stats", "executed"), None),
    ],
)
def test_the_schema_refuses_what_is_no_report(validator, path, value):
    document = json.loads(json.dumps(report("scenarios.zoo.no_directory_sync:broken")))
    place = document
    for step in path[:-1]:
        place = place[step]
    assert place[path[-1]] != value
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(document)


def test_each_field_of_the_contract_is_there():
    document = report("scenarios.zoo.no_directory_sync:broken")
    assert document["schema"] == "checkpoint-harness/report/1"
    contract = {
        None: "version subject seed plan_hash verdicts findings stats",
        "verdicts": "guarantee profile verdict workloads faults crash_states "
        "crash_states_possible exhaustive findings",
        "findings": "id guarantee profiles severity summary workload fault lost culprit observed "
        "allowed fix repro replays",
        "stats": "crash_states distinct executed reused seconds states_per_second",
    }
    for part, names in contract.items():
        record = document if part is None else document[part]
        record = record[0] if isinstance(record, list) else record
        assert set(names.split()) <= set(record)
    (finding,) = document["findings"]
    assert {"file", "line", "function", "call"} <= set(finding["culprit"])
    assert {"change", "verified", "violations_before", "violations_after"} <= set(finding["fix"])
    assert finding["replays"] == "10/10"
    for verdict in document["verdicts"]:
        assert verdict["findings"] == [finding["id"]] * (verdict["verdict"] == "violated")
