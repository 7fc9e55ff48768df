"""Workloads to run a store through: those that have broken stores before, and drawn ones.

One grammar, two sources of choices: a seeded generator (`drawn`), whose draws are the same on any
machine and Python version, for `harness check`; and Hypothesis, which can shrink, for the
property-based scenarios. Both ask a `Chooser` the same questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, Protocol, TypeVar

from harness.ops import Operation, Workload, delete, reopen, write

__all__ = [
    "SIZES",
    "Chooser",
    "SeededChooser",
    "compose",
    "drawn",
    "keys_drawn",
    "standing",
    "value_of",
]

T = TypeVar("T")

SIZES: Final = (0, 1, 5, 100, 511, 512, 513, 4095, 4096, 4097, 10_240)
"""Bytes in a drawn value: around a sector, around a page, and a few pages."""

SIZE_BIG: Final = 70_000
"""Bytes in a value that no buffer takes in one piece: over 64 KiB."""

_FIRST: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_MIDDLE: Final = _FIRST + "-_."
_KEY_MAX: Final = 24


class Chooser(Protocol):
    """A source of choices."""

    def integer(self, low: int, high: int) -> int:
        """Choose an integer between two, both included."""

    def pick(self, choices: Sequence[T]) -> T:
        """Choose one of several."""


class SeededChooser:
    """Choices from a seed, by nothing but ``Random.getrandbits``: stable across Python versions.

    Args:
        seed: Any text.
    """

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # noqa: S311 - reproducible draws, not secrets

    def integer(self, low: int, high: int) -> int:
        span = high - low + 1
        bits = span.bit_length()
        while True:
            number = self._random.getrandbits(bits)
            if number < span:
                return low + number

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.integer(0, len(choices) - 1)]


def value_of(number: int, size: int) -> bytes:
    """Make a value that is unlike every other and unlike any shifted or cut copy of itself.

    Args:
        number: Which value it is; values with different numbers differ wherever they are long
            enough to.
        size: Bytes.
    """
    if size <= 2:  # noqa: PLR2004 - too short to carry an offset
        return bytes([(97 + number * 7 + offset) % 251 + 1 for offset in range(size)])
    unit = b"%d:%06x;"
    out = bytearray()
    while len(out) < size:
        out += unit % (number, len(out))
    return bytes(out[:size])


def standing(keys: Sequence[str] = ("a", "b")) -> list[Workload]:
    """List the workloads every check runs first: small, and each known to break some store.

    Args:
        keys: Two keys the store accepts.
    """
    a, b = keys[0], keys[-1]

    def make(name: str, *operations: Operation, setup: tuple[Operation, ...] = ()) -> Workload:
        return Workload(name, operations, setup)

    old, older = write(a, value_of(1, 700)), write(b, value_of(2, 600))
    return [
        make("first-write", write(a, value_of(1, 100))),
        make("two-keys", write(a, value_of(1, 600)), write(b, value_of(2, 5000))),
        make("overwrite", write(a, value_of(3, 700)), setup=(old, older)),
        make("shrink", write(a, value_of(3, 5)), setup=(write(a, value_of(1, 5000)), older)),
        make("grow", write(a, value_of(3, 10_240)), setup=(old, older)),
        make("twice", write(a, value_of(1, 513)), write(a, value_of(2, 4097))),
        make("empty", write(a, b""), write(a, value_of(2, 1)), setup=(old,)),
        make("delete", delete(a), write(b, value_of(4, 100)), setup=(old, older)),
        make("delete-and-write", delete(a), write(a, value_of(3, 511)), setup=(old, older)),
        make(
            "restart",
            write(a, value_of(1, 600)),
            reopen(),
            write(a, value_of(2, 60)),
            write(b, value_of(3, 4096)),
        ),
        make("big", write(a, value_of(3, SIZE_BIG)), setup=(old,)),
    ]


def compose(
    chooser: Chooser, name: str, keys: Sequence[str] = (), *, syncs: bool = False
) -> Workload:
    """Make one workload out of choices.

    Args:
        chooser: Where the choices come from.
        name: What to call it.
        keys: Keys to use; drawn where there are none.
        syncs: Whether the store has a sync to call.
    """
    pool = list(keys) or keys_drawn(chooser)
    number = 0

    def some(count: int, *, only_writes: bool) -> list[Operation]:
        nonlocal number
        operations = []
        for _ in range(count):
            key = chooser.pick(pool)
            kind = 0 if only_writes else chooser.integer(0, 9)
            if kind <= 6:  # noqa: PLR2004 - seven in ten are writes
                number += 1
                operations.append(write(key, value_of(number, chooser.pick(SIZES))))
            elif kind <= 8:  # noqa: PLR2004
                operations.append(delete(key))
            else:
                operations.append(reopen())
            if syncs and not only_writes and chooser.integer(0, 2) == 0:
                operations.append(Operation("sync"))
        return operations

    setup = some(chooser.integer(0, 2), only_writes=True)
    return Workload(name, tuple(some(chooser.integer(1, 4), only_writes=False)), tuple(setup))


def keys_drawn(chooser: Chooser) -> list[str]:
    """Make two different keys of the default form out of choices."""
    keys: list[str] = []
    while len(keys) < 2:  # noqa: PLR2004
        length = chooser.integer(1, _KEY_MAX)
        key = chooser.pick(_FIRST)
        for _ in range(length - 2):
            key += chooser.pick(_MIDDLE)
        if length > 1:
            key += chooser.pick(_FIRST)
        if key not in keys:
            keys.append(key)
    return keys


def drawn(
    seed: int, count: int, keys: Sequence[str] = (), *, syncs: bool = False
) -> Iterator[Workload]:
    """Draw workloads from a seed.

    Args:
        seed: Equal seeds give equal workloads.
        count: How many.
        keys: As in `compose`.
        syncs: As in `compose`.
    """
    for number in range(count):
        name = f"drawn-{number}"
        yield compose(SeededChooser(f"{seed}/{name}"), name, keys, syncs=syncs)
