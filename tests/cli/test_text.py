"""The report as text: what a person reads, for every verdict and every size."""

import io
import re
from pathlib import Path

import msgspec
import pytest

from harness.render.text import as_text, print_report
from harness.render.words import bounds
from harness.report import Culprit, FindingRecord, Fix, OperationRecord, Report, Stats, Verdict


def verdict(guarantee="atomicity", profile="kill", name="held", **fields):
    counts = {
        "workloads": 3,
        "faults": 10,
        "crash_states": 1234,
        "crash_states_possible": 1234,
        "exhaustive": True,
        "findings": [],
    }
    return Verdict(guarantee=guarantee, profile=profile, verdict=name, **(counts | fields))


def finding(**fields):
    facts = {
        "id": "atomicity-0123abcd",
        "guarantee": "atomicity",
        "kind": "torn",
        "profiles": ["ext4", "xfs"],
        "severity": "silent-corruption",
        "summary": "shop.py:3 os.replace(a, b) may reach disk before shop.py:2 f.write(x).",
        "workload": [
            OperationRecord(op="write", key="a", value=b"old", setup=True),
            OperationRecord(op="write", key="a", value=b"x" * 5000),
        ],
        "fault": {
            "kind": "power cut",
            "profile": "ext4",
            "after": 1,
            "operation": "write('a', b'x')",
            "in_flight": True,
        },
        "lost": [(2, "data 0..5000")],
        "culprit": Culprit(file="shop.py", line=3, function="save", call="rename", source="x()"),
        "observed": "5000 zero bytes",
        "allowed": ["b'old'", "b'x'... 5000 bytes"],
        "fix": Fix(change="sync", verified=None, violations_before=37, violations_after=None),
        "repro": "atomicity-0123abcd.repro.json",
        "replays": "10/10",
        "states": 1,
    }
    return FindingRecord(**(facts | fields))


def report(verdicts, findings=()):
    return Report(
        version="0.1.0",
        subject="shop.py:Shop",
        seed=0,
        plan_hash="0123456789abcdef",
        verdicts=verdicts,
        findings=list(findings),
        stats=Stats(
            crash_states=5000,
            distinct=1234,
            executed=1000,
            reused=4000,
            seconds=1.5,
            states_per_second=3333.3,
        ),
    )


def test_a_report_of_one_finding_reads_as_a_story():
    verdicts = [
        verdict(),
        verdict(profile="ext4", name="violated", findings=["atomicity-0123abcd"]),
    ]
    assert as_text(report(verdicts, [finding()]), Path("out")) == (
        "harness 0.1.0: shop.py:Shop\n"
        "\n"
        "              kill     ext4\n"
        "atomicity     held     VIOLATED\n"
        "\n"
        "1. atomicity broken: silent-corruption                        atomicity-0123abcd\n"
        "   shop.py:3 in save\n"
        "       x()\n"
        "   shop.py:3 os.replace(a, b) may reach disk before shop.py:2 f.write(x).\n"
        "   workload   before it, write('a', b'old'); write('a', b'xxxxxxxxxxxx'... 5000\n"
        "              bytes)\n"
        "   fault      power cut (ext4), after 1 call, write('a', b'x') in flight\n"
        "   lost       data 0..5000 (trace #2)\n"
        "   observed   5000 zero bytes\n"
        "   allowed    b'old' or b'x'... 5000 bytes\n"
        "   fix        sync (not proven)\n"
        "   seen       in 1 crash state, under ext4, xfs; replayed 10/10\n"
        "   repeat     harness replay out/atomicity-0123abcd.repro.json\n"
        "\n"
        "profile workloads  faults  states  coverage\n"
        "kill            3      10   1,234  exhaustive\n"
        "ext4            3      10   1,234  exhaustive\n"
        "\n"
        "5,000 crash states judged in 1.5 s: 1,000 recoveries run, 4,000 known already;\n"
        "seed 0, plan 0123456789abcdef\n"
        "report in out/report.json\n"
        "violated: 1 finding, worst silent-corruption\n"
    )


def test_a_finding_with_nothing_but_the_least_still_reads():
    bare = finding(culprit=None, lost=[], allowed=[], fix=None, repro=None, fault={})
    text = as_text(report([verdict(name="violated")], [bare]), None)
    assert "lost       nothing" in text
    assert "--report DIR" in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"verified": "trace", "violations_after": 0}, "proven by trace: 37 violations before, 0"),
        ({"verified": "rerun", "violations_after": 2}, "proven by rerun: 37 violations before, 2"),
    ],
)
def test_a_fix_that_was_tried_says_what_it_did(fields, shown):
    fix = msgspec.structs.replace(finding().fix, **fields)
    text = as_text(report([verdict(name="violated")], [finding(fix=fix)]), None)
    assert shown in text


