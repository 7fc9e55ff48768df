"""What a stress run keeps: plain data, in its journal and its report."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

import msgspec

from harness import __version__
from harness.errors import UsageError
from harness.fingerprint import fingerprint
from harness.guarantees import RACED
from harness.partial import Settled
from harness.plan import Plan, drawn_from, switches
from harness.report import FindingRecord
from harness.stress.plans import FEATURES, RoundPlan, Traits, draw_round, plan_id

__all__ = [
    "STRESS_SCHEMA",
    "Breakdown",
    "Broken",
    "Cell",
    "RoundRecord",
    "RunHeader",
    "SettledFile",
    "Stress",
    "StressReport",
    "Timing",
    "Tried",
]

STRESS_SCHEMA: Final = "checkpoint-harness/stress/1"

_KEYS: Final = 3
_VALUES: Final = 16
_CORPUS_FIRST: Final = -1_000_000


class Breakdown(msgspec.Struct, frozen=True):
    """How a round ended the process it ran in, or could not be run.

    Attributes:
        kind: ``hang``, ``exit``, ``crash`` (of the interpreter), ``memory``, ``baseline`` (the
            store misbehaves with no fault injected), ``killed`` (from outside, again and again)
            or ``error`` (of the harness).
        detail: In words.
        times: How often it did, of how many tries.
    """

    kind: str
    detail: str
    times: str

    @property
    def steady(self) -> bool:
        """Whether it did every time."""
        first, _, last = self.times.partition("/")
        return first == last


class RoundRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One round that is done: a line of the journal.

    Attributes:
        key: Its number, or ``corpus:`` and the name of a plan.
        plan: Name of its plan.
        features: Those that were on.
        states: Crash states judged.
        executed: Recoveries run.
        reused: Recoveries that an earlier one stood for.
        exercised: For each guarantee that was put to the test, the faults that did.
        signs: Hashes of what was seen: kinds of calls, faults, outcomes, repairs.
        found: For each cause, the profiles that show it, each with how many states.
        errors: What could not be simulated, and why.
        broke: How it ended its process, if it did.
        seconds: CPU time it took.
        at: Wall time of the run when it was done.
    """

    key: str
    plan: str
    features: list[str]
    states: int = 0
    executed: int = 0
    reused: int = 0
    exercised: dict[str, int] = {}
    signs: list[int] = []
    found: dict[str, dict[str, int]] = {}
    errors: dict[str, str] = {}
    broke: Breakdown | None = None
    seconds: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Tried:
    """What a plan saw that was only tried.

    Attributes:
        signs: All of it.
        found: Causes.
        plain: What it saw without its chains.
        chains: What each chain saw.
        orders: What each order of several writers saw.
    """

    signs: list[int]
    found: list[str]
    plain: list[int]
    chains: dict[int, list[int]]
    orders: dict[int, list[int]]


class SettledFile(msgspec.Struct):
    """A cause that was shrunk, and what it was shrunk from."""

    source: str
    settled: Settled


class RunHeader(msgspec.Struct, kw_only=True):
    """What a run is about: equal, but for the shard, where runs may be joined or resumed."""

    version: str
    subject: str
    seed: int
    plan_hash: str
    fingerprint: str
    profiles: list[str]
    judged: list[str]
    corpus: list[str]
    shard: str | None = None


class Cell(msgspec.Struct):
    """How often a guarantee was put to the test.

    Attributes:
        rounds: Rounds that did.
        faults: Faults that did.
    """

    rounds: int = 0
    faults: int = 0


class Broken(msgspec.Struct, kw_only=True):
    """A round that broke down, as a report has it."""

    kind: str
    detail: str
    times: str
    rounds: list[str]
    plan: str


