"""Races: what several writers do at once, small enough to try every order of it.

Each is known to break some store, and named after what it is about. Every writer of a race opens
the store itself where writers are processes, so recovery races with writing in all of them; where
they are threads, they share one open store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from harness.ops import Operation, Workload, delete, listing, read, write
from harness.workloads import Chooser, keys_drawn, value_of

__all__ = [
    "Mode",
    "Race",
    "compose_race",
    "is_drawn",
    "race_of",
    "standing_races",
    "with_operations",
]

Mode: TypeAlias = Literal["processes", "threads"]


@dataclass(frozen=True, slots=True)
class Race(Workload):
    """A workload of several writers.

    Attributes:
        writers: What each does, in its own order.
        mode: Whether they are processes on one directory or threads on one store.
        lists: Whether whoever looks at the end may list.
    """

    writers: tuple[tuple[Operation, ...], ...] = ()
    mode: Mode = "processes"
    lists: bool = True


def race_of(
    name: str,
    mode: Mode,
    writers: Sequence[Sequence[Operation]],
    setup: Sequence[Operation] = (),
    *,
    lists: bool = True,
) -> Race:
    """Make a race.

    Args:
        name: What it is about.
        mode: Processes or threads.
        writers: What each writer does.
        setup: Done and made durable before.
        lists: See `Race`.
    """
    each = tuple(tuple(operations) for operations in writers)
    everything = tuple(operation for operations in each for operation in operations)
    return Race(name, everything, tuple(setup), each, mode, lists)


def with_operations(race: Race, change: Callable[[Operation], Operation]) -> Race:
    """Give the same race with other operations."""
    return race_of(
        race.name,
        race.mode,
        [[change(operation) for operation in writer] for writer in race.writers],
        [change(operation) for operation in race.setup],
        lists=race.lists,
    )


_DRAWN_SIZES: Final = (5, 0, 1, 513, 4097)
"""Bytes in a drawn value: few, because every order of the calls is tried."""

_THREE_IN: Final = 4
"""One race in so many has a third writer."""


def is_drawn(race: Race) -> bool:
    """Tell whether a race was composed of choices."""
    return race.name.partition(": ")[2].startswith("drawn")


def compose_race(
    chooser: Chooser, name: str, keys: Sequence[str] = (), *, lists: bool = True
) -> Race:
    """Make one race out of choices: two or three writers, one or two operations each.

    Args:
        chooser: Where the choices come from.
        name: What to call it.
        keys: Keys to use; drawn where there are none.
        lists: Whether the store promises anything about its list.
    """
    pool = list(keys) or keys_drawn(chooser)
    number = 0

    def written() -> Operation:
        nonlocal number
        number += 1
        return write(chooser.pick(pool), value_of(number, chooser.pick(_DRAWN_SIZES)))

    def some() -> Operation:
        match chooser.pick(("write", "write", "delete", "read", *(("list",) if lists else ()))):
            case "write":
                return written()
            case "delete":
                return delete(chooser.pick(pool))
            case "read":
                return read(chooser.pick(pool))
            case _:
                return listing()

    mode: Mode = chooser.pick(("processes", "threads"))
    setup = [written() for _ in range(chooser.integer(0, 2))]
    # Somebody writes: a race of readers shows nothing. Of three each has one: what is tried grows
    # with the square of the calls.
    three = chooser.integer(1, _THREE_IN) == _THREE_IN
    writers = [[written()], *([some()] for _ in range(1 + three))]
    if not three:
        for operations in writers:
            operations += [some() for _ in range(chooser.integer(0, 1))]
    return race_of(f"{mode}: {name}", mode, writers, setup, lists=lists)


def standing_races(
    keys: Sequence[str] = ("a", "b"),
    *,
    lists: bool = True,
    modes: Sequence[Mode] = ("processes", "threads"),
) -> list[Race]:
    """List the races that every check runs.

    Args:
        keys: Two keys the store accepts.
        lists: Whether the store promises anything about its list.
        modes: Which kinds of writers.
    """
    a, b = keys[0], keys[-1]
    old, other = write(a, value_of(1, 700)), write(b, value_of(2, 60))
    new, newer = write(a, value_of(3, 90)), write(a, value_of(4, 5))
    found = []
    for mode in modes:

        def race(
            name: str,
            *writers: Sequence[Operation],
            setup: Sequence[Operation] = (),
            mode: Mode = mode,
        ) -> None:
            found.append(race_of(f"{mode}: {name}", mode, writers, setup, lists=lists))

        race("same key", [new], [newer], setup=[old])
        race("create and create", [new], [newer])
        race("different keys", [new], [write(b, value_of(5, 40))], setup=[old])
        race("write and remove", [new], [delete(a)], setup=[old])
        race("remove another", [new], [delete(b)], setup=[old, other])
        race("write and read", [write(a, value_of(6, 5000))], [read(a)], setup=[old])
        race("remove and read", [delete(a)], [read(a)], setup=[old])
        if lists:
            race("write and list", [write(b, value_of(5, 40))], [listing()], setup=[old])
            race("remove and list", [delete(a)], [listing()], setup=[old, other])
        race("one after the other", [new, newer], [write(b, value_of(5, 40))], setup=[old])
    return found
