"""Plans of rounds: what one round does, as readable data, drawn from a seed and a number.

Swarm style (Groce and others, Swarm Testing, ISSTA 2012): each round turns a random subset of the
features on, so that rare combinations come up and one feature does not drown the others. Every draw
is `SeededChooser`'s, so the same seed and number give the same plan, byte for byte, on any machine
and Python version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from harness.errors import UsageError
from harness.ops import Operation, Workload, delete, reopen, write
from harness.workloads import SIZE_BIG, SIZES, SeededChooser, value_of

__all__ = [
    "CHAINED",
    "FEATURES",
    "PLAN_SCHEMA",
    "RacePlan",
    "RoundPlan",
    "Step",
    "Traits",
    "draw_round",
    "dump_plan",
    "honest",
    "load_plan",
    "operations_in",
    "plan_cost",
    "plan_id",
    "portable",
    "workload_of",
]

PLAN_SCHEMA: Final = "checkpoint-harness/plan/1"

FEATURES: Final[dict[str, str]] = {
    "long-history": "10 to 40 operations instead of 1 to 5",
    "many-keys": "4 to 9 keys instead of 1 to 3",
    "big-values": "values of up to 200,000 bytes",
    "deletes": "a third of the operations are deletes",
    "restarts": "the store is shut down and opened again in between",
    "crash": "every crash state, or a sample of them, under some profiles",
    "mixed": "power cuts after a kill, too",
    "compound": "a fault in the recovery from a crash, and a crash after a fault",
    "chain": "several processes in a row, each killed or losing power: crashes in recoveries",
    "full-disk": "chains: some of those processes find a disk with hardly any room",
    "failing-calls": "chains: system calls fail in some of those processes",
    "faults": "each system call of a short history fails once",
    "rot": "stored bytes are damaged",
    "repetition": "the same crash, or failure, over and over",
    "several-writers": "2 to 4 writers at once, in random orders, killed and losing power",
}
"""What a round can have, each with what it means."""

CHAINED: Final = ("full-disk", "failing-calls")
"""Features that need a chain to be in."""

_COSTLY: Final = ("crash", "mixed", "compound", "faults", "rot", "repetition")
_SIZE_HUGE: Final = 200_000
_KEYS: Final = ("a", "b", "c1", "d-2", "e.3", "long-name-of-a-key.0", "z9", "m_1", "k")
_FIRST_VALUE: Final = 1
_LONG: Final = (10, 40)
_WRITERS_MAX: Final = 4
_RACING_ONE_IN: Final = 3
_MANY: Final = 4


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One operation of a plan.

    Attributes:
        op: write, delete, sync or reopen; read and list, where there are several writers.
        key: Of a write, a delete or a read.
        value: Number of the value written: different numbers, different bytes.
        size: Its bytes.
    """

    op: Literal["write", "delete", "sync", "reopen", "read", "list"]
    key: str | None = None
    value: int = 0
    size: int = 0


class RacePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What several writers do at once.

    Attributes:
        mode: Processes on one directory, or threads on one open store.
        writers: What each does.
        orders: How many orders to draw.
        only: Numbers of those that are drawn; none for all of them.
    """

    mode: Literal["processes", "threads"]
    writers: list[list[Step]]
    orders: int
    only: list[int] | msgspec.UnsetType = msgspec.UNSET

    @property
    def drawn_orders(self) -> list[int]:
        """Numbers of the orders to draw."""
        if isinstance(self.only, list):
            return [number for number in self.only if number < self.orders]
        return list(range(self.orders))


class RoundPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One round.

    Attributes:
        subject: The store it was drawn for.
        seed: It was drawn from, and that of the simulated machines.
        round: Its number under that seed.
        features: Those turned on.
        profiles: The persistence models to crash under.
        setup: Steps done, and durable, before.
        operations: Steps that faults strike.
        chains: How many chains of faults to draw.
        budget: Crash states visited in one walk.
        only: Numbers of the chains that are drawn; none for all of them. A plan made smaller needs
            few.
        race: What several writers do, on what the setup leaves.
        found: Causes it found when it was put into a corpus, where it stays for them.
    """

    schema: Literal["checkpoint-harness/plan/1"] = PLAN_SCHEMA
    subject: str
    seed: int
    round: int
    features: list[str]
    profiles: list[str]
    setup: list[Step]
    operations: list[Step]
    chains: int
    budget: int
    only: list[int] | msgspec.UnsetType = msgspec.UNSET
    race: RacePlan | msgspec.UnsetType = msgspec.UNSET
    found: list[str] | msgspec.UnsetType = msgspec.UNSET

    @property
    def drawn_chains(self) -> list[int]:
        """Numbers of the chains to draw."""
        if isinstance(self.only, list):
            return [number for number in self.only if number < self.chains]
        return list(range(self.chains))


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What the draws may use: a subject, as far as a plan depends on it.

    Attributes:
        subject: Its name.
        keys: Keys it accepts, where it says so.
        syncs: Whether it has a sync to call.
        sized: Whether sizes may be chosen; not where it brings values of its own.
        judged: Guarantees to judge.
        profiles: Persistence models to crash under.
        lists: Whether it promises anything about its list, so that one of several writers may ask
            for it, whatever is judged.
    """

    subject: str
    keys: tuple[str, ...]
    syncs: bool
    sized: bool
    judged: tuple[str, ...]
    profiles: tuple[str, ...]
    lists: bool = True

    def possible(self) -> list[str]:
        """Features that can show anything about the guarantees judged."""
        judged = set(self.judged)
        found = ["long-history", "many-keys", "big-values", "deletes", "restarts"]
        if judged & {"atomicity", "durability", "recovery", "listing"}:
            found += ["crash", "mixed"]
        if "recovery" in judged:
            found += ["compound", "chain", *CHAINED]
        if "clean-failure" in judged:
            found.append("faults")
        if "integrity" in judged:
            found.append("rot")
        if "hygiene" in judged:
            found.append("repetition")
        if "isolation" in judged:
            found.append("several-writers")
        return [name for name in FEATURES if name in found]


def draw_round(traits: Traits, seed: int, number: int) -> RoundPlan:
    """Draw the plan of one round.

    Args:
        traits: What the subject and the options allow.
        seed: Of the run.
        number: Of the round, from 0.
    """
    chooser = SeededChooser(f"stress/{seed}/{number}")
    possible = traits.possible()
    on = {name for name in possible if name != "several-writers" and chooser.integer(0, 1)}
    doing = [name for name in ("crash", "chain", "faults", "rot", "repetition") if name in possible]
    racing = SeededChooser(f"stress/{seed}/{number}/writers")
    if "several-writers" in possible and (not doing or racing.integer(1, _RACING_ONE_IN) == 1):
        on.add("several-writers")
    if doing and not on & set(doing):
        on.add(chooser.pick(doing))
    if on & set(CHAINED):
        on.add("chain")
    if on & {"mixed", "compound"} and "crash" in possible:
        on.add("crash")
    # What runs the whole history once for each call has to have a short one.
    heavy = on & {"compound", "faults", "rot", "repetition"}
    if heavy and on & {"long-history", "big-values"}:
        if chooser.integer(0, 1) and on & {"crash", "chain"}:
            on -= heavy
        else:
            on -= {"long-history", "big-values", "many-keys"}
    some = list(traits.profiles)
    profiles = {chooser.pick(some) for _ in range(chooser.integer(1, 2))}
    keys = _keys(chooser, traits, many="many-keys" in on)
    numbers = iter(range(_FIRST_VALUE, 1 << 20))

    def steps(count: int, *, only_writes: bool) -> list[Step]:
        found = []
        for _ in range(count):
            kind = chooser.integer(0, 11)
            key = chooser.pick(keys)
            if only_writes or kind < (7 if "deletes" in on else 10):
                size = _size(chooser, big="big-values" in on) if traits.sized else 0
                found.append(Step("write", key, next(numbers), size))
            elif kind == 11 and "restarts" in on:  # noqa: PLR2004 - one in twelve
                found.append(Step("reopen"))
            else:
                found.append(Step("delete", key))
            if traits.syncs and not only_writes and chooser.integer(0, 2) == 0:
                found.append(Step("sync"))
        return found

    low, high = _LONG if "long-history" in on else (1, 3) if heavy & on else (1, 5)
    return RoundPlan(
        subject=portable(traits.subject),
        seed=seed,
        round=number,
        features=[name for name in FEATURES if name in on],
        profiles=[name for name in traits.profiles if name in profiles],
        setup=steps(chooser.integer(0, 3), only_writes=True),
        operations=steps(chooser.integer(low, high), only_writes=False),
        chains=chooser.integer(20, 60) if "chain" in on else 0,
        budget=chooser.pick((100, 300, 600)),
        race=(
            _race(racing, traits, keys, on, numbers) if "several-writers" in on else msgspec.UNSET
        ),
    )


def _race(
    chooser: SeededChooser, traits: Traits, keys: list[str], on: set[str], numbers: Iterator[int]
) -> RacePlan:
    """Draw what several writers do: mostly to one key, where they get into each other's way."""
    low, high = (2, 5) if "long-history" in on else (1, 2)

    def step() -> Step:
        kind = chooser.integer(0, 11)
        key = keys[0] if chooser.integer(0, 2) else chooser.pick(keys)
        if kind == 11 and traits.lists:  # noqa: PLR2004 - one in twelve
            return Step("list")
        if kind > 8:  # noqa: PLR2004
            return Step("read", key)
        if kind > (4 if "deletes" in on else 7):
            return Step("delete", key)
        size = _size(chooser, big="big-values" in on) if traits.sized else 0
        return Step("write", key, next(numbers), size)

    return RacePlan(
        mode=chooser.pick(("processes", "threads")),
        writers=[
            [step() for _ in range(chooser.integer(low, high))]
            for _ in range(chooser.integer(2, _WRITERS_MAX))
        ],
        orders=chooser.integer(10, 30),
    )


