"""Sound reuse: a disk that answers as an earlier one did leads to where that one led.

A recovery learns about the disk only by asking the image that its machine booted from
(`harness.image.BootSource`). `Asked` stands between the two and notes each question with its
answer; a `Trie` keeps the notes of all recoveries, a question at each branching and an answer on
each edge. Another crash state follows its own answers down the trie: where they lead to a leaf, the
outcome is known and nothing is run. Where they lead off the trie, the recovery is run, and its
notes are added.

Why that is sound. Everything else that a recovery could see is equal in all of them: the machine's
seed, its clock (it counts system calls), process numbers, descriptors, the environment, the call
limit; nothing of the host shows (`harness.intercept.ambient`). So a recovery is a function of the
answers: as long as they are equal its next step is, and so is its next question. The one thing that
could tell equal trees apart are inode numbers, which depend on which files a run happened to make.
`Asked` therefore numbers inodes itself, in the order in which the recovery meets them, and files
made after booting from one constant; what the recovery records is numbered like that too and
translated back by `translated`.

When it is not. A subject that keeps something from one recovery to the next (a module's global, a
cache), or looks at what is not simulated, breaks the argument. Two things are watched for: a
recovery whose questions differ from those noted although the answers before were equal (`Trie.add`
says so), and, every so often, a reused outcome that a second run does not give (see
`harness.recovery.Prober`). After either, nothing is reused any more for that subject, and the
report says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from harness.image import ROOT, BootSource
from harness.trace import Record

__all__ = ["FIRST_NEW", "Answer", "Asked", "Question", "Trie", "translated"]

Question: TypeAlias = tuple[Any, ...]
"""A method of `BootSource` and its arguments."""

Answer: TypeAlias = Any
"""What it gave; hashable."""

FIRST_NEW: Final = 1 << 30
"""Inodes made while recovering are numbered from here, those of /tmp from far above."""

_TEMPORARY: Final = 1 << 40


class Asked:
    """A boot source that gives another one's answers, with inode numbers of its own.

    Each question reaches the other source once. Inodes are numbered as they are met, so that
    equal trees look equal whatever their inodes are called.

    Args:
        source: Who knows the answers.

    Attributes:
        notes: Each question asked so far with its answer, in order.
    """

    __slots__ = ("_inodes", "_numbers", "_source", "notes")

    def __init__(self, source: BootSource) -> None:
        self._source = source
        self.notes: dict[Question, Answer] = {}
        self._inodes = [0, ROOT]
        self._numbers = {ROOT: 1}

    def ask(self, question: Question) -> Answer:
        """Answer a question that another recovery asked."""
        notes = self.notes
        if question in notes:
            return notes[question]
        answer = notes[question] = _ASK[question[0]](self, *question[1:])
        return answer

    def inode(self, number: int) -> int:
        """Translate a number of ours to the source's inode number."""
        return self._inodes[number]

    def _number(self, ino: int) -> int:
        number = self._numbers.get(ino)
        if number is None:
            number = self._numbers[ino] = len(self._inodes)
            self._inodes.append(ino)
        return number

    # -- the questions -------------------------------------------------------------------------

    def _entries(self, number: int) -> tuple[tuple[str, int], ...]:
        entries = self._source.entries(self._inodes[number])
        # Sorted: numbers must not depend on the order in which the source lists them.
        return tuple([(name, self._number(entries[name])) for name in sorted(entries)])

    def _lookup(self, number: int, name: str) -> int | None:
        ino = self._source.lookup(self._inodes[number], name)
        return None if ino is None else self._number(ino)

    def _of_inode(method: str) -> Callable[[Asked, int], Answer]:  # type: ignore[misc]  # noqa: N805 - a maker of the next few
        def ask(self: Asked, number: int) -> Answer:
            return getattr(self._source, method)(self._inodes[number])

        return ask

    _kind = _of_inode("kind")
    _mode = _of_inode("mode")
    _size = _of_inode("size")
    _content = _of_inode("content")
    _target = _of_inode("target")
    _links = _of_inode("links")

    def _range(self, number: int, offset: int, count: int) -> bytes:
        return self._source.read(self._inodes[number], offset, count)

    # -- as a boot source ----------------------------------------------------------------------

    def entries(self, ino: int) -> Mapping[str, int]:
        return dict(self.ask(("entries", ino)))

    def lookup(self, ino: int, name: str) -> int | None:
        found: int | None = self.ask(("lookup", ino, name))
        return found

    def kind(self, ino: int) -> int:
        kind: int = self.ask(("kind", ino))
        return kind

    def mode(self, ino: int) -> int:
        mode: int = self.ask(("mode", ino))
        return mode

    def size(self, ino: int) -> int:
        content = self.notes.get(("content", ino))
        size: int = self.ask(("size", ino)) if content is None else len(content)
        return size

    def content(self, ino: int) -> bytes:
        content: bytes = self.ask(("content", ino))
        return content

    def read(self, ino: int, offset: int, count: int) -> bytes:
        content: bytes | None = self.notes.get(("content", ino))
        if content is None:
            size: int | None = self.notes.get(("size", ino))
            if size is None or offset or count < size:
                if size is not None and offset >= size:
                    return b""
                part: bytes = self.ask(("range", ino, offset, count))
                return part
            content = self.content(ino)
        return content[offset : offset + count]

    def target(self, ino: int) -> str:
        target: str = self.ask(("target", ino))
        return target

    def links(self, ino: int) -> int:
        links: int = self.ask(("links", ino))
        return links

    def first_free(self) -> int:
        return FIRST_NEW


