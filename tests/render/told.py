"""One report with every kind of text in it that a renderer has to get past."""

from harness.report import Culprit, FindingRecord, Fix, OperationRecord, Report, Stats, Verdict
from harness.scene import Act, Excerpt, Exhibit, FileRow, Line, Span, Step

HOSTILE = "<script>alert(1)</script>\"'&`|]]>--><b>\x1b[31m\x00\ud800%\n::error::, x"
"""HTML, XML, Markdown, a workflow command, control characters, half a surrogate pair."""


def verdict(guarantee, profile, name, findings=(), note=None):
    return Verdict(
        guarantee=guarantee,
        profile=profile,
        verdict=name,
        workloads=3,
        faults=20,
        crash_states=400,
        crash_states_possible=None if name == "violated" else 400,
        exhaustive=name == "held",
        findings=list(findings),
        note=note,
    )


def finding(number=0, text="boom", line=41):
    return FindingRecord(
        id=f"atomicity-{number:08x}",
        guarantee="atomicity",
        kind="value",
        profiles=["ext4", "posix"],
        severity="silent-corruption",
        summary=f"store.py:{line} {text}",
        workload=[OperationRecord(op="write", key=text, value=text.encode("utf-8", "replace"))],
        fault={"kind": "power cut", "profile": "ext4", "after": 4, "operation": f"write({text})"},
        lost=[(6, "data 0..1")],
        culprit=Culprit(file="pkg/my store.py", line=line, function=text, call=text, source=text),
        observed=text,
        allowed=[text, "absent"],
        fix=Fix(change=text, verified="trace", violations_before=3, violations_after=0),
        repro=f"atomicity-{number:08x}.repro.json",
        replays="10/10",
        states=400,
    )


def report_of(findings, verdicts=None, subject="pkg.store:open"):
    ids = [one.id for one in findings]
    return Report(
        version="0.1.0",
        subject=subject,
        seed=0,
        plan_hash="0123456789abcdef",
        verdicts=verdicts
        or [
            verdict("atomicity", "kill", "held"),
            verdict("atomicity", "ext4", "violated" if ids else "held", ids),
            verdict("durability", "kill", "not-exercised", note="no fault put it to the test"),
            verdict("durability", "ext4", "inconclusive", note="the time budget ended first"),
            verdict("listing", "kill", "error", note="EscapeError: mmap"),
            verdict("listing", "ext4", "held"),
        ],
        findings=findings,
        stats=Stats(
            crash_states=1200,
            distinct=400,
            executed=80,
            reused=900,
            seconds=1.5,
            states_per_second=800.0,
        ),
    )


def exhibit_of(text="boom"):
    def step(number, fate, *, sync=False, lost=()):
        return Step(
            number, f'write("store/{text}", 1)', "pkg/my store.py:41", text, text, sync, fate,
            tuple(lost), number == 3,
        )  # fmt: skip

    steps = (
        step(1, "synced"),
        step(2, "lost", lost=["data 0..1"]),
        step(3, "torn", lost=["data 0..512"]),
        step(4, "ran", sync=True),
        step(5, "never"),
    )
    spans = (Span(f"write({text})", 1, 2, "returned"), Span(text, 3, 5, "in flight"))
    act = Act("The run", spans, steps, 4, in_call=False, killed_after=1, ending="power cut (ext4)")
    return Exhibit(
        (act,),
        (FileRow(text, None, text, text + "!"),),
        ("before the run", "as programs saw it", "after the power cut"),
        (Excerpt("pkg/my store.py", (Line(40, text, (), ""), Line(41, text, (3,), "culprit"))),),
    )