class Timing(msgspec.Struct, kw_only=True):
    """All of a report that depends on the clock.

    Attributes:
        seconds: Wall time.
        cpu_seconds: CPU time of the rounds.
        states_per_second: Crash states judged a second of wall time.
        curve: Wall time and distinct causes known then, at each new one.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    states_per_second: float = 0.0
    curve: list[tuple[float, int]] = []


class StressReport(msgspec.Struct, kw_only=True):
    """A stress run.

    Attributes:
        rounds: Rounds done, those of the corpus left out.
        corpus: Plans of the corpus that were run.
        states: Crash states judged.
        executed: Recoveries run.
        reused: Recoveries that an earlier one stood for.
        guarantees: How often each was put to the test.
        table: For each feature and guarantee, the rounds that had the one and tested the other.
        never: Pairs of them that no round had, in words.
        findings: Causes, shrunk and replayed.
        unsteady: Causes that did not replay, in words.
        broken: Rounds that ended their process, by how.
        errors: What could not be simulated, and in how many rounds.
        signs: How many different things were seen.
        curve: Rounds done and distinct causes known then, at each new one.
        kept: Names of the plans worth keeping.
        timing: All that depends on the clock.
    """

    schema: Literal["checkpoint-harness/stress/1"] = STRESS_SCHEMA
    version: str
    subject: str
    seed: int
    plan_hash: str
    fingerprint: str
    shard: str | None
    rounds: int
    corpus: int
    states: int
    executed: int
    reused: int
    guarantees: dict[str, Cell]
    table: dict[str, dict[str, int]]
    never: list[str]
    findings: list[FindingRecord]
    unsteady: list[str]
    broken: list[Broken]
    errors: dict[str, int]
    signs: int
    curve: list[tuple[int, int]]
    kept: list[str]
    timing: Timing


@dataclass(frozen=True)
class Stress:
    """What to run.

    Attributes:
        plan: Subject, profiles, guarantees, seed and persistence models of the user's own.
        directory: Where the run is kept.
        corpus: Plans to begin with, sorted by name.
        shard: Which part of the rounds to do, from 1, and of how many; None for all.
        rounds: How many, over all shards; None for no end.
        seconds: Wall time, over all resumptions; None for no end.
        workers: Processes.
        silence_seconds: See `harness.pool.Pool`.
        memory_bytes: Address space that a worker may use; None for no limit.
        recycle: Rounds after which a worker is replaced.
    """

    plan: Plan
    directory: str
    corpus: tuple[RoundPlan, ...] = ()
    shard: tuple[int, int] | None = None
    rounds: int | None = None
    seconds: float | None = None
    workers: int = 1
    silence_seconds: float = 300.0
    memory_bytes: int | None = 4 << 30
    recycle: int = 200

    @property
    def bare(self) -> Stress:
        """The same with nothing loaded: what is sent to another process, which loads its own."""
        return replace(self, plan=replace(self.plan))

    @cached_property
    def judged(self) -> tuple[str, ...]:
        """The guarantees that rounds can put to the test.

        Raises:
            UsageError: None is left.
        """
        alone = self.plan.loaded.single_writer
        found = tuple(name for name in self.plan.judged if name != RACED or not alone)
        if not found:
            raise UsageError(
                f"subject {self.plan.subject}: it declares a single writer, so stress has no "
                f"rounds about {RACED}; name another guarantee"
            )
        return found

    @cached_property
    def values(self) -> list[bytes]:
        """The subject's own values, where it accepts only some."""
        return list(drawn_from(self.plan.loaded, "values", _VALUES, self.plan.seed))

    @cached_property
    def traits(self) -> Traits:
        """What the draws may use."""
        subject = self.plan.loaded
        return Traits(
            subject=self.plan.subject,
            keys=tuple(drawn_from(subject, "keys", _KEYS, self.plan.seed)),
            syncs=subject.sync is not None,
            sized=subject.values is None,
            judged=self.judged,
            profiles=tuple(model.name for model in self.plan.models),
            lists=subject.claims("listing"),
        )

    @cached_property
    def header(self) -> RunHeader:
        """What has to be equal in runs that are to be joined, or resumed."""
        names = [plan_id(plan) for plan in self.corpus]
        document = [
            __version__,
            self.plan.subject,
            self.plan.seed,
            [switches(model) for model in self.plan.models],
            list(self.judged),
            list(FEATURES),
            names,
        ]
        return RunHeader(
            version=__version__,
            subject=self.plan.subject,
            seed=self.plan.seed,
            plan_hash=hashlib.sha256(msgspec.json.encode(document)).hexdigest()[:16],
            fingerprint=fingerprint(self.plan.loaded),
            profiles=[model.name for model in self.plan.models],
            judged=list(self.judged),
            corpus=names,
            shard=None if self.shard is None else f"{self.shard[0]}/{self.shard[1]}",
        )

    @cached_property
    def _corpus(self) -> dict[str, tuple[int, RoundPlan]]:
        return {
            f"corpus:{plan_id(plan)}": (_CORPUS_FIRST + number, plan)
            for number, plan in enumerate(self.corpus)
        }

    def drawn(self, key: str) -> RoundPlan:
        """Give the plan of a round."""
        if key in self._corpus:
            return self._corpus[key][1]
        return draw_round(self.traits, self.plan.seed, int(key))

    def order(self, key: str) -> int:
        """Give a round's place among all: the corpus comes first."""
        return self._corpus[key][0] if key in self._corpus else int(key)
