"""The page: nothing in it runs or leaves it, and everything can be reached by keyboard."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from harness.exhibit import exhibits_of
from harness.persistence import PROFILES
from harness.render.html import as_html
from harness.render.markdown import as_markdown
from harness.runner import Plan, check

from .told import HOSTILE, exhibit_of, finding, report_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects what matters of a page, and insists that each element is closed where it should."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.ids, self.text = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def hostile_page():
    report = report_of([finding(text=HOSTILE)], subject=f"pkg.store:{HOSTILE}")
    return as_html(report, {report.findings[0].id: exhibit_of(HOSTILE)})


@pytest.fixture(scope="module")
def real():
    """A real finding, with its exhibit."""
    plan = Plan(
        "scenarios.zoo.rename_without_fsync:broken", ("kill", "ext4"), ("atomicity",), "quick"
    )
    outcome = check(plan)
    shown = exhibits_of(plan.loaded, outcome.report.findings, outcome.repros, dict(PROFILES))
    assert list(shown) == [one.id for one in outcome.report.findings]
    return outcome.report, shown


def test_nothing_in_it_runs_or_leaves_it():
    page = Page(hostile_page())
    assert not {"script", "iframe", "object", "embed", "img", "form"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "action"):
            assert value.startswith("#") or (tag == "link" and value == "data:,")
    assert "url(" not in hostile_page()
    assert "@import" not in hostile_page()
    assert ("meta", "http-equiv", "Content-Security-Policy") in page.attributes


def test_what_a_subject_says_is_text():
    page = Page(hostile_page())
    assert "".join(page.text).count("<script>alert(1)</script>") > 10
    assert "script" not in page.tags


def test_every_link_leads_somewhere_and_no_id_is_there_twice(real):
    page = Page(as_html(*real))
    assert len(page.ids) == len(set(page.ids))
    targets = [v[1:] for _, name, v in page.attributes if name == "href" and v.startswith("#")]
    assert targets[0] == "matrix"
    assert set(targets) <= set(page.ids)
    labels = [v for _, name, v in page.attributes if name == "aria-labelledby"]
    assert set(labels) <= set(page.ids)


def test_it_tells_the_whole_story(real):
    report, shown = real
    text = as_html(report, shown)
    (one,) = report.findings
    (act,) = shown[one.id].acts
    assert f'href="#{one.id}"' in text
    assert "CRASH" in text
    (lost,) = [step for step in act.steps if step.fate in ("lost", "partly", "torn")]
    assert lost.call.startswith("write(")
    assert re.search(r"<s>write\(.*?</s>", text)
    assert [step.number for step in act.steps if step.culprit]
    rows = {row.path: row for row in shown[one.id].disk}
    assert any(row.differs for row in rows.values())
    assert "to blame" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_without_exhibits_it_still_has_the_findings(real):
    report, _ = real
    text = as_html(report)
    assert report.findings[0].summary.split("(")[0] in text
    assert "Every call" not in text


def test_a_race_is_told_in_order():
    one = finding()
    one.fault = {"kind": "schedule", "fault": "A B A", "timeline": ["A: write <1>", "B: rename"]}
    text = as_html(report_of([one]))
    assert "<li><code>A: write &lt;1&gt;</code></li>" in text
    assert text.index("A: write") < text.index("B: rename")
    assert "  - `B: rename`" in as_markdown(report_of([one]))


def test_equal_reports_give_equal_pages(real):
    assert as_html(*real) == as_html(*real)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_chromium_draws_and_prints_it(real, tmp_path):
    report, shown = real
    marked = as_html(report, shown).replace("</main>", '<p id="end">drawn to the end</p></main>')
    page = tmp_path / "report.html"
    page.write_bytes(marked.encode("utf-8", "backslashreplace"))
    picture = tmp_path / "page.png"
    flags = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1180,1600"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    ]
    done = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "drawn to the end" in done.stdout
    # The browser's own view of the document after parsing: nothing was moved or dropped.
    assert done.stdout.count("<article") == len(report.findings)
    assert done.stdout.count('class="bar crash"') >= 1
    subprocess.run(
        [CHROMIUM, *flags, f"--screenshot={picture}", page.as_uri()],
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 30_000
    subprocess.run(
        [CHROMIUM, *flags, f"--print-to-pdf={tmp_path / 'page.pdf'}", page.as_uri()],
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
