"""Chains of faults: several processes in a row, each with a fault of its own, live.

What `harness.examine` does exhaustively for one crash, and for a second one in the recovery from
it, is done here for as many as one likes, mixed with full disks and failing calls: a crash in the
recovery of a crash on a full disk. A chain is a list of lives. Each opens the store on what the
last one left, does something, and dies: killed before one of its system calls, or once it has done
everything; then the kernel lives on, or the power goes too and some effects are lost.

After each life a copy of the disk is recovered with no fault at all, and each key has to read as
one of the values it may have: the last acknowledged, or of an operation that was cut off or raised
since (DESIGN.md section 7, `recovery` and `clean-failure`). Values are only added by what is
uncertain and never taken away by a look at the disk, so what a chain breaks is broken under every
reading of the promises.

Guarantees: with a second crash in it, a chain is about `recovery`; with one crash and another
fault, about `clean-failure`. A single crash is the examination's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, cast

from harness.chainlife import LifeHooks, Lived, MayBe, Unlined
from harness.disk import Machine
from harness.errors import Killed
from harness.explore import CrashState, Explorer
from harness.faults import Full, parse
from harness.finding import Life, Reproduction, state_of, trace_hash
from harness.guarantees import Severity
from harness.history import DIRECTORY, record
from harness.image import Image
from harness.intercept import active
from harness.live import CALLS_MAX, attempt, perform_on
from harness.ops import Operation, Workload
from harness.oracle import Judge
from harness.persistence import Model, constrain, derive
from harness.quiet import bury
from harness.record import Recorder
from harness.recovery import RESTART, Observation, Prober, follow_values
from harness.subjects import MISSING, Raised, Session, Subject, worn
from harness.trace import Record, Write
from harness.violation import Violation, reads, severity_of, show
from harness.watch import watched

__all__ = [
    "Chain",
    "chain_again",
    "chain_of",
    "describe",
    "is_effective",
    "operations_in",
    "trace_of",
    "walk",
]

STATES_MAX: Final = 64
"""Crash states listed after one life, to choose one from."""


class Chain:
    """A store's way through several lives.

    Args:
        subject: The store.
        workload: The first life's; its setup is done before and durable.
        model: What a power cut may lose.
        seed: Of the simulated machines.
        prober: Recovers copies of the disk; kept over chains of one workload, it reuses.
        lines: Whether records name the subject's lines; slower.

    Attributes:
        crashes: Lives that ended so far.
        other: Lives in which another fault struck.
        lived: What each life did.
        joined: Records since the last power cut, of all lives.
    """

    def __init__(
        self,
        subject: Subject,
        workload: Workload,
        model: Model,
        *,
        seed: int,
        base: Image,
        initial: dict[str, bytes],
        prober: Prober,
        lines: bool = False,
    ) -> None:
        self.subject = subject
        self.workload = workload
        self.model = model
        self.seed = seed
        self.crashes = self.other = 0
        self.lived: list[Lived] = []
        self.joined: list[Record] = []
        self._lines = lines
        self._base = self._image = base
        self._prober = prober
        self._values = MayBe(
            subject.sync is not None,
            {key: [initial.get(key, MISSING)] for key in workload.keys},
        )

    # -- living --------------------------------------------------------------------------------

    def trial(self, life: Life) -> Lived:
        """Live a life without consequences: what comes next begins where it began."""
        return self._live(life, self._values.copy())[0]

    def live(self, life: Life) -> Lived:
        """Live a life up to its death; the power stays on until `cut`."""
        values = self._values
        lived, image = self._live(life, values)
        values.last.clear()
        first = len(self.joined) + 1
        for number, one in enumerate(filter(is_effective, lived.records), first):
            one.i = number
            self.joined.append(one)
        self._image = image
        self.crashes += 1
        self.other += lived.fired
        self.lived.append(lived)
        return lived

    def _live(self, life: Life, values: MayBe) -> tuple[Lived, Image]:
        number, subject = len(self.lived), self.subject
        recorder = Recorder(subject.files) if self._lines else Unlined()
        room = None if life.room is None else parse(life.room)
        hooks = LifeHooks(None if life.fault is None else parse(life.fault), recorder, life.kill)
        machine = Machine(
            self._image,
            # The first life is the recorded run; a restarted machine draws other names.
            seed=self.seed + RESTART * number,
            hooks=hooks,
            call_limit=CALLS_MAX,
            capacity_bytes=room.amount if isinstance(room, Full) and room.unit == "bytes" else None,
            capacity_inodes=(
                room.amount if isinstance(room, Full) and room.unit == "inodes" else None
            ),
        )
        if number == 0:
            worn()
        process, lived = machine.process(), Lived()
        session: object = None
        call: Callable[[], object] | None = None
        in_flight: Operation | None = None
        doing, begun = Operation("open"), 0
        try:
            with watched(), active(process):
                session = attempt(subject, lambda: subject.open(DIRECTORY))
                lived.did.append((doing, 0, len(recorder.records), not hooks.killed))
                for operation in operations_in(life, self.workload if number == 0 else None):
                    if isinstance(session, Raised):
                        break
                    process.reset_calls()
                    doing, begun = operation, len(recorder.records)
                    in_flight = operation
                    call = partial(perform_on, subject, cast("Session", session), operation)
                    answer = attempt(subject, call)
                    if hooks.killed:
                        break
                    lived.did.append((doing, begun, len(recorder.records), True))
                    in_flight = None
                    if isinstance(answer, Raised) and lived.refused is None:
                        lived.refused = answer.type
                    if operation.kind == "delete" and answer is MISSING:
                        continue  # it has seen an absence, and promises nothing about it
                    values.done(operation, certain=not isinstance(answer, Raised))
        except Killed:
            pass
        if isinstance(session, Raised) and lived.refused is None and not hooks.killed:
            lived.refused = session.type
        if in_flight is not None:
            values.done(in_flight, certain=False)
        with active(process):
            process.kill()
            session = call = None  # what its finalizer does, it does as a dead process
        bury()
        lived.calls, lived.changes, lived.seen = hooks.serial, hooks.changes, hooks.seen
        # A full disk fires no fault of the language: an operation that it refused says so.
        lived.fired = hooks.fired > 0 or (room is not None and lived.refused is not None)
        lived.killed, lived.records = hooks.killed, recorder.records
        if lived.killed or lived.fired:
            worn()
        if hooks.killed and (not lived.did or lived.did[-1][0] is not doing):
            lived.did.append((doing, begun, len(recorder.records), False))
        return lived, _apart(machine.image(), number)

    # -- losing power --------------------------------------------------------------------------

    def states(self) -> tuple[Explorer, list[CrashState]]:
        """List crash states that a power cut can leave now: every call so far has returned."""
        explorer = Explorer(
            constrain(derive(self.joined, self._base), self.model),
            budget=STATES_MAX,
            seed=self.seed,
            at=2 * len(self.joined),
        )
        found = []
        for state in explorer.states():
            found.append(state)
            if len(found) == STATES_MAX:
                break
        return explorer, found

    def cut(self, explorer: Explorer, state: CrashState) -> None:
        """Cut the power, and go on with what is left."""
        self._base = self._image = _apart(explorer.image(state), len(self.lived))
        self.joined = []

    def explorer(self) -> Explorer:
        """Explore what has happened since the last power cut."""
        return Explorer(constrain(derive(self.joined, self._base), self.model), seed=self.seed)

    @property
    def image(self) -> Image:
        """What the next life finds."""
        return self._image

    # -- looking -------------------------------------------------------------------------------

    def look(self, image: Image | None = None) -> Observation:
        """Recover a copy of the disk, with no fault."""
        return self._prober.probe(self._image if image is None else image)

    def broken(self, observation: Observation) -> Iterator[Violation]:
        """Judge what a recovery of the present disk shows."""
        many = self.crashes > 1
        guarantee = "recovery" if many else "clean-failure"
        when = f"after {self.crashes} crashes" if many else "after a crash and another fault"

        def violation(
            kind: str, severity: Severity, key: str | None, observed: str, allowed: Sequence[str]
        ) -> Violation:
            return Violation(
                guarantee, kind, severity, key, observed, tuple(allowed), 2 * len(self.joined)
            )

        first = observation.first
        if first.opened is not None:
            kind = "will-not-open-after-crash-in-recovery" if many else "unusable"
            told = f"{when}, opening raises {first.opened}"
            yield violation(kind, "unavailable", None, told, ["opening succeeds"])
            return
        for key in self.workload.keys:
            allowed = self._values.may[key]
            got = first.values.get(key, MISSING)
            if got not in allowed:
                kind = "crash-in-recovery" if many else "not-clean"
                yield violation(
                    kind,
                    severity_of(got),
                    key,
                    f"{when}, it {reads(got)}",
                    [show(one) for one in allowed],
                )
                return
        if many:
            yield from Judge([], {}).recovery(observation, 2 * len(self.joined))


_APART: Final = 1 << 24
"""Numbers of the inodes that one life may make, before those of the next begin."""


def _apart(image: Image, number: int) -> Image:
    """Keep a life's inodes apart from those of the next: a number is never given out twice."""
    unreached = (number + 1) * _APART
    return Image(
        image.directories,
        {**image.contents, unreached: b""},
        image.targets,
        image.modes,
        image.link_counts,
    )