def _keys(chooser: SeededChooser, traits: Traits, *, many: bool) -> list[str]:
    if traits.keys:
        return list(traits.keys)
    count = chooser.integer(_MANY, len(_KEYS)) if many else chooser.integer(1, 3)
    first = chooser.integer(0, len(_KEYS) - 1)
    return [_KEYS[(first + number) % len(_KEYS)] for number in range(count)]


def _size(chooser: SeededChooser, *, big: bool) -> int:
    if big and chooser.integer(0, 3) == 0:
        return chooser.pick((SIZE_BIG, chooser.integer(20_000, _SIZE_HUGE)))
    return chooser.pick(SIZES)


def workload_of(plan: RoundPlan, values: list[bytes]) -> Workload:
    """Make the operations of a plan.

    Args:
        plan: The plan.
        values: The subject's own, where it accepts only some.
    """
    return Workload(
        f"round-{plan.round}",
        operations_in(plan.operations, values),
        operations_in(plan.setup, values),
    )


def operations_in(steps: Iterable[Step], values: list[bytes]) -> tuple[Operation, ...]:
    """Make operations of steps.

    Args:
        steps: The steps.
        values: The subject's own, where it accepts only some.
    """
    found = []
    for step in steps:
        if step.op == "write":
            value = values[step.value % len(values)] if values else value_of(step.value, step.size)
            found.append(write(step.key or "", value))
        elif step.op == "delete":
            found.append(delete(step.key or ""))
        elif step.op == "reopen":
            found.append(reopen())
        else:
            found.append(Operation(step.op, step.key))
    return tuple(found)


