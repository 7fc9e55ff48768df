"""Every fault there is can be written, and asked for by itself on the command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.faults import Fault, Full
from harness.given import cut_text, give
from harness.rot import Damage, parse_damage
from harness.runner import Plan, check

REFERENCE = "harness.reference.subjects:hardened"


@pytest.mark.parametrize(
    ("text", "guarantee", "at"),
    [
        ('write "*.tmp" #2: ENOSPC after 512 bytes, once', "clean-failure", None),
        ("disk: full at 8192 bytes", "clean-failure", None),
        ("write #2: EIO, once; power cut after call 9", "clean-failure", 18),
        ("disk: full at 3 inodes; power cut in the middle of call 9", "clean-failure", 17),
        ("in recovery: unlink #1: EIO, once", "recovery", None),
        ("power cut after call 7; in recovery: open #2: EIO, until cleared", "recovery", 14),
        ("killed after call 3; afterwards: fsync #2: EIO, once", "clean-failure", None),
        ("fsync #1: EIO, once; then unlink #1: EIO, once", "clean-failure", None),
        ("repeat operation 0: * #4: killed", "hygiene", None),
        ("repeat operation 0: * #4: power cut", "hygiene", None),
        ("repeat operation 0: * #4: killed; listed backwards", "hygiene", None),
        ('"store/a": bit 3 of byte 17 flipped', "integrity", None),
        ('"store/a": renamed to "store/b"', "integrity", None),
        ('"store/sub": missing', "integrity", None),
    ],
)
def test_reads_every_kind(text, guarantee, at):
    found = give(text)
    assert (found.text, found.guarantee, found.at) == (text, guarantee, at)
    if found.damage is not None:
        assert str(found.damage) == text
    elif found.repeated is not None:
        assert str(found.repeated) == text
    else:
        assert isinstance(found.call, Fault | Full)
        assert str(found.call) in text


@given(st.integers(1, 10**6), st.booleans())
def test_a_place_parses_back(position, before):
    fault = "fsync #1: EIO, once"
    cut = cut_text(position)
    text = f"{cut}; in recovery: {fault}" if before else f"{fault}; {cut}"
    assert give(text).at == position


NAMES = st.text("abc/._-", min_size=1)


@given(st.sampled_from(["missing", "renamed"]), NAMES, NAMES)
def test_damage_to_a_name_parses_back(kind, path, other):
    damage = Damage(path, kind, other=other if kind == "renamed" else "")
    assert parse_damage(str(damage)) == damage


@pytest.mark.parametrize(
    "text",
    ["in recovery: nonsense", "in recovery: * #3: killed", "* #17: killed", '"a": gone',
     "write #1: EIO, once; power cut", "repeat operation 1: disk: full at 3 inodes"],
)  # fmt: skip
def test_refuses_what_is_none_in_one_line(text):
    with pytest.raises(UsageError) as raised:
        give(text)
    assert "\n" not in str(raised.value)


def checked(subject, *faults, **options):
    options = {"effort": "quick", "profiles": ("ext4",), **options}
    return check(Plan(subject=subject, faults=faults, **options))


def test_only_the_fault_asked_for_is_injected_and_its_guarantee_judged():
    outcome = checked(REFERENCE, "fsync #1: EIO, once")
    (verdict,) = outcome.report.verdicts
    assert (verdict.guarantee, verdict.verdict) == ("clean-failure", "held")
    # Each workload once, but for the one of the memory's ways that ext4 has.
    assert verdict.faults == verdict.workloads == 11
    assert outcome.exit_code() == 0


def test_a_fault_that_fires_nowhere_is_said_in_a_line():
    outcome = checked(REFERENCE, "fsync #1: EIO, once", "symlink #1: EIO, once")
    (verdict,) = outcome.report.verdicts
    assert verdict.verdict == "not-exercised"
    assert verdict.note == "fault 'symlink #1: EIO, once' fires in no workload"
    assert outcome.exit_code() == 3


@pytest.mark.parametrize(
    ("subject", "fault", "guarantee"),
    [
        ("scenarios.zoo.fsync_retried:broken", "fsync #2: EIO, once", "clean-failure"),
        ("scenarios.zoo.checksum_without_key:broken", '"store/a": content of "store/b"',
         "integrity"),
        ("harness.reference.subjects:kubelet", "repeat operation 0: * #5: killed", "hygiene"),
    ],
)  # fmt: skip
def test_what_a_fault_breaks_is_found_with_that_fault_alone(subject, fault, guarantee):
    outcome = checked(subject, fault)
    assert [finding.guarantee for finding in outcome.report.findings] == [guarantee]
    assert outcome.report.findings[0].fault["fault"] == fault
    assert outcome.report.findings[0].replays == "10/10"
    assert outcome.exit_code() == 1


def test_a_guarantee_that_the_fault_says_nothing_about_cannot_be_asked_for():
    plan = Plan(subject=REFERENCE, guarantees=("listing",), faults=("fsync #1: EIO, once",))
    with pytest.raises(UsageError, match="clean-failure is judged by it"):
        _ = plan.judged