def is_effective(record: Record) -> bool:
    """Tell whether a call changed anything: one that failed may have, by a part of its bytes."""
    return record.error is None or (isinstance(record, Write) and bool(record.data))


def operations_in(life: Life, workload: Workload | None) -> tuple[Operation, ...]:
    """Give what a life does; the first one the workload, its restarts left out."""
    if workload is not None:
        return tuple(op for op in workload.operations if op.kind != "reopen")
    return tuple(Operation(op.op, op.key, op.value) for op in life.operations)  # type: ignore[arg-type]


# -- again ------------------------------------------------------------------------------------


def chain_of(
    subject: Subject, workload: Workload, model: Model, *, seed: int, lines: bool = False
) -> Chain:
    """Begin a chain: the setup is done, and the store works without any fault.

    Raises:
        BaselineError: It does not.
    """
    recording = record(subject, workload, seed=seed)
    prober = Prober(subject, workload.keys, seed=seed, writes=follow_values(subject, workload))
    return Chain(
        subject,
        workload,
        model,
        seed=seed,
        base=recording.base,
        initial=recording.initial,
        prober=prober,
        lines=lines,
    )


def walk(chain: Chain, lives: Sequence[Life]) -> list[Violation] | None:
    """Live recorded lives, and judge the end.

    Returns:
        What is broken; None where a power cut of the recording is not possible any more.
    """
    for life in lives:
        chain.live(life)
        if life.cut is not None:
            explorer = chain.explorer()
            state = state_of(explorer, life.cut)
            if state is None:
                return None
            chain.cut(explorer, state)
    return list(chain.broken(chain.look()))


