"""Crashing while a store recovers: the crash states of a recovery, and what each leads to.

They are computed over the answers that the recovery got (`harness.reuse`), not over its whole disk:
a file that it neither asked about nor changed is on the disk of the next recovery as it was. So all
of this, the first recovery and the second ones, is one function of those answers, and is done once
for all crash states that give them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.explore import CrashState, Explorer, View
from harness.image import DIRECTORY, ROOT, SYMLINK, Image
from harness.persistence import Constraints, Model, constrain, derive
from harness.persistence.effects import Name
from harness.recovery import Observation, Prober
from harness.reuse import FIRST_NEW, Asked
from harness.trace import Record, Truncate, Write

__all__ = ["NESTED_BUDGET", "Aftermath", "aftermath"]

NESTED_BUDGET = 256
"""Sets of effects of one recovery visited before sampling."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What one image led to, a second crash included.

    Attributes:
        observation: The recovery of the image.
        seconds: Each crash state of that recovery, with what the next one showed; its nodes are
            those of the recovery's own trace.
    """

    observation: Observation
    seconds: tuple[tuple[CrashState, Observation], ...] = ()


def aftermath(prober: Prober, model: Model, asked: Asked, *, seed: int) -> Aftermath:
    """Recover an image, and recover every image that a crash in that recovery leaves.

    Args:
        prober: Recovers.
        model: Which crash states the recovery's writes have.
        asked: The image.
        seed: Of the draws, where there are more crash states than can be visited.
    """
    observation, known = prober.numbered(asked)
    if not observation.records or observation.first.opened is not None:
        return Aftermath(observation)
    base = _known_part(known, observation.records)
    explorer = Explorer(
        constrain(derive(observation.records, base), model),
        budget=NESTED_BUDGET,
        seed=seed,
        from_position=1,
    )
    touched = _Touched(explorer.constraints)
    return Aftermath(
        observation,
        tuple(
            (inner, prober.probe(_Overlay(known, base, explorer.view(inner), touched)))
            for inner in explorer.states()
        ),
    )


_UNREACHED = FIRST_NEW + (1 << 29)
"""An inode no name leads to: numbers given out while deriving effects begin after it."""


def _known_part(known: Asked, records: list[Record]) -> Image:
    """Picture what a recovery learnt: all that its records can be about.

    A record names only what the recovery looked up, and what it changed in part is asked for here.
    """
    directories: dict[int, dict[str, int]] = {ROOT: {}}
    contents: dict[int, bytes] = {_UNREACHED: b""}
    targets: dict[int, str] = {}
    for (question, ino, *rest), answer in known.notes.items():
        if question == "entries":
            directories.setdefault(ino, {}).update(answer)
        elif question == "lookup":
            names = directories.setdefault(ino, {})
            if answer is not None:
                names[rest[0]] = answer
        elif question == "kind" and answer == DIRECTORY:
            directories.setdefault(ino, {})
        elif question == "kind" and answer == SYMLINK:
            targets[ino] = known.notes.get(("target", ino), ".")
        elif question == "kind":
            contents.setdefault(ino, b"")
    for record in records:
        if isinstance(record, Write | Truncate) and record.ino in contents:
            contents[record.ino] = known.content(record.ino)
    return Image(directories, contents, targets)


class _Touched:
    """What the recovery's effects are about."""

    def __init__(self, constraints: Constraints) -> None:
        self.names: dict[int, list[str]] = {}
        self.files: set[int] = set()
        self.linked: set[int] = set()
        for node in constraints.nodes:
            for effect in node.effects:
                if isinstance(effect, Name):
                    names = self.names.setdefault(effect.directory, [])
                    if effect.name not in names:
                        names.append(effect.name)
                    self.linked.update(ino for ino in (effect.ino, effect.was) if ino is not None)
                else:
                    self.files.add(effect.ino)


class _Overlay:
    """The image that a crash in a recovery leaves, as a boot source.

    Args:
        asked: The image that it began on.
        base: The known part of that.
        view: The crash state, over the known part.
        touched: What may differ in it.
    """

    def __init__(self, asked: Asked, base: Image, view: View, touched: _Touched) -> None:
        self._asked = asked
        self._base = base
        self._view = view
        self._touched = touched

    def entries(self, ino: int) -> Mapping[str, int]:
        if ino >= FIRST_NEW:
            return self._view.entries(ino)
        entries = dict(self._asked.entries(ino))
        now = self._view.entries(ino)
        for name in self._touched.names.get(ino, ()):
            if name in now:
                entries[name] = now[name]
            else:
                entries.pop(name, None)
        return entries

    def lookup(self, ino: int, name: str) -> int | None:
        if ino >= FIRST_NEW or name in self._touched.names.get(ino, ()):
            return self._view.lookup(ino, name)
        return self._asked.lookup(ino, name)

    def kind(self, ino: int) -> int:
        return self._view.kind(ino) if ino >= FIRST_NEW else self._asked.kind(ino)

    def mode(self, ino: int) -> int:
        return self._view.mode(ino) if ino >= FIRST_NEW else self._asked.mode(ino)

    def size(self, ino: int) -> int:
        return self._view.size(ino) if self._is_ours(ino) else self._asked.size(ino)

    def content(self, ino: int) -> bytes:
        return self._view.content(ino) if self._is_ours(ino) else self._asked.content(ino)

    def read(self, ino: int, offset: int, count: int) -> bytes:
        if self._is_ours(ino):
            return self._view.read(ino, offset, count)
        return self._asked.read(ino, offset, count)

    def _is_ours(self, ino: int) -> bool:
        return ino >= FIRST_NEW or ino in self._touched.files

    def target(self, ino: int) -> str:
        return self._view.target(ino) if ino >= FIRST_NEW else self._asked.target(ino)

    def links(self, ino: int) -> int:
        if ino >= FIRST_NEW:
            return self._view.links(ino)
        links = self._asked.links(ino)
        if ino in self._touched.linked:
            before, now = self._base.directories, self._view.tree.directories
            for directory, names in self._touched.names.items():
                for name in names:
                    links += now.get(directory, {}).get(name) == ino
                    links -= before.get(directory, {}).get(name) == ino
        return links

    def first_free(self) -> int:
        return 2 * FIRST_NEW