_ASK: Final[dict[str, Callable[..., Answer]]] = {
    "entries": Asked._entries,  # noqa: SLF001 - the table of a class's own methods
    "lookup": Asked._lookup,  # noqa: SLF001
    "kind": Asked._kind,  # noqa: SLF001
    "mode": Asked._mode,  # noqa: SLF001
    "size": Asked._size,  # noqa: SLF001
    "content": Asked._content,  # noqa: SLF001
    "range": Asked._range,  # noqa: SLF001
    "target": Asked._target,  # noqa: SLF001
    "links": Asked._links,  # noqa: SLF001
}

V = TypeVar("V")


class _Leaf(Generic[V]):
    __slots__ = ("value",)

    def __init__(self, value: V) -> None:
        self.value = value


class _Branch(Generic[V]):
    __slots__ = ("edges", "question")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.edges: dict[Answer, _Branch[V] | _Leaf[V]] = {}


class Trie(Generic[V]):
    """Outcomes by the answers that led to them.

    Args:
        leaves_max: Outcomes kept. When there are as many, all are forgotten: memory must not grow
            with the crash states explored, and crash states that come together share most.
        bytes_max: The same for the bytes of file contents among the answers.

    Attributes:
        leaves: Outcomes kept now.
    """

    def __init__(self, leaves_max: int = 20_000, bytes_max: int = 1 << 26) -> None:
        self._leaves_max = leaves_max
        self._bytes_max = bytes_max
        self._root: _Branch[V] | _Leaf[V] | None = None
        self.leaves = 0
        self._bytes = 0

    def find(self, asked: Asked) -> V | None:
        """Follow a source's own answers; None where nobody has been yet."""
        node, ask = self._root, asked.ask
        while type(node) is _Branch:
            node = node.edges.get(ask(node.question))
        return None if node is None else node.value  # type: ignore[union-attr]  # a leaf by now

    def add(self, notes: Mapping[Question, Answer], value: V) -> bool:
        """Keep an outcome.

        Args:
            notes: All that was asked on the way to it, in order.
            value: The outcome.

        Returns:
            False where the notes contradict earlier ones: after equal answers another question
            came, or none, or one more. Whatever asked is then no function of the answers.
        """
        if self.leaves >= self._leaves_max or self._bytes >= self._bytes_max:
            self._root, self.leaves, self._bytes = None, 0, 0
        # The edge that leads on: at first the one to the root.
        edges: dict[Answer, _Branch[V] | _Leaf[V]] | None = None
        answer: Answer = None
        node = self._root
        for question, following in notes.items():
            if node is None:
                node = _Branch(question)
                if edges is None:
                    self._root = node
                else:
                    edges[answer] = node
            elif type(node) is not _Branch or node.question != question:
                return False
            edges, answer = node.edges, following
            node = edges.get(answer)
            if node is None and type(answer) is bytes:
                self._bytes += len(answer)
        if node is not None:
            return type(node) is _Leaf
        if edges is None:
            self._root = _Leaf(value)
        else:
            edges[answer] = _Leaf(value)
        self.leaves += 1
        return True


def translated(records: list[Record], asked: Asked, first_free: int) -> list[Record]:
    """Number the inodes of a recovery's records as its image does.

    Args:
        records: What the recovery changed, on a machine booted from an `Asked`.
        asked: That one, or another that gave the same answers about another image.
        first_free: Where the image's free inode numbers begin.
    """
    found = []
    for record in records:
        ino = getattr(record, "ino", None)
        if ino is not None and ino < _TEMPORARY:
            ino = ino - FIRST_NEW + first_free if ino >= FIRST_NEW else asked.inode(ino)
            record = msgspec.structs.replace(record, ino=ino)  # noqa: PLW2901 - the same, renumbered
        found.append(record)
    return found