def chain_again(
    subject: Subject, reproduction: Reproduction, model: Model
) -> tuple[list[Violation], bool]:
    """Live the chain of a finding again.

    Returns:
        What is broken at its end, and whether the store made the same calls as then.
    """
    lives = reproduction.chain or []
    chain = chain_of(subject, reproduction.workload(), model, seed=reproduction.seed)
    found = walk(chain, lives)
    return found or [], found is not None and trace_hash(trace_of(chain)) == reproduction.trace


def trace_of(chain: Chain) -> list[Record]:
    """Give everything that all lives changed, one after the other."""
    return [one for lived in chain.lived for one in lived.records]


def describe(lives: Sequence[Life], calls: Sequence[int]) -> str:
    """Say in a line what a chain does; lives are counted from 1.

    Args:
        lives: The chain.
        calls: For each life, how many calls of its own trace it came to; empty where they were not
            counted. A trace has no reads, and `Life.kill` counts them: it is no number of anything
            that a person is shown.
    """
    parts = []
    for number, life in enumerate(lives, 1):
        text = [f"process {number}"]
        if life.room is not None:
            text.append(f"with {life.room.replace('disk: ', 'the disk ')}")
        if life.fault is not None:
            text.append(f"with {life.fault}")
        done = ", ".join(str(op) for op in operations_in(life, None))
        if done:
            text.append(f"does {done}")
        text.append("ends" if life.kill is None else _killed(calls[number - 1 : number]))
        if life.cut is not None:
            losses = len(life.cut.lost) + (life.cut.torn is not None)
            text.append(f"and the power goes ({losses} effect{'s' * (losses != 1)} lost)")
        parts.append(" ".join(text))
    return "; ".join(parts)


def _killed(calls: Sequence[int]) -> str:
    if not calls:
        return "is killed"
    return f"is killed after its call {calls[0]}" if calls[0] else "is killed before its first call"