@pytest.mark.parametrize(
    ("name", "cell", "closing"),
    [
        ("held", "held", "conforms: every verdict held"),
        ("not-exercised", "n/e", "inconclusive"),
        ("inconclusive", "inconcl.", "inconclusive"),
        ("error", "error", "inconclusive"),
    ],
)
def test_each_verdict_has_a_cell_and_a_closing_line(name, cell, closing):
    text = as_text(report([verdict(name=name, note="for a reason")]), None)
    lines = text.splitlines()
    assert lines[3].split() == ["atomicity", cell]
    assert lines[-1].startswith(closing)
    assert "for a reason" in text


def test_a_reason_that_several_verdicts_share_is_told_once():
    verdicts = [
        verdict(guarantee, profile, "not-exercised", note="no scenario")
        for guarantee in ("isolation", "hygiene")
        for profile in ("kill", "ext4")
    ]
    verdicts += [verdict("atomicity", "kill", "error", note="boom"), verdict("atomicity", "ext4")]
    text = as_text(report(verdicts), None)
    assert "n/e = not-exercised: isolation, hygiene: no scenario\n" in text
    assert "error: atomicity (kill): boom\n" in text


def test_eight_guarantees_and_many_profiles_fit_80_columns():
    profiles = ["kill", "ext4-dioread-lock", "a-very-long-name-of-one-s-own", "verylongunbroken"]
    profiles += [f"nas-{number}" for number in range(9)]
    verdicts = [
        verdict(guarantee, profile, "violated")
        for guarantee in ("atomicity", "clean-failure")
        for profile in profiles
    ]
    text = as_text(report(verdicts), None)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("clean-failure") == 3  # once where what was looked at is told
    assert text.count("VIOLATED") == len(verdicts)


@pytest.mark.parametrize(
    ("possible", "shown"),
    [
        (None, "too many to count"),
        (602671395, "of at most 602,671,395"),
        (123 * 10**40, "of at most 1.2e42"),
    ],
)
def test_what_was_sampled_says_of_how_many(possible, shown):
    one = verdict(crash_states_possible=possible, exhaustive=False, note="a sample of 3")
    text = as_text(report([one]), None)
    assert f"sampled, {shown}" in text or f"sampled; {shown}" in text
    assert "kill: a sample of 3" in text
    assert "exhaustive" not in text


def test_guarantees_judged_on_other_states_get_rows_of_their_own():
    text = as_text(report([verdict(), verdict("integrity", crash_states=7)]), None)
    assert re.search(r"^integrity .* 7  exhaustive$", text, re.MULTILINE)
    text = as_text(report([verdict(), verdict("listing", crash_states=7)]), None)
    assert "7  exhaustive: listing" in text


def test_a_long_path_stays_whole_so_that_it_can_be_copied():
    folder = Path("/", *["a-rather-long-folder"] * 6)
    text = as_text(report([verdict(name="violated")], [finding()]), folder)
    assert f"{folder}/atomicity-0123abcd.repro.json\n" in text


def test_colour_is_for_terminals_and_adds_nothing_but_colour(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    one = report([verdict(name="violated")], [finding()])
    plain, coloured = io.StringIO(), Terminal()
    print_report(one, None, plain)
    print_report(one, None, coloured)
    assert plain.getvalue() == as_text(one, None)
    assert "\x1b[" in coloured.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured.getvalue()) == plain.getvalue()


def test_a_bound_stands_once_with_what_it_holds_for():
    sample, faults = "a sample of the other 3", "a choice of the faults"
    verdicts = [
        verdict(profile="ext4", note=sample),
        verdict("recovery", "ext4", note=f"{sample}; {faults} during recovery"),
        verdict(profile="xfs"),
        verdict("recovery", "xfs", note=f"{faults} during recovery"),
        *(verdict("integrity", profile, note=faults) for profile in ("ext4", "xfs")),
        *(verdict("hygiene", profile, note=faults) for profile in ("ext4", "xfs")),
        *(verdict("isolation", profile, note="1; 2") for profile in ("ext4", "xfs")),
    ]
    assert bounds(verdicts) == [
        ("ext4", sample),
        ("recovery", f"{faults} during recovery"),
        ("integrity, hygiene", faults),
        ("isolation", "1; 2"),
    ]


def test_other_faults_are_counted_as_faults():
    one = verdict("integrity", exhaustive=False, faults=7, crash_states_possible=900)
    assert "7 of 900 faults" in as_text(report([one]), None)
