"""The shipped JSON Schema of stress.json is the classes', and real reports are valid by it."""

import json

import jsonschema
import pytest
from stressing import stress

from harness.stress.report import schema, shipped_schema

BROKEN = "scenarios.zoo.rename_without_fsync:broken"


@pytest.fixture(scope="module")
def validator():
    shipped = json.loads(shipped_schema())
    jsonschema.Draft202012Validator.check_schema(shipped)
    return jsonschema.Draft202012Validator(shipped)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    where = tmp_path_factory.mktemp("schema") / "run"
    words = ("--rounds", 1, "--guarantee", "atomicity", "--profile", "posix", "--json")
    return json.loads(stress(BROKEN, *words, "--report", where, code=1).stdout)


def test_the_shipped_schema_is_current():
    assert shipped_schema() == schema(), (
        "python -c 'import harness.stress.report as r, sys; sys.stdout.buffer.write(r.schema())' "
        "> harness/stress/stress.schema.json"
    )


def test_a_report_is_valid(validator, report):
    validator.validate(report)
    assert report["findings"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "checkpoint-harness/stress/2"),
        (("rounds",), "many"),
        (("guarantees", "atomicity", "rounds"), None),
        (("findings", 0, "severity"), "bad"),
        (("timing", "curve"), [[1, 2, 3]]),
        (("never",), "nothing"),
    ],
)
def test_the_schema_refuses_what_is_no_report(validator, report, path, value):
    document = json.loads(json.dumps(report))
    place = document
    for step in path[:-1]:
        place = place[step]
    assert place[path[-1]] != value
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(document)
