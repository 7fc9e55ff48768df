"""A reproduction replays exactly, says so when the subject was mended, and holds no choice."""

import json
from functools import cache
from pathlib import Path

import msgspec
import pytest

from harness.errors import UsageError
from harness.finding import load_reproduction
from harness.persistence import PROFILES
from harness.replay import replay
from harness.runner import Plan, check
from harness.subjects import load

OLD = Path(__file__).parent / "repro-1.json"
BROKEN = "scenarios.zoo.rename_without_fsync:broken"


@cache
def found():
    plan = Plan(
        subject="scenarios.zoo.no_directory_sync:broken",
        profiles=("ordered",),
        guarantees=("durability",),
        effort="quick",
    )
    ((name, data),) = check(plan).repros.items()
    return name, data


def reproduction():
    name, data = found()
    return load_reproduction(data, name)


def test_it_shows_again_exactly():
    result = replay(load(reproduction().subject), reproduction(), PROFILES)
    assert (result.outcome, result.exact, result.exit_code) == ("reproduced", True, 1)
    assert result.detail == reproduction().observed


def test_the_mended_subject_shows_it_no_longer():
    result = replay(load("scenarios.zoo.no_directory_sync:fixed"), reproduction(), PROFILES)
    assert (result.outcome, result.exact, result.exit_code) == ("no longer", False, 0)


def test_a_changed_subject_with_the_same_mistake_still_shows_it(tmp_path):
    path = tmp_path / "changed.py"
    path.write_text(
        "import os\n"
        "from scenarios.zoo.no_directory_sync import _Broken\n"
        "class Changed(_Broken):\n"
        "    def save(self, name, content):\n"
        "        with open(self.path('.more'), 'w'):\n"
        "            pass\n"
        "        super().save(name, content)\n"
    )
    result = replay(load(f"{path}:Changed"), reproduction(), PROFILES)
    assert (result.outcome, result.exact, result.exit_code) == ("reproduced", False, 1)


def test_a_mistake_that_was_only_moved_is_not_reported_as_mended(tmp_path):
    """A file is empty, or full of zeros: one is what was recorded, and a store that knows only
    that one by sight has the other still.
    """
    plan = Plan(BROKEN, ("ext4",), ("atomicity",), "quick")
    (data,) = check(plan).repros.values()
    one = load_reproduction(data, "x")
    results = []
    for number, known in enumerate(("not content", "content and not any(content)")):
        path = tmp_path / f"moved_{number}.py"
        path.write_text(
            "from scenarios.zoo.rename_without_fsync import _Broken\n"
            "class Moved(_Broken):\n"
            "    def read(self, key):\n"
            "        try:\n"
            "            return super().read(key)\n"
            "        except Exception:\n"
            "            with open(self.path(key), 'rb') as file:\n"
            "                content = file.read()\n"
            f"            if {known}:\n"
            "                raise KeyError(key) from None\n"
            "            raise\n"
        )
        results.append(replay(load(f"{path}:Moved"), one, PROFILES))
    assert {result.outcome for result in results} == {"reproduced"}
    assert sorted(result.exact for result in results) == [False, True]
    assert ["close by" in result.detail for result in results] != [False, False]


def test_a_file_of_an_earlier_version_still_replays():
    """Written by the first version of the format, before faults, rot, chains and races."""
    data = OLD.read_bytes()
    assert not {"fault", "rot", "chain", "race"} & set(json.loads(data))
    one = load_reproduction(data, OLD.name)
    broken, fixed = load(one.subject), load(one.subject.replace(":broken", ":fixed"))
    result = replay(broken, one, PROFILES)
    assert (result.outcome, result.exact) == ("reproduced", True)
    assert replay(fixed, one, PROFILES).outcome == "no longer"


def test_a_subject_that_cannot_do_the_workload_any_more_cannot_replay(tmp_path):
    path = tmp_path / "gone.py"
    path.write_text("def gone(directory):\n    raise OSError('moved to the cloud')\n")
    result = replay(load(f"{path}:gone"), reproduction(), PROFILES)
    assert (result.outcome, result.exit_code) == ("cannot", 2)
    assert "moved to the cloud" in result.detail


def test_another_loss_is_not_taken_for_the_recorded_one():
    bare = msgspec.structs.replace(
        reproduction(), crash=msgspec.structs.replace(reproduction().crash, lost=[])
    )
    result = replay(load(bare.subject), bare, PROFILES)
    # Another disk image than the recorded one: not the same state, so all of them are judged.
    assert not result.exact


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(b'"checkpoint-harness/repro/1"', b'"checkpoint-harness/repro/9"'),
        lambda text: text.replace(b'"crash"', b'"crush"'),
        lambda text: text.replace(b'"position": ', b'"position": "x", "was": '),
        lambda _: b"",
        lambda _: b"[]",
        lambda _: b"\xff\xfe",
        lambda _: b"null",
    ],
)
def test_what_is_damaged_is_refused_by_name(damage):
    name, data = found()
    assert damage(data) != data
    with pytest.raises(UsageError, match=r"r\.json: not a reproduction"):
        load_reproduction(damage(data), "r.json")
    assert load_reproduction(data, name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("operations", [{"op": "explode"}]),
        ("operations", [{"op": "write", "key": "a"}]),
        ("operations", [{"op": "write", "value": "YQ=="}]),
        ("operations", []),
        ("kill_at", 10_000),
        ("kill_at", -1),
        ("crash", {"position": 10_000, "lost": []}),
        ("crash", {"position": -5, "lost": []}),
        ("crash", {"position": 3, "lost": [[99, "data 0..1"]]}),
        ("crash", {"position": 3, "lost": [], "torn": [1, "x", 512]}),
        ("second", {"position": 99, "lost": []}),
    ],
)
def test_a_reproduction_edited_into_nonsense_never_crashes_the_replay(field, value):
    _, data = found()
    document = json.loads(data)
    document[field] = value
    text = json.dumps(document).encode()
    try:
        edited = load_reproduction(text, "r.json")
        result = replay(load(edited.subject), edited, PROFILES)
    except UsageError:
        return
    assert not (result.exact and result.outcome == "reproduced")


def test_an_unknown_profile_is_named():
    other = msgspec.structs.replace(reproduction(), profile="zfs")
    with pytest.raises(UsageError, match="'zfs'"):
        replay(load(other.subject), other, PROFILES)


def test_the_file_says_everything_and_leaves_nothing_to_chance():
    document = json.loads(found()[1])
    assert document["schema"] == "checkpoint-harness/repro/1"
    # What a seed still decides is the simulated machine's own noise, not what happens.
    assert document["crash"]["position"] > 0
    assert document["crash"]["lost"]
    assert [one["op"] for one in document["operations"]] == ["write"]
    assert set(document) == {
        *("schema", "version", "subject", "seed", "guarantee", "kind", "key", "profile"),
        *("operations", "kill_at", "crash", "second", "trace", "image", "observed"),
        *("fault", "rot", "chain", "race"),
    }
