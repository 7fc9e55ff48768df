"""Drawing chains of faults for one workload, and judging each after every life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import structs

from harness.chain import Chain
from harness.chainblame import blamed
from harness.faults import Fault, faults_of
from harness.finding import Candidate, Life, crash_of, merge
from harness.history import Recording
from harness.image import Image
from harness.ops import Workload
from harness.persistence import Model
from harness.recovery import Observation, Prober, follow_values
from harness.report import OperationRecord
from harness.stress.signs import found_sign
from harness.subjects import MISSING, Raised
from harness.unit import Depth, run_unit
from harness.workloads import SIZES, SeededChooser, value_of

__all__ = ["Chained", "draw_chains"]

_BLOCK: Final = 4096
_LIVES_MAX: Final = 4
_VALUES_FROM: Final = 1000
"""Values that later lives write are numbered from here: unlike all of the workload."""


@dataclass(slots=True)
class Chained:
    """What the chains of one round came to.

    Attributes:
        candidates: Causes.
        faults: Faults that struck: crashes, full disks, failing calls.
        judged: Disks recovered and judged.
        nested: Of those, after two crashes or more.
        other: Of those, after another fault as well.
        signs: What each chain saw, in words; new ones make a plan worth keeping.
        executed: Recoveries run to look at what a life left.
        reused: Such recoveries that an earlier one stood for.
    """

    candidates: list[Candidate] = field(default_factory=list)
    faults: int = 0
    judged: int = 0
    nested: int = 0
    other: int = 0
    signs: dict[int, set[str]] = field(default_factory=dict)
    executed: int = 0
    reused: int = 0


def draw_chains(
    recording: Recording,
    models: tuple[Model, ...],
    judged: frozenset[str],
    features: frozenset[str],
    numbers: Sequence[int],
    *,
    seed: str,
    profiles: tuple[str, ...],
    values: list[bytes],
) -> Chained:
    """Draw chains and live them.

    Args:
        recording: The workload, run without faults.
        models: The persistence models to draw from.
        judged: Guarantees to judge.
        features: Those of the round.
        numbers: Of the chains; each is drawn from its number alone.
        seed: Of the draws.
        profiles: All persistence models of the run.
        values: The subject's own values, where it accepts only some.
    """
    result = Chained()
    subject, workload = recording.subject, recording.workload
    prober = Prober(
        subject,
        workload.keys,
        seed=recording.seed,
        writes=follow_values(subject, workload),
    )
    known: set[tuple[str, str, str | None]] = set()
    for number in numbers:
        chooser = SeededChooser(f"{seed}/chain/{number}")
        model = chooser.pick(models)
        chain = Chain(
            subject,
            workload,
            model,
            seed=recording.seed,
            base=recording.base,
            initial=recording.initial,
            prober=prober,
        )
        # Who promises nothing about failures may lose what it does while there are any: then they
        # strike while it opens, and only there.
        careful = "clean-failure" in judged
        drawing = _Drawing(chooser, chain, workload, features, values, careful=careful)
        signs = result.signs.setdefault(number, set())
        for _ in range(chooser.integer(2, _LIVES_MAX)):
            observation = drawing.one_more()
            result.faults += 1 + chain.lived[-1].fired
            result.judged += 1
            result.nested += chain.crashes > 1
            result.other += chain.other > 0
            signs |= drawing.signs(observation)
            broken = list(chain.broken(observation))
            if not broken:
                continue
            if chain.crashes == 1 and not chain.other:
                causes = _plain(recording, model, judged, known)
                signs |= {found_sign(one.id) for one in causes}
                result.candidates = merge(result.candidates, causes)
                break
            for violation in broken:
                about = violation.guarantee, violation.kind, violation.key
                if violation.guarantee in judged and about not in known:
                    known.add(about)
                    one = blamed(
                        subject,
                        workload,
                        drawing.lives,
                        model,
                        violation,
                        seed=recording.seed,
                        profiles=profiles,
                    )
                    signs.add(found_sign(one.id))
                    result.candidates = merge(result.candidates, [one])
            break
    result.executed, result.reused = prober.executed, prober.reused
    return result


def _plain(
    recording: Recording,
    model: Model,
    judged: frozenset[str],
    known: set[tuple[str, str, str | None]],
) -> list[Candidate]:
    """A single crash breaks it: the examination says how, and diagnoses it properly."""
    about = ("crash", model.name, None)
    if about in known:
        return []
    known.add(about)
    result = run_unit(
        recording.subject,
        recording.workload,
        (model,),
        judged - {"clean-failure", "integrity", "hygiene", "isolation"},
        Depth(budget=2000, mixed=False),
        seed=recording.seed,
    )
    return result.candidates


class _Drawing:
    """One chain being drawn.

    Attributes:
        lives: Those lived, every choice made.
    """

    def __init__(
        self,
        chooser: SeededChooser,
        chain: Chain,
        workload: Workload,
        features: frozenset[str],
        values: list[bytes],
        *,
        careful: bool,
    ) -> None:
        self._careful = careful
        self.lives: list[Life] = []
        self._chooser = chooser
        self._chain = chain
        self._workload = workload
        self._features = features
        self._values = values
        self._number = _VALUES_FROM

    def one_more(self) -> Observation:
        """Draw a life, live it, and look at a copy of what it leaves."""
        chooser, chain = self._chooser, self._chain
        first = not self.lives
        faulty = not first or self._careful
        life = Life(
            operations=[] if first else self._operations(),
            room=self._room() if faulty and "full-disk" in self._features else None,
        )
        failing = faulty and "failing-calls" in self._features and chooser.integer(0, 2) == 0
        if not self._careful and (life.room is not None or failing):
            life = _with(life, operations=[])
        trial = chain.trial(life)
        if failing and trial.seen:
            chosen = faults_of(chooser.pick(trial.seen))
            if chosen:
                fault: Fault = chooser.pick(chosen)
                life = _with(life, fault=str(fault))
                trial = chain.trial(life)
        changes = trial.changes
        at = chooser.integer(0, len(changes))
        if at < len(changes):
            life = _with(life, kill=changes[at])
        chain.live(life)
        if chain.model.order != "returned" and chooser.integer(0, 1):
            explorer, states = chain.states()
            if states:
                state = chooser.pick(states)
                life = _with(life, cut=crash_of(explorer, state, 2 * len(chain.joined)))
                chain.cut(explorer, state)
        self.lives.append(life)
        return chain.look()

    def signs(self, observation: Observation) -> set[str]:
        """Say what kind of thing this life and the recovery after it were."""
        life, lived = self.lives[-1], self._chain.lived[-1]
        how = "killed" if life.kill is not None else "ended"
        room = "" if life.room is None else "+full"
        fault = "" if life.fault is None or not lived.fired else "+" + life.fault.split(" ")[0]
        power = "+power" if life.cut is not None else ""
        first = observation.first
        shown = (
            f"closed:{first.opened.type}"
            if first.opened is not None
            else "open:" + ",".join(sorted({_kind(value) for value in first.values.values()}))
        )
        repaired = ">".join(type(one).__name__ for one in observation.records[:12])
        depth = min(len(self.lives), _LIVES_MAX)
        return {
            f"life{depth}:{how}{room}{fault}{power}",
            f"refused:{lived.refused}" if lived.refused else "refused:no",
            f"recovery:{shown}",
            f"repair:{depth}:{repaired}",
        }

    def _operations(self) -> list[OperationRecord]:
        chooser, found = self._chooser, []
        keys = self._workload.keys
        for _ in range(chooser.integer(0, 2)):
            if not keys:
                break
            key = chooser.pick(keys)
            if chooser.integer(0, 3) == 0:
                found.append(OperationRecord(op="delete", key=key))
                continue
            self._number += 1
            value = (
                self._values[self._number % len(self._values)]
                if self._values
                else value_of(self._number, chooser.pick(SIZES))
            )
            found.append(OperationRecord(op="write", key=key, value=value))
        return found

    def _room(self) -> str | None:
        chooser = self._chooser
        how = chooser.integer(0, 3)
        if how > 1:
            return None
        blocks, inodes = usage(self._chain.image)
        slack = chooser.pick((0, 0, 1, 2, 3))
        if how == 0:
            return f"disk: full at {(blocks + slack) * _BLOCK} bytes"
        return f"disk: full at {inodes + slack} inodes"


def _with(life: Life, **changes: object) -> Life:
    return structs.replace(life, **changes)


def _kind(value: object) -> str:
    if isinstance(value, Raised):
        return f"raises {value.type}"
    return "absent" if value is MISSING else "value"


def usage(image: Image) -> tuple[int, int]:
    """Count the blocks and the inodes that an image takes."""
    reached = {ino for _, ino in image.walk()}
    blocks = sum(-(-len(image.contents[ino]) // _BLOCK) for ino in reached if ino in image.contents)
    return blocks, len(reached) + 1
