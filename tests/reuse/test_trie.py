"""The notes of recoveries: what counts as the same disk, and what says that a store cheats."""

import os

import pytest
from stores import random_subject

from harness.aftermath import NESTED_BUDGET, aftermath
from harness.disk import Machine
from harness.examination import Examination
from harness.explore import Explorer
from harness.history import DIRECTORY, record
from harness.image import FILE, Image, from_tree
from harness.intercept import rerouted
from harness.ops import Workload, write
from harness.persistence import PROFILES, constrain, derive
from harness.quiet import quiet
from harness.recovery import Prober
from harness.reuse import FIRST_NEW, Asked, Trie, translated
from harness.subjects import Subject, load
from harness.trace import Create, Write

pytestmark = pytest.mark.usefixtures("rerouted_throughout")


def shifted(image, by):
    """The same tree with other inode numbers."""

    def new(ino):
        return ino if ino == 1 else 1000 - by * ino

    return Image(
        {
            new(ino): {name: new(child) for name, child in reversed(names.items())}
            for ino, names in image.directories.items()
        },
        {new(ino): content for ino, content in image.contents.items()},
    )


TREE = from_tree({"store/a": b"aaaa", "store/b": b"bb", "other/c": b"c"})


def explore(boot):
    process = Machine(boot).process()
    seen = [process.listdir("store"), process.stat("store/b"), process.stat("store/a")]
    fd = process.open("store/a", os.O_RDONLY)
    seen += [process.read(fd, 2), process.read(fd, 10), process.access("store/x", os.F_OK)]
    process.close(process.open("store/new", os.O_CREAT | os.O_WRONLY))
    return [*seen, process.stat("store/new")]


def test_equal_trees_answer_equally_whatever_their_inodes_are_called():
    first, second = Asked(TREE), Asked(shifted(TREE, 3))
    assert explore(first) == explore(second)
    assert list(first.notes.items()) == list(second.notes.items())


def test_hard_links_are_told_from_copies():
    copies = from_tree({"a": b"same", "b": b"same"})
    links = Image({1: {"a": 2, "b": 2}}, {2: b"same"}, link_counts={2: 2})
    assert Asked(copies).entries(1) != Asked(links).entries(1)


def test_only_what_was_asked_must_be_equal():
    trie = Trie()
    asked = Asked(TREE)
    explore(asked)
    assert trie.add(asked.notes, "outcome")
    elsewhere = from_tree({"store/a": b"aaaa", "store/b": b"xx", "other/z": b"different"})
    assert trie.find(Asked(elsewhere)) == "outcome"  # b's size was asked, its bytes were not
    assert trie.find(Asked(shifted(TREE, 1))) == "outcome"


@pytest.mark.parametrize(
    "files",
    [
        {"store/a": b"aaaa", "store/b": b"b"},  # a size
        {"store/a": b"aaab", "store/b": b"bb"},  # a content
        {"store/a": b"aaaa", "store/b": b"bb", "store/c": b""},  # a listing
        {"store/a": b"aaaa"},  # a name
        {},
    ],
)
def test_whatever_was_asked_must_be_equal(files):
    trie = Trie()
    asked = Asked(TREE)
    explore(asked)
    trie.add(asked.notes, "outcome")
    assert trie.find(Asked(from_tree(files, ["store"]))) is None


def test_a_range_says_nothing_about_the_rest():
    def head(boot):
        process = Machine(boot).process()
        return process.read(process.open("log", os.O_RDONLY), 4)

    trie = Trie()
    asked = Asked(from_tree({"log": b"headtail"}))
    assert head(asked) == b"head"
    trie.add(asked.notes, "outcome")
    assert trie.find(Asked(from_tree({"log": b"head, and another tail"}))) == "outcome"
    assert trie.find(Asked(from_tree({"log": b"hea"}))) is None


def test_another_question_after_equal_answers_is_a_contradiction():
    trie = Trie()
    assert trie.add({("lookup", 1, "a"): None}, 1)
    assert trie.add({("lookup", 1, "a"): None}, 1)
    assert trie.add({("lookup", 1, "a"): 2, ("kind", 2): FILE}, 2)
    assert not trie.add({("lookup", 1, "b"): None}, 3)
    assert not trie.add({("lookup", 1, "a"): None, ("lookup", 1, "b"): None}, 3)
    assert not trie.add({("lookup", 1, "a"): 2}, 3)
    assert not trie.add({}, 3)


def test_memory_is_bounded_by_outcomes_and_by_bytes():
    trie = Trie(leaves_max=3)
    for number in range(10):
        trie.add({("size", 1): number}, number)
        assert trie.leaves <= 3
    assert trie.find(Asked(TREE)) is None if trie.leaves == 0 else True
    trie = Trie(bytes_max=100)
    for number in range(50):
        trie.add({("content", 1): bytes([number]) * 30}, number)
        assert trie.leaves <= 4


