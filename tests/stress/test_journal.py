"""Our own journal, checked as any store is; and with its syncs taken out, found wanting."""

import zlib

import pytest
from stressing import FULL

from harness.runner import Plan, check
from harness.stress.journal import Journal

SUBJECT = "tests/stress/journal_subject.py"


def test_the_journal_holds_what_it_claims():
    profiles = () if FULL else ("kill", "posix")
    outcome = check(Plan(f"{SUBJECT}:store", profiles, None, "default" if FULL else "quick"))
    assert {v.verdict for v in outcome.report.verdicts} == {"held"}, outcome.report.findings
    assert len({v.guarantee for v in outcome.report.verdicts}) == 7


@pytest.mark.parametrize(
    ("which", "guarantee"),
    [("unsynced", "durability"), ("unsummed", "integrity"), ("untrimmed", "recovery")],
)
def test_each_of_its_precautions_is_needed(which, guarantee):
    outcome = check(Plan(f"{SUBJECT}:{which}", ("posix",), (guarantee,), "quick"))
    assert {v.verdict for v in outcome.report.verdicts} == {"violated"}


def lines(directory):
    journal = Journal(str(directory))
    try:
        return list(journal.lines()), journal.damaged
    finally:
        journal.close()


def test_a_torn_tail_is_cut_and_a_damaged_line_costs_itself_only(tmp_path):
    directory = tmp_path / "run"
    journal = Journal(str(directory))
    for text in (b"one", b"two", b"three"):
        journal.append(text)
    journal.close()
    path = directory / "journal.jsonl"
    whole = path.read_bytes()
    for end in range(len(whole) - 1, len(whole) - 7, -1):
        path.write_bytes(whole[:end])
        assert lines(directory) == ([b"one", b"two"], 0)
    assert path.read_bytes() == whole[: whole.index(b"three") - 9]
    path.write_bytes(whole.replace(b"two", b"tw0"))
    assert lines(directory) == ([b"one", b"three"], 1)


def test_only_one_process_writes_to_it(tmp_path):
    journal = Journal(str(tmp_path / "run"))
    with pytest.raises(BlockingIOError):
        Journal(str(tmp_path / "run"))
    journal.close()
    Journal(str(tmp_path / "run")).close()


def test_a_line_says_its_checksum(tmp_path):
    journal = Journal(str(tmp_path / "run"))
    journal.append(b"{}")
    journal.close()
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == b"%08x {}\n" % zlib.crc32(b"{}")
