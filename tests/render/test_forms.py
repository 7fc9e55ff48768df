"""JUnit, SARIF, annotations, Markdown and the badge: well-formed whatever a subject says."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from harness.render.badge import as_badge
from harness.render.files import FORMATS, render
from harness.render.github import as_annotations
from harness.render.junit import as_junit
from harness.render.markdown import as_markdown
from harness.render.sarif import as_sarif

from .told import HOSTILE, exhibit_of, finding, report_of, verdict


@pytest.fixture
def hostile():
    return report_of([finding(text=HOSTILE)], subject=f"pkg.store:{HOSTILE}")


OFFICIAL = json.loads((Path(__file__).parent / "sarif-2.1.0-rtm.5.json").read_text())
"""As OASIS and Microsoft publish it."""


def test_junit_has_a_case_for_each_verdict_and_counts_them():
    root = ET.fromstring(as_junit(report_of([finding()])))
    suite = root.find("testsuite")
    assert [case.get("name") for case in suite.iter("testcase")][:2] == [
        "atomicity[kill]",
        "atomicity[ext4]",
    ]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
    }
    failure = root.find(".//failure")
    assert failure.get("type") == "silent-corruption"
    assert failure.get("message") == "store.py:41 boom"
    assert "harness replay atomicity-00000000.repro.json" in failure.text
    (case,) = [case for case in suite.iter("testcase") if case.find("failure") is not None]
    assert (case.get("file"), case.get("line")) == ("pkg/my store.py", "41")


def test_junit_survives_what_xml_cannot_hold(hostile):
    root = ET.fromstring(as_junit(hostile))
    assert "\\x1b[31m\\x00\\ud800" in root.find(".//failure").text


def test_sarif_is_valid_by_the_official_schema(hostile):
    validator = jsonschema.Draft4Validator(OFFICIAL)
    for report, shown in (
        (report_of([]), {}),
        (report_of([finding()]), {finding().id: exhibit_of()}),
        (report_of([finding(line=0)]), {}),
    ):
        validator.validate(json.loads(as_sarif(report, shown)))
    hostile.findings[0].culprit = None
    hostile.subject = "pkg/a b.py:open"
    validator.validate(json.loads(as_sarif(hostile)))


def test_the_official_schema_does_refuse():
    document = json.loads(as_sarif(report_of([finding()])))
    document["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(OFFICIAL).validate(document)


def test_sarif_places_a_finding_on_its_line():
    document = json.loads(as_sarif(report_of([finding()]), {finding().id: exhibit_of()}))
    (run,) = document["runs"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "pkg/my%20store.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"]["startLine"] == 41
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["partialFingerprints"] == {"causeId/v1": finding().id}
    flow = result["codeFlows"][0]["threadFlows"][0]["locations"]
    assert "(lost)" in flow[1]["location"]["message"]["text"]


def test_at_most_ten_annotations_then_a_count():
    lines = list(as_annotations(report_of([finding(number) for number in range(13)])))
    assert len([line for line in lines if line.startswith("::error ")]) == 10
    assert lines[10:] == ["::notice title=pkg.store%3Aopen::3 more findings: see the report"]
    assert len(list(as_annotations(report_of([finding(number) for number in range(10)])))) == 10


def test_an_annotation_is_one_command_whatever_it_says(hostile):
    (line,) = as_annotations(hostile)
    assert "\n" not in line
    command, properties, text = re.fullmatch(r"::(\w+) (.*?)::(.*)", line).groups()
    assert command == "error"
    given = dict(one.split("=", 1) for one in properties.split(","))
    assert given["file"] == "pkg/my store.py"
    assert given["line"] == "41"
    assert text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%").count(HOSTILE) == 2


CODE = re.compile(r"\\.|(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
"""What is no markup in Markdown: an escaped character, a code span."""


def test_markdown_escapes_markup(hostile):
    text = as_markdown(hostile).replace("<details><summary>", "").replace("</summary>", "")
    prose = [line for line in text.replace("</details>", "").splitlines() if line[:4] != " " * 4]
    # Not the lines themselves: half a surrogate pair in a message would end a worker.
    assert [number for number, line in enumerate(prose) if "<" in CODE.sub("", line)] == []
    assert not any(line.startswith("::error") for line in prose)


def test_markdown_has_the_matrix_and_the_finding():
    text = as_markdown(report_of([finding()]))
    assert "| atomicity | held | **violated** |" in text
    assert "| durability | not exercised | inconclusive |" in text
    assert "### 1. atomicity: silent-corruption" in text
    assert "`pkg/my store.py:41` in `boom`" in text


@pytest.mark.parametrize(
    ("report", "message", "colour"),
    [
        (report_of([finding()]), "1 finding, silent-corruption", "red"),
        (report_of([]), "inconclusive", "yellow"),
        (report_of([], [verdict("listing", "kill", "held")]), "conforms", "brightgreen"),
    ],
)
def test_the_badge_says_it_in_a_line(report, message, colour):
    badge = json.loads(as_badge(report))
    assert badge["schemaVersion"] == 1
    assert (badge["message"], badge["color"]) == (message, colour)


@pytest.mark.parametrize("form", [*FORMATS, "github"])
def test_every_form_takes_every_text(hostile, form):
    if form == "json":
        hostile = report_of([finding()])  # its own text cannot hold half a pair
    data = render(form, hostile, {hostile.findings[0].id: exhibit_of(HOSTILE)})
    assert data.decode("utf-8")