def test_records_are_numbered_as_the_image_numbers_them():
    asked = Asked(shifted(TREE, 3))
    store = asked.lookup(1, "store")
    a = asked.lookup(store, "a")
    records = [
        Write(path="store/a", offset=0, data=b"x", ino=a),
        Create(path="store/new", ino=FIRST_NEW),
        Create(path="/tmp/t", ino=(1 << 40) + 1),
    ]
    image = shifted(TREE, 3)
    real = dict(image.walk())["store/a"]
    assert [one.ino for one in translated(records, asked, 5000)] == [real, 5000, (1 << 40) + 1]


# -- stores that are not a function of their disk --------------------------------------------------


class Fickle:
    """Reads something else each time, though the disk says the same."""

    runs = 0

    def __init__(self, directory):
        type(self).runs += 1
        self.path = os.path.join(directory, "f")
        os.makedirs(directory, exist_ok=True)

    def write(self, key, value):  # noqa: ARG002 - one file serves all
        with open(self.path, "wb") as file:
            file.write(value)

    def look(self):
        """What the run before leaves behind shows here."""

    def read(self, key):
        self.look()
        try:
            with open(self.path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise KeyError(key) from None

    def delete(self, key):  # noqa: ARG002
        os.unlink(self.path)

    def list(self):
        return ["a"] if os.path.exists(self.path) else []


class Asking(Fickle):
    def look(self):
        if self.runs % 7 == 6:
            os.path.exists(self.path + str(self.runs))


class Telling(Fickle):
    def read(self, key):
        value = super().read(key)
        return value if self.runs < 40 else value + b"!"


def judged(factory, *, reuse=True):
    subject = Subject("fickle", factory)
    factory.runs = 0
    with rerouted(), quiet():
        recording = record(subject, Workload("w", (write("a", b"x" * 2000), write("a", b"y")), ()))
        prober = Prober(subject, ("a",), reuse=reuse)
        examination = Examination(
            recording, PROFILES["posix"], recording.records, recording.events, prober
        )
        count = 0
        for state in examination.explorer.states():
            examination.aftermath(state, nested=True)
            count += 1
    return prober, count


def test_a_store_that_asks_something_else_is_run_every_time():
    prober, _ = judged(Asking)
    assert not prober.reusing
    assert "asked it different questions" in prober.distrust


def test_a_store_that_shows_something_else_is_caught_by_running_some_again(monkeypatch):
    monkeypatch.setattr("harness.recovery.CHECKED_EVERY", 5)
    prober, _ = judged(Telling)
    assert not prober.reusing
    assert "came to something else" in prober.distrust


def test_a_steady_store_is_reused():
    prober, count = judged(Fickle)
    assert prober.distrust is None
    assert prober.executed < count / 2
    assert prober.reused + prober.executed >= count


# -- crashes in a recovery -------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["kill", "posix", "btrfs"])
@pytest.mark.parametrize("seed", range(12))
def test_second_recoveries_see_what_they_would_on_the_whole_image(seed, profile):
    subject = random_subject(seed)
    files = {
        f"{DIRECTORY[len('/simulated/') :]}/{name}": content
        for name, content in {
            "k-a": b"a" * 700, "k-a.bak": b"old", "k-b": b"", "k-b.bak": b"b" * 30,
            "shared.tmp": b"t" * 5000, "k-a.new": b"n", "count": b"3",
        }.items()
    }  # fmt: skip
    image = from_tree({**files, "beside/it": b"unseen"})
    model = PROFILES[profile]
    with rerouted(), quiet():
        prober = Prober(subject, ("a", "b"), reuse=False)
        found = aftermath(prober, model, Asked(image), seed=0)
        observation, asked = prober.numbered(image)
        records = translated(observation.records, asked, image.first_free())
        if not records:
            pytest.skip("a recovery that changes nothing cannot be cut short")
        assert records == [one for one in prober.records(image) if not setattr(one, "at", ())]
        whole = Explorer(
            constrain(derive(records, image), model), budget=NESTED_BUDGET, seed=0, from_position=1
        )
        states = list(whole.states())
        assert len(states) == len(found.seconds)
        for state, (inner, second) in zip(states, found.seconds, strict=True):
            assert (state.taken, state.torn, state.first) == (inner.taken, inner.torn, inner.first)
            assert prober.probe(whole.image(state)).agrees(second)


def test_the_reference_sweeps_and_is_seen_to():
    subject = load("harness.reference.subjects:hardened")
    with rerouted(), quiet():
        recording = record(subject, Workload("w", (write("a", b"x" * 600),), ()))
        prober = Prober(subject, ("a",))
        examination = Examination(
            recording, PROFILES["posix"], recording.records, recording.events, prober
        )
        assert any(
            examination.aftermath(state, nested=True).seconds
            for state in examination.explorer.states()
        )