def dump_plan(plan: RoundPlan) -> bytes:
    """Render a plan as a file: a step a line, so that a change of one shows as such."""
    document = msgspec.to_builtins(plan)
    lines = []
    for name, value in document.items():
        if name in ("setup", "operations") and value:
            lines.append(f'  "{name}": {_listed(value, 4)}')
        elif name == "race":
            writers = ",\n      ".join(_listed(steps, 8) for steps in value.pop("writers"))
            rest = msgspec.json.encode(value).decode()[1:-1]
            lines.append(
                f'  "race": {{\n    "writers": [\n      {writers}\n    ],\n    {rest}\n  }}'
            )
        else:
            lines.append(f'  "{name}": {msgspec.json.encode(value).decode()}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _listed(steps: list[object], indent: int) -> str:
    """Write a step a line."""
    inner, outer = " " * indent, " " * (indent - 2)
    lines = f",\n{inner}".join(msgspec.json.encode(one).decode() for one in steps)
    return f"[\n{inner}{lines}\n{outer}]"


def plan_id(plan: RoundPlan) -> str:
    """Name a plan by what it does; its round is part of that, for its chains are drawn from it."""
    bare = msgspec.structs.replace(plan, found=msgspec.UNSET)
    return hashlib.sha256(msgspec.json.encode(bare)).hexdigest()[:12]


def plan_cost(plan: RoundPlan) -> int:
    """Estimate what a round costs, to divide rounds evenly."""
    calls = 6 * (len(plan.operations) + 1) + sum(step.size for step in plan.operations) // 4096
    heavy = sum(name in plan.features for name in _COSTLY)
    race = plan.race if isinstance(plan.race, RacePlan) else None
    if race is not None:
        calls += 6 * len(race.drawn_orders) * (sum(map(len, race.writers)) + len(race.writers))
    return calls * (heavy + 1) + len(plan.drawn_chains) * (len(plan.operations) + 4)


def portable(subject: str) -> str:
    """Give a subject's name as a plan has it: the same wherever the project's directory is.

    Args:
        subject: As given; a path is told from the current directory, or by its last name alone.
    """
    path, colon, attribute = subject.rpartition(":")
    if not Path(path).is_absolute():
        return subject
    here = Path.cwd()
    inside = Path(path).is_relative_to(here)
    name = Path(path).relative_to(here).as_posix() if inside else Path(path).name
    return f"{name}{colon}{attribute}"


def honest(plan: RoundPlan) -> RoundPlan:
    """Drop features of the history that a plan has no more, made smaller as it is."""
    race = [] if not isinstance(plan.race, RacePlan) else plan.race.writers
    raced = [step for steps in race for step in steps]
    steps = [*plan.setup, *plan.operations, *raced]
    kinds = {step.op for step in (*plan.operations, *raced)}
    keys = {step.key for step in steps if step.key is not None}
    false = {
        "long-history": len(plan.operations) < _LONG[0],
        "many-keys": len(keys) < _MANY,
        "big-values": all(step.size <= max(SIZES) for step in steps),
        "deletes": "delete" not in kinds,
        "restarts": "reopen" not in kinds,
    }
    kept = [name for name in plan.features if not false.get(name, False)]
    return msgspec.structs.replace(plan, features=kept)


def load_plan(data: bytes, name: str) -> RoundPlan:
    """Parse a plan file.

    Raises:
        UsageError: It is not one, or of a version this harness does not know.
    """
    try:
        plan = msgspec.json.decode(data, type=RoundPlan)
        race = plan.race if isinstance(plan.race, RacePlan) else None
        writers = [] if race is None else race.writers
        for step in (*plan.setup, *plan.operations, *(one for each in writers for one in each)):
            if step.op in ("write", "delete", "read") and not step.key:
                raise msgspec.ValidationError(f"a {step.op} without a key")
            if not 0 <= step.size <= 1 << 26:
                raise msgspec.ValidationError(f"a value of {step.size} bytes")
        if ("several-writers" in plan.features) is (race is None) or not all(writers):
            raise msgspec.ValidationError("several writers without what they do")
        unknown = set(plan.features) - set(FEATURES)
        if unknown:
            raise msgspec.ValidationError(f"unknown feature {min(unknown)!r}")
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UsageError(
            f"{name}: not a plan: {error}; give a *.plan.json that harness stress wrote"
        ) from None
    return plan
